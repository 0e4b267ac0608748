"""The random walk of a test statistic that is stopped at bounds: its density, look by look.

The statistic is the score S = Z sqrt(I): between looks it gains a normal step with variance equal to the
information gained. The density of the walks still running after a look is kept on Gauss-Legendre panels.

Source: Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapter 19.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.metrics.metric import Array

# Sixteen nodes to a panel of eight standard deviations: finer panels change bounds by less than 1e-10.
PANEL = 8.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
# Beyond this many standard deviations from where a walk is going, its chance is below 1e-11 of what it adds to.
REACH = 7.0
NEXT_TO_NOTHING = 1e-40
# Nodes this many standard deviations of a step away do not reach a point: their density there is below 1e-17.
# Kernels of more than this many entries a row leave them out.
FAR, LARGE = 9.0, 20_000


@dataclass(frozen=True, slots=True)
class Walk:
    """Walks that are still running, one a row: `mass` at ascending `nodes`, both (rows, nodes), at one information."""

    information: float
    nodes: Array
    mass: Array

    @classmethod
    def start(cls, rows: int) -> Walk:
        """All walks at 0, before any information."""
        return cls(0.0, np.zeros((rows, 1)), np.ones((rows, 1)))

    def above(self, bound: Array, information: float, drift: Array | float = 0.0) -> Array:
        """Chance that a walk is above `bound` (rows,), as a score, when it has reached `information`."""
        gained = information - self.information
        distance = self.nodes + np.reshape(drift * gained, (-1, 1)) - bound[:, None]
        return np.asarray(np.vecdot(self.mass, special.ndtr(distance / np.sqrt(gained))))

    def density(self, at: Array, information: float, drift: Array | float = 0.0) -> Array:
        """Density of the scores at `at` (rows, points) when the walks have reached `information`."""
        steps, mass, scale = *self._near(at, information, drift), np.sqrt(information - self.information)
        np.square(steps, out=steps)
        steps *= -0.5 / scale**2
        np.exp(steps, out=steps)
        return np.asarray(np.vecdot(steps, mass) / (scale * np.sqrt(2 * np.pi)))

    def bound(self, chance: Array, information: float, drift: Array | float = 0.0) -> Array:
        """The score (rows,) above which a walk is with `chance` (rows,) when it has reached `information`.

        The logarithm of that chance is concave (the density of a normal walk that is stopped outside intervals is
        log-concave), so that Newton's steps, from a bound that is too high, never pass the root: the bound of walks
        that never stopped, or of walks that are all at the highest node. A chance below `NEXT_TO_NOTHING` is not
        worth the steps: it keeps that bound.
        """
        drift, tail = np.broadcast_to(drift, chance.shape), -special.ndtri(chance)
        gained = information - self.information
        highest = self.nodes[:, -1] + drift * gained + tail * np.sqrt(gained)
        bound = np.asarray(np.minimum(drift * information + tail * np.sqrt(information), highest))
        solve = np.flatnonzero(chance > NEXT_TO_NOTHING)
        if self.information == 0 or not solve.size:
            return bound
        walk, at = self._rows(solve), bound[solve]
        for _ in range(50):
            above = walk.above(at, information, drift[solve])
            density = walk.density(at[:, None], information, drift[solve])[:, 0]
            step = above * np.log(above / chance[solve]) / density
            at = at + step
            # What is left is of the order of the square of the last step.
            if np.max(np.abs(step)) <= 1e-7 * np.sqrt(information):
                break
        bound[solve] = at
        return bound

    def mirrored(self) -> Walk:
        """The same walks with signs turned: what was above is below."""
        return Walk(self.information, -self.nodes[:, ::-1], self.mass[:, ::-1])

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
            nodes = np.concatenate([-nodes[:, ::-1], nodes], axis=1)
            mass = np.concatenate([mass[:, ::-1], mass], axis=1)
        return Walk(information, nodes, mass)

    def _rows(self, which: NDArray[np.intp]) -> Walk:
        return Walk(self.information, self.nodes[which], self.mass[which])

    def _near(self, at: Array, information: float, drift: Array | float) -> tuple[Array, Array]:
        """Distances from points (rows, points) to the nodes that reach them, and the mass there.

        Both of shape (rows, points, near), or the mass (rows, 1, nodes) where all nodes are near.
        """
        gained = information - self.information
        nodes, reach = self.nodes + np.reshape(drift * gained, (-1, 1)), FAR * np.sqrt(gained)
        rows, size = nodes.shape
        near = size
        if at.shape[1] * size > LARGE:
            first = np.stack([np.searchsorted(*one) for one in zip(nodes, at - reach, strict=True)])
            after = np.stack([np.searchsorted(*one) for one in zip(nodes, at + reach, strict=True)])
            near = int(np.max(after - first))
        if 3 * near > size:
            return at[:, :, None] - nodes[:, None, :], self.mass[:, None, :]
        first = np.minimum(first, size - near) + size * np.arange(rows)[:, None]
        which = first[:, :, None] + np.arange(near)
        return at[:, :, None] - nodes.ravel()[which], self.mass.ravel()[which]
