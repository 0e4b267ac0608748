"""Bounds of a group sequential design: what |z| must exceed at each look."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.errors import AnalysisError
from analysis.group_sequential.spending import Spending
from analysis.group_sequential.walk import NEXT_TO_NOTHING, REACH, Walk
from analysis.metrics.metric import Array

# No look is given less error than this, so that its bound is finite.
LEAST = 1e-300
FARTHEST = -special.ndtri(NEXT_TO_NOTHING)
# Information must grow by this share to be new: the same data cannot be analysed as if they were more.
NEW = 1e-5
# Information below this share of the most there will be is none.
NONE = 1e-12


def boundaries(
    information: ArrayLike, alpha: float, spending: Spending, *, time: ArrayLike | None = None, sides: int = 2
) -> Array:
    """Bounds of z at each look, so that all looks together err with probability `alpha` at most.

    Args:
        information: of each look, shape (K,), of any unit: only its ratios count.
        alpha: error of the whole design; with two sides each spends `spending` of alpha / 2, a symmetric design.
        time: spending time of each look, shape (K,), 1 at the planned end; the information where not given.
        sides: 2 (|z| above the bound) or 1 (z above the bound).

    Returns:
        Shape (K,), always finite. A look that has next to no error to spend is bounded by the quantile of that
        error, at most 37.05 (that of 1e-300), and later looks spend what it leaves. nan where there is no analysis:
        where time is nan or has not passed since the last analysis (as after the end, when all is spent), and
        where information is 0 or has fallen below an earlier look's. A look that only repeats the information
        of the one before (a gain below 0.001 %) spends what time has added on the same data: its bound is the one
        that the look before would have had, had it been so late.

    Raises:
        AnalysisError: for alpha outside (0, sides / 2], sides other than 1 and 2, or shapes that differ.

    Source: Lan and DeMets 1983; Jennison and Turnbull 2000, sections 7.2 and 19.2.
    """
    if sides not in (1, 2) or not 0 < alpha <= sides / 2:
        raise AnalysisError(f"alpha is {alpha:g} and sides {sides}; use sides 1 or 2, and alpha in (0, sides / 2]")
    info = np.asarray(information, float)
    times = info if time is None else np.asarray(time, float)
    if info.ndim != 1 or info.shape != times.shape:
        raise AnalysisError(f"information has shape {info.shape} and time {times.shape}; both must be (looks,)")
    return np.array(solved(tuple(info.tolist()), tuple(times.tolist()), (float(alpha),), spending, sides)[0])


def spending_time(information: ArrayLike, planned: float, *, ended: bool = False) -> Array:
    """Spending time of looks by their information: its share of what was planned, shape (looks,).

    A look past the plan (over-running) is the end: it spends the rest, and looks after it have nothing to spend.
    Where the experiment has `ended` the last look is the end whatever its information (under-running), so that its
    bound is solved again for all that is left; earlier looks stay as they were. Ending must not depend on the
    estimates seen.

    Source: Jennison and Turnbull 2000, section 7.2; Wassmer and Brannath 2016, section 3.3.
    """
    time = np.minimum(np.asarray(information, float) / planned, 1.0)
    return np.append(time[:-1], 1.0) if ended else time


@lru_cache(maxsize=4096)
def solved(
    information: tuple[float, ...], time: tuple[float, ...], alphas: tuple[float, ...], spending: Spending, sides: int
) -> Array:
    """`boundaries` of many alphas at once, shape (alphas, looks), read-only."""
    info, level = np.array(information), np.array(alphas)
    looks = _analyses(information, time)
    bounds = np.full((len(level), len(info)), np.nan)
    used = info[looks]
    spent = spending.spent(np.array(time)[looks], level[:, None] / sides)
    alone = -special.ndtri(np.maximum(np.diff(spent, axis=1, prepend=0.0), LEAST))
    walk, base, upper = Walk.start(len(level)), np.zeros(len(level)), np.zeros(len(level))
    now = 0.0
    for j, k in enumerate(looks):
        if used[j] > now * (1 + NEW):
            if j:
                # Walks beyond these ends have next to no part in what later looks add.
                highest = np.max(np.where(alone[:, j:] < FARTHEST, alone[:, j:], 0.0) / np.sqrt(used[j:]), axis=1)
                reach = REACH * np.sqrt(now)
                lower = None if sides == 2 else np.full(len(level), -reach)
                walk = walk.advance(lower, np.minimum(upper, highest * now + reach), now, used[j])
                base = spent[:, j - 1]
            now = used[j]
        target = np.maximum(spent[:, j] - base, LEAST)
        upper = walk.bound(target, now)
        if sides == 2:
            upper = np.maximum(upper, 0.0)
        bounds[:, k] = upper / np.sqrt(now)
    bounds.flags.writeable = False
    return bounds


def _analyses(information: tuple[float, ...], time: tuple[float, ...]) -> NDArray[np.int_]:
    """The looks that are analyses: time has passed, and information is not below what has been."""
    least = NONE * np.nanmax(np.where(np.isinf(information), np.nan, information), initial=0.0)
    most, latest, looks = least, 0.0, []
    for k, (one, when) in enumerate(zip(information, np.minimum(time, 1.0), strict=True)):
        if one >= most > 0 and np.isfinite(one) and when > latest:
            most, latest = one, when
            looks.append(k)
    return np.array(looks, int)
