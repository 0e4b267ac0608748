"""Means of values with a known range: by betting, by their own variance, and by the range alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.inference.sequences.mixture import bounded, level, solve
from analysis.metrics.metric import Array

# Waudby-Smith and Ramdas 2024: no bet risks more than this share of what one has.
STAKE = 0.5


def hoeffding_sequence(values: Array, alpha: float = 0.05) -> tuple[Array, Array]:
    """Ends of the mean after each value, shape (n,) each; it takes no heed of how little the values vary.

    Source: Waudby-Smith and Ramdas, J. R. Stat. Soc. B 2024, predictable plug-in Hoeffding.
    """
    values, t = bounded("values", values), np.arange(1.0, len(values) + 1)
    log = -np.log(level(alpha) / 2)
    bets = np.minimum(1.0, np.sqrt(8 * log / (t * np.log1p(t))))
    centre = np.cumsum(bets * values) / np.cumsum(bets)
    reach = (log + np.cumsum(np.square(bets)) / 8) / np.cumsum(bets)
    return centre - reach, centre + reach


def empirical_bernstein_sequence(values: Array, alpha: float = 0.05) -> tuple[Array, Array]:
    """Ends of the mean after each value, shape (n,) each; a closed formula that feels the values' own variance.

    Source: Waudby-Smith and Ramdas 2024, theorem 2.
    """
    values = bounded("values", values)
    lower = empirical_bernstein_lower(values, level(alpha) / 2)
    return lower, 1 - empirical_bernstein_lower(1 - values, alpha / 2)


def empirical_bernstein_lower(values: Array, alpha: float = 0.05, *, predictions: Array | None = None) -> Array:
    """The lower end alone, at error `alpha`, shape (n,). Negative ends say nothing.

    `predictions`, shape (n,), are guesses of each value made before it was seen; the mean so far where not given.
    Good guesses make it narrow, bad ones leave it valid.

    Source: Waudby-Smith and Ramdas 2024, theorem 2; predictions as in Howard et al. 2021, theorem 4.
    """
    values = bounded("values", values)
    means, _ = running(values)
    guesses = means if predictions is None else np.asarray(predictions, float)
    if guesses.shape != values.shape:
        raise AnalysisError(f"predictions has the shape {guesses.shape}, must have that of the values {values.shape}.")
    bets = np.minimum(STAKE, wagers(values, level(alpha)))
    cost = np.cumsum(np.square(values - guesses) * (-np.log1p(-bets) - bets))
    return np.asarray((np.cumsum(bets * values) - cost + np.log(alpha)) / np.cumsum(bets))


def betting_sequence(
    values: Array, alpha: float = 0.05, *, looks: NDArray[np.int64] | None = None, running_intersection: bool = False
) -> tuple[Array, Array]:
    """Ends of the mean by betting against every candidate, shape (looks,) each: the narrowest of the three.

    Args:
        values: in [0, 1], in time order, shape (n,).
        alpha: error over all looks.
        looks: how many values each look has seen, shape (looks,); every n where not given, which costs n^2.
        running_intersection: a later look is never wider than an earlier one; valid too, and empty if all fails.

    One who starts with 1/2 and bets that the mean is above m has 1/2 prod(1 + b (x - m)); were m the mean, nobody gets
    to 1 / alpha but with probability alpha. Both capitals are monotone in m, so the set of those m that are not refuted
    is an interval, and its ends are solved for, not searched on a grid.

    Source: Waudby-Smith and Ramdas 2024, theorem 3 (hedged capital), with its plug-in bets and c = 1/2.
    """
    values = bounded("values", values)
    seen = np.arange(1, len(values) + 1) if looks is None else np.asarray(looks)
    if np.any((seen < 1) | (seen > len(values))):
        raise AnalysisError(f"looks must be between 1 and the {len(values)} values; got {seen.tolist()}.")
    bets = wagers(values, level(alpha) / 2)
    goal = -np.log(alpha / 2)
    ends = np.array([(_lower(values[:n], bets[:n], goal), 1 - _lower(1 - values[:n], bets[:n], goal)) for n in seen])
    lower, upper = ends[:, 0], ends[:, 1]
    if running_intersection:
        return np.maximum.accumulate(lower), np.minimum.accumulate(upper)
    return lower, upper


def _lower(values: Array, bets: Array, goal: float) -> float:
    """The smallest m against which the bet that the mean is above has not reached the goal."""

    def gap(m: Array) -> Array:
        stakes = np.minimum(bets[:, None], STAKE / m.reshape(1, -1))
        gained = np.log1p(stakes * (values[:, None] - m.reshape(1, -1))).sum(axis=0)
        return np.asarray(gained.reshape(m.shape) - goal)

    # Just above 0 the stake is a share of 1 / m: any positive value makes the capital large, zeros cost half each.
    least = np.array(1e-12)
    if gap(least) <= 0:
        return 0.0
    return float(solve(gap, least, np.array(1.0)))


def running(values: Array) -> tuple[Array, Array]:
    """Mean and variance known before each value, shape (n,) each, as if one value of 1/2 with variance 1/4 was seen."""
    t = np.arange(1.0, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (t + 1)
    variances = (0.25 + np.cumsum(np.square(values - means))) / (t + 1)
    return np.append(0.5, means[:-1]), np.append(0.25, variances[:-1])


def wagers(values: Array, alpha: float) -> Array:
    """Bets before each value, shape (n,): sqrt(2 log(1 / alpha) / (variance so far x t log(1 + t))), not yet capped."""
    t = np.arange(1.0, len(values) + 1)
    return np.asarray(np.sqrt(-2 * np.log(alpha) / (running(values)[1] * t * np.log1p(t))))
