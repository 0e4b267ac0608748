"""Futility bounds: when an experiment may stop because it will hardly show the effect that it was planned for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.errors import AnalysisError
from analysis.group_sequential.boundaries import LEAST
from analysis.group_sequential.power import SPREAD, drift_for_power
from analysis.group_sequential.spending import Spending
from analysis.group_sequential.walk import Walk
from analysis.metrics.metric import Array


@dataclass(frozen=True, slots=True)
class Futility:
    """Bounds of z, shape (looks,), in the direction that is good: below, the experiment may stop for futility.

    At the last look the bound meets the upper one. `drift` is the expected z at information 1 that the design
    shows with its power although it stops for futility.
    """

    bounds: Array
    drift: float


def futility_bounds(
    upper: ArrayLike, information: ArrayLike, power: float, spending: Spending, *, time: ArrayLike | None = None
) -> Futility:
    """Non-binding futility bounds that spend 1 - power over the looks of a design.

    The upper bounds are those of the design without futility: who goes on in spite of a futility bound keeps the level.

    Args:
        upper: bounds of z, shape (looks,), an analysis at each.
        information: of each look, shape (looks,), growing.
        power: chance to cross the upper bound under the design's drift, above the chance without any effect.
        spending: how the error 1 - power is spent.
        time: spending time of each look, shape (looks,), 1 at the last; the information where not given.

    Raises:
        AnalysisError: where power is not between 0 and 1, or information does not grow.

    Source: Pampallona, Tsiatis and Kim 2001 (spending of the error of the second kind).
    """
    from scipy.optimize import brentq

    high, info = np.asarray(upper, float), np.asarray(information, float)
    if (np.diff(info, prepend=0.0) <= 0).any():
        raise AnalysisError(f"information is {info.tolist()}; it must grow from each look to the next")
    beta = np.diff(spending.spent(info if time is None else time, 1 - power), prepend=0.0)

    def walked(drift: float) -> tuple[Array, float]:
        """Bounds that spend what they should before the last look, and how much the last look then falls short."""
        low, walk, rate = high.copy(), Walk.start(1), np.array([drift])
        for k in range(len(info)):
            now, top = info[k], high[k : k + 1] * np.sqrt(info[k])
            short = beta[k] - walk.mirrored().above(-top, now, -rate)[0]
            if k + 1 == len(info):
                return low, short
            if short >= 0:
                break
            bottom = -walk.mirrored().bound(np.maximum(beta[k : k + 1], LEAST), now, -rate)
            low[k] = bottom[0] / np.sqrt(now)
            around = rate * now + SPREAD * np.sqrt(now) * np.array([[-1.0], [1.0]])
            start, end = np.clip(around, bottom, top)
            walk = walk.advance(start, end, now, info[k + 1], rate)
        return low, float(beta[-1])

    least = drift_for_power(high, info, power, lower=np.full(len(info), -np.inf))
    drift = float(brentq(lambda one: walked(one)[1], least - 1e-6, least + SPREAD / np.sqrt(info[-1]), xtol=1e-12))
    return Futility(walked(drift)[0], drift)
