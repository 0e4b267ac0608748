"""What a design promises before it starts: chance to cross at each look, power, and how much information it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.errors import AnalysisError
from analysis.group_sequential.walk import Walk
from analysis.metrics.metric import Array

# Walks start this far around where they are heading: beyond lies less than 1e-15 of them.
SPREAD = 8.0


@dataclass(frozen=True, slots=True)
class Crossing:
    """Chance to cross the upper or the lower bound first at each look, each of shape (..., looks)."""

    upper: Array
    lower: Array

    @property
    def power(self) -> Array:
        """Chance to cross the upper bound at any look, shape (...)."""
        return np.asarray(self.upper.sum(axis=-1))

    @property
    def by_look(self) -> Array:
        """Chance to stop at each look, at either bound, shape (..., looks)."""
        return self.upper + self.lower


def crossing_probabilities(
    upper: ArrayLike, information: ArrayLike, drift: ArrayLike = 0.0, *, lower: ArrayLike | None = None
) -> Crossing:
    """Chance to cross each bound first at each look.

    Args:
        upper: bounds of z, shape (looks,), nan or inf where there is no analysis.
        information: of each look, shape (looks,), growing from analysis to analysis.
        drift: expected z at information 1, of any shape: at each look it is drift * sqrt(information).
        lower: bounds of z below, shape (looks,), -inf for a look without; -upper where not given.

    Raises:
        AnalysisError: where information does not grow between analyses.

    Source: Jennison and Turnbull 2000, sections 8.2.2 and 19.2.
    """
    above, info, theta = np.asarray(upper, float), np.asarray(information, float), np.asarray(drift, float)
    below = -above if lower is None else np.asarray(lower, float)
    looks = np.flatnonzero(~np.isnan(above) & ~(np.isposinf(above) & np.isneginf(below)))
    if (np.diff(info[looks], prepend=0.0) <= 0).any():
        raise AnalysisError(f"information is {info[looks].tolist()}; it must grow from each analysis to the next")
    rows = theta.reshape(-1)
    crossed = np.zeros((2, rows.size, len(info)))
    walk = Walk.start(rows.size)
    for k, following in zip(looks, [*looks[1:], None], strict=True):
        now, root = info[k], np.sqrt(info[k])
        high, low = (np.full(rows.size, bound[k] * root) for bound in (above, below))
        crossed[0, :, k] = walk.above(high, now, rows)
        crossed[1, :, k] = walk.mirrored().above(-low, now, -rows)
        if following is not None:
            ends = (rows * now + side * SPREAD * root for side in (-1, 1))
            start, end = (np.clip(at, low, high) for at in ends)
            walk = walk.advance(start, end, now, info[following], rows)
    return Crossing(*crossed.reshape(2, *theta.shape, len(info)))


def drift_for_power(upper: ArrayLike, information: ArrayLike, power: float, *, lower: ArrayLike | None = None) -> float:
    """The drift at which the upper bound is crossed with probability `power`; arguments as for crossing.

    Its square, over that of a fixed design (z of 1 - alpha / 2 plus z of the power), is the design's inflation
    factor: how much more information its last look needs for the same power.
    """
    from scipy.optimize import brentq

    if not 0 < power < 1:
        raise AnalysisError(f"power is {power:g}; it must lie between 0 and 1")

    def missing(drift: float) -> float:
        return float(crossing_probabilities(upper, information, drift, lower=lower).power) - power

    bounds, root = np.asarray(upper, float), np.sqrt(np.asarray(information, float))
    certain = np.nanmin((np.maximum(bounds, 0.0) + SPREAD) / root)
    return float(brentq(missing, -SPREAD / np.nanmin(root), certain, xtol=1e-12))


def inflation_factor(
    upper: ArrayLike, information: ArrayLike, power: float, alpha: float, *, lower: ArrayLike | None = None
) -> float:
    """Information at the last look over that of a fixed design with the same power; `alpha` is of the upper side."""
    fixed = special.ndtri(power) - special.ndtri(alpha)
    return float((drift_for_power(upper, information, power, lower=lower) / fixed) ** 2)


def expected_information(
    upper: ArrayLike, information: ArrayLike, drift: ArrayLike = 0.0, *, lower: ArrayLike | None = None
) -> Array:
    """Information at which a design stops on average, of the last look's unit; shape of the drift."""
    info = np.asarray(information, float)
    stopped = crossing_probabilities(upper, information, drift, lower=lower).by_look
    return np.asarray(info[-1] - stopped @ (info[-1] - info))
