"""Intervals for a ratio of sums over units: corrected for skewness where that suffices, else guaranteed."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CORRECTED, GUARANTEED = "skewness-corrected", "betting"
# One decision that was not seen may move the estimate by this many standard errors; above it no central limit
# theorem holds, and the guaranteed interval is given. Coverage on both sides: docs/off-policy.md.
LINDEBERG = 0.35
# How near a bet may come to ruin; Waudby-Smith and Ramdas 2024 advise 1/2 to 3/4.
STAKE = 0.75
ORDERS = 8
STEPS = 24
# No end is looked for beyond this many standard errors, or shares of one decision.
FARTHEST = 2.0**30


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends, and the rule that made them."""

    lower: float
    upper: float
    rule: str

    def covers(self, value: float) -> bool:
        return self.lower <= value <= self.upper

    def within(self, low: float, high: float) -> "Interval":
        """The part of it between the least and the most that the value can be."""
        return Interval(min(max(self.lower, low), high), max(min(self.upper, high), low), self.rule)

    def holding(self, other: "Interval") -> "Interval":
        """The smallest interval that holds both."""
        return Interval(min(self.lower, other.lower), max(self.upper, other.upper), f"{other.rule}, widened")


@dataclass(frozen=True, slots=True)
class Sums:
    """The value sum(numerator) / sum(denominator) by what each unit contributes; arrays of shape (units,).

    Attributes:
        corners: the extreme (numerator, denominator) that one decision can contribute, shape (corners, 2).
        alone: whether each unit has one decision, so that the corners bound it.
    """

    numerator: Array
    denominator: Array
    corners: Array
    alone: bool = True

    @classmethod
    def by_unit(cls, numerator: Array, denominator: Array, unit: NDArray[np.int64], corners: Array) -> "Sums":
        """What decisions contribute, added up by `unit`; units without a decision are left out."""
        count = np.bincount(unit)
        some = count > 0
        above = np.asarray(np.bincount(unit, numerator)[some], np.float64)
        below = np.asarray(np.bincount(unit, denominator)[some], np.float64)
        return cls(above, below, corners, bool(count.max() <= 1))

    @property
    def value(self) -> float:
        return float(self.numerator.sum() / self.denominator.sum())

    @property
    def influence(self) -> Array:
        """Of each unit on the value; the mean is 0."""
        centred = self.numerator - self.value * self.denominator
        return np.asarray(centred / self.denominator.mean(), np.float64)

    @property
    def error(self) -> float:
        """Standard error of the value over units; 0 where all units are alike."""
        units = len(self.numerator)
        return math.sqrt(float((self.influence**2).sum()) / (units - 1) / units)

    def reach(self, value: float) -> tuple[float, float]:
        """The least and the most that one decision can add to numerator - value x denominator."""
        ends = self.corners[:, 0] - value * self.corners[:, 1]
        return float(ends.min()), float(ends.max())

    def span(self, value: float) -> tuple[float, float]:
        """Between which a unit's numerator - value x denominator is taken to lie.

        A decision may reach its corners. That all decisions of a unit reach them at once is not believed: units with
        several are bounded by twice what was seen.
        """
        low, high = self.reach(value)
        if self.alone:
            return low, high
        seen = self.numerator - value * self.denominator
        return min(low, 2 * float(seen.min())), max(high, 2 * float(seen.max()))

    @property
    def heaviness(self) -> float:
        """By how many standard errors one decision that was not seen could move the value."""
        if self.error == 0:
            return math.inf
        one = max(abs(end) for end in self.reach(self.value)) / abs(float(self.denominator.mean()))
        one = max(one, float(np.abs(self.influence).max()))
        return one / len(self.numerator) / self.error


def interval(sums: Sums, alpha: float = 0.05, *, guaranteed: bool = False) -> Interval:
    """The interval for the value at level 1 - alpha; units are independent, decisions of one need not be.

    Args:
        guaranteed: give the betting interval whatever the weights are.
    """
    if guaranteed or sums.heaviness > LINDEBERG:
        return betting(sums, alpha)
    return corrected(sums, alpha)


def corrected(sums: Sums, alpha: float = 0.05) -> Interval:
    """Normal on influence values, with the cubic correction for their skewness.

    Source: Hall, On the removal of skewness by transformation, JRSS B 1992, the monotone cubic transformation.
    Differs from it by: Student's t with units - 1 degrees of freedom for the normal quantile.
    """
    from scipy.special import stdtrit

    influence, units = sums.influence, len(sums.numerator)
    spread = float(np.sqrt((influence**2).mean()))
    skew = float(((influence / spread) ** 3).mean()) / math.sqrt(units) if spread > 0 else 0.0
    quantile = float(stdtrit(units - 1, 1 - alpha / 2))

    def root(y: float) -> float:
        if abs(skew) < 1e-9:
            return y
        return 3 / skew * (float(np.cbrt(1 + skew * (y - skew / 6))) - 1)

    value, error = sums.value, sums.error
    return Interval(value - error * root(quantile), value - error * root(-quantile), CORRECTED)


def betting(sums: Sums, alpha: float = 0.05) -> Interval:
    """All values against which betting on the units would not have multiplied a stake by 2 / alpha.

    Its level holds for any number of units, if their contributions stay within `Sums.span`.

    Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 2024, section 4;
    with importance weights, Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro 2024. Differs from them by: a ratio
    of sums for a mean, and capital averaged over several orders of the units, which is a fair game too.
    """
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(len(sums.numerator)), (ORDERS, 1)), axis=1)
    game = _Game.of(sums, orders, math.log(2 / alpha))
    return Interval(_boundary(game, sums, 1), _boundary(game, sums, -1), GUARANTEED)


def _boundary(game: "_Game", sums: Sums, side: int) -> float:
    """The end below the value (side 1) or above it (side -1): the last value that is not rejected."""
    inner = sums.value
    low, high = sums.span(inner)
    step = max(sums.error, (high - low) / len(sums.numerator) / abs(float(sums.denominator.mean())))
    if step == 0:
        return inner
    farthest, outer = FARTHEST * step, inner - side * step
    while not game.rejects(outer, side):
        inner, step = outer, 2 * step
        outer = inner - side * step
        if step > farthest:
            return -side * math.inf
    for _ in range(STEPS):
        middle = (outer + inner) / 2
        outer, inner = (middle, inner) if game.rejects(middle, side) else (outer, middle)
    return outer


@dataclass(frozen=True, slots=True)
class _Game:
    """Units in several orders, with running sums of squares; arrays of shape (orders, units)."""

    sums: Sums
    numerator: Array
    denominator: Array
    squares: tuple[Array, Array, Array]
    target: float

    @classmethod
    def of(cls, sums: Sums, orders: NDArray[np.int64], target: float) -> "_Game":
        n, d = sums.numerator[orders], sums.denominator[orders]
        squares = (_before(n * n), _before(n * d), _before(d * d))
        return cls(sums, n, d, squares, target)

    def rejects(self, value: float, side: int) -> bool:
        """Whether bets that the truth is above `value` (side 1) or below it (side -1) reach the target."""
        low, high = self.sums.span(value)
        nn, nd, dd = self.squares
        count = np.arange(1, self.numerator.shape[1] + 1)
        # The difference of large sums may round to below zero.
        seen = np.maximum(nn - 2 * value * nd + value**2 * dd, 0.0)
        variance = ((high - low) ** 2 / 4 + seen) / count
        bet = np.sqrt(2 * self.target / (len(count) * variance))
        ruin = -low if side > 0 else high
        bet = np.minimum(bet, STAKE / ruin) if ruin > 0 else bet
        gain = np.log1p(side * bet * (self.numerator - value * self.denominator)).sum(axis=1)
        return bool(np.logaddexp.reduce(gain) - math.log(len(gain)) > self.target)


def _before(values: Array) -> Array:
    """Of each place the sum of those before it: a bet knows the past only."""
    return np.asarray(np.cumsum(values, axis=1) - values, np.float64)
