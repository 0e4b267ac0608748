"""The random walk of a test statistic that is stopped at bounds: its density, look by look.

The statistic is the score S = Z sqrt(I): between looks it gains a normal step with variance equal to the
information gained. The density of the walks still running after a look is kept on Gauss-Legendre panels.

Source: Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapter 19.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.metrics.metric import Array

# Sixteen nodes to a panel of six standard deviations: finer panels change bounds by less than 1e-13.
PANEL = 6.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
# Beyond this many standard deviations from where a walk is going, its chance is below 1e-11 of what it adds to.
REACH = 7.0


@dataclass(frozen=True, slots=True)
class Walk:
    """Walks that are still running, one a row: `mass` at `nodes`, both of shape (rows, nodes), at one information."""

    information: float
    nodes: Array
    mass: Array

    @classmethod
    def start(cls, rows: int) -> Walk:
        """All walks at 0, before any information."""
        return cls(0.0, np.zeros((rows, 1)), np.ones((rows, 1)))

    def above(self, bound: Array, information: float, drift: Array | float = 0.0) -> Array:
        """Chance that a walk is above `bound` (rows,), as a score, when it has reached `information`."""
        steps, scale = self._steps(bound[:, None], information, drift)
        return np.asarray(np.vecdot(self.mass, special.ndtr(steps[:, 0] / -scale)))

    def density(self, at: Array, information: float, drift: Array | float = 0.0) -> Array:
        """Density of the scores at `at` (rows, points) when the walks have reached `information`."""
        steps, scale = self._steps(at, information, drift)
        kernel = np.exp(np.square(steps) * (-0.5 / scale**2))
        return np.asarray((kernel @ self.mass[..., None])[..., 0] / (scale * np.sqrt(2 * np.pi)))

    def advance(
        self,
        lower: Array | None,
        upper: Array,
        information: float,
        following: float,
        drift: Array | float = 0.0,
    ) -> Walk:
        """The walks between the bounds (rows,) at `information`, on nodes fit for a step to `following`.

        Without a `lower` bound the walks are symmetric, and stop below -upper too.
        """
        scale = 1 / np.sqrt(1 / (information - self.information) + 1 / (following - information))
        start = np.zeros_like(upper) if lower is None else np.minimum(lower, upper)
        panels = max(1, int(np.ceil(np.max(upper - start) / (PANEL * scale))))
        half = (upper - start) / (2 * panels)
        middles = start[:, None] + half[:, None] * np.arange(1, 2 * panels, 2)
        nodes = (middles[..., None] + half[:, None, None] * NODES).reshape(len(upper), -1)
        mass = self.density(nodes, information, drift) * (half[:, None] * np.tile(WEIGHTS, panels))
        if lower is None:
            nodes, mass = np.concatenate([nodes, -nodes], axis=1), np.concatenate([mass, mass], axis=1)
        return Walk(information, nodes, mass)

    def _steps(self, at: Array, information: float, drift: Array | float) -> tuple[Array, float]:
        """Distances from every node to every point, (rows, points, nodes), and the standard deviation of the step."""
        gained = information - self.information
        moved = self.nodes + np.reshape(np.asarray(drift, float) * gained, (-1, 1))
        return at[:, :, None] - moved[:, None, :], float(np.sqrt(gained))
