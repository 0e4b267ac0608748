"""What one surface adds to the chances that a curve of all surfaces together gives: people mean other things there."""

import numpy as np
from numpy.typing import NDArray

from recsys.ranking.calibration import PLATT_FROM, Floats, chance, log_odds

# How far surfaces' log odds are expected to lie from the whole's. With four surfaces a spread that is found from
# them is mostly luck, so it is a constant: in the demo they lay .03 (wishlist) to .4 (purchase) apart.
SPREAD = 0.3
# Surfaces get shifts where luck alone makes differences like theirs in this share of cases at most.
LUCK = 0.01
STEPS = 50


def fitted_shifts(
    chances: Floats,
    happened: NDArray[np.floating],
    surface: NDArray[np.integer],
    *,
    start: Floats,
    user: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
) -> Floats:
    """What to add to the log odds on each surface, float64 (surfaces,): `start` where there are no rows, near it where
    there are few.

    The most likely shifts if each is drawn from N(start, SPREAD^2) before anything is seen (ridge regression with the
    chances' log odds as an offset; a random intercept a surface with a known variance), found by Newton steps. They
    stay as they were with fewer than PLATT_FROM outcomes, or if with them no surface is off beyond luck.

    Args:
        chances: behind the curve.
        start: what was added before; zeros for nothing.
        surface: which one a row is of, from 0.
        user: a number a person, whose rows depend on each other.
        weight: of each row; where outcomes are still to come, `happened` and this as in `Early`.
    """
    counted = np.ones(len(chances)) if weight is None else np.asarray(weight, np.float64)
    odds, y = log_odds(chances), np.asarray(happened, np.float64)
    surfaces, shifts, pull = len(start), start.copy(), SPREAD**-2
    off = counted * (chance(odds + start[surface]) - y)
    alone = _sums(counted**2 * _spread(odds + start[surface]), surface, surfaces)
    if counted @ y < PLATT_FROM or not _beyond_luck(off, surface, user, alone):
        return shifts
    for _ in range(STEPS):
        moved = odds + shifts[surface]
        slope = _sums(counted * (chance(moved) - y), surface, surfaces) + pull * (shifts - start)
        bend = _sums(counted * _spread(moved), surface, surfaces) + pull
        step = np.clip(slope / bend, -1.0, 1.0)
        shifts -= step
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return shifts


def taken_out(chances: Floats, shifts: Floats) -> Floats:
    """What the chances were before each row's shift was added."""
    return chance(log_odds(chances) - shifts)


def _sums(values: Floats, surface: NDArray[np.integer], surfaces: int) -> Floats:
    return np.asarray(np.bincount(surface, values, surfaces), np.float64)


def _spread(odds: Floats) -> Floats:
    """The variance of what happens at these log odds."""
    p = chance(odds)
    return p * (1 - p)


def _beyond_luck(off: Floats, surface: NDArray[np.integer], user: NDArray[np.integer], alone: Floats) -> bool:
    """Score test of nothing being off, where what one person's rows are off by is one draw: chi square, one degree of
    freedom a surface.

    Args:
        alone: the variance of each surface's sum if no row depended on another. What is counted is never taken for
            less: where it happened less often than was expected, such as never, the people who were counted are alike.
    """
    from scipy.stats import chi2

    surfaces, (people, row) = len(alone), np.unique(user, return_inverse=True)
    each = np.bincount(row * surfaces + surface, off, len(people) * surfaces).reshape(-1, surfaces)
    total, counted = each.sum(axis=0), each.T @ each
    counted[np.diag_indices(surfaces)] = np.maximum(counted.diagonal(), alone)
    return bool(total @ np.linalg.pinv(counted) @ total > chi2.isf(LUCK, surfaces))
