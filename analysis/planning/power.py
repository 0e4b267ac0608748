"""Power: how often two arms will be told apart, how many units that takes, and what effect can be detected.

A rule says when an interval leaves out 0. Whatever it is, its power depends on the effect in standard errors alone, so
one comparison serves means, proportions, ratios and quantiles: what differs is the variance of one unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
from scipy import special

from analysis.errors import AnalysisError
from analysis.group_sequential.boundaries import boundaries
from analysis.group_sequential.spending import Spending
from analysis.group_sequential.walk import Walk
from analysis.inference.intervals import ConfidenceSequence
from analysis.metrics.metric import Array

Pivot = Literal["t", "normal"]
# Walks are followed this many standard deviations out, for effects of up to so many standard errors.
TAIL, MOST_DRIFT = 8.0, 12.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two independent arms.

    Attributes:
        control, treatment: variance of one unit in each arm; for a mean over clusters, of one cluster.
        ratio: treatment units for one control unit.
    """

    control: float
    treatment: float
    ratio: float = 1.0

    def error(self, n: float) -> float:
        """Standard error of treatment minus control with n control units."""
        return float(np.sqrt((self.control + self.treatment / self.ratio) / n))

    def dof(self, n: float, pivot: Pivot) -> float:
        """Degrees of freedom with n control units: Student's, to which Welch's come when the variances are alike."""
        return n * (1 + self.ratio) - 2 if pivot == "t" else np.inf

    def against_margin(self, ratio: float) -> Comparison:
        """The comparison of treatment with (1 + ratio) x control, as a guardrail's margin asks."""
        return Comparison(self.control * (1 + ratio) ** 2, self.treatment, self.ratio)


class Test(Protocol):
    """A way to conclude that there is an effect."""

    def power(self, effect: float, error: float, dof: float = np.inf) -> float:
        """How often it concludes so, of an effect that is estimated with this standard error at the last look."""
        ...

    def detectable(self, error: float, power: float, dof: float = np.inf) -> float:
        """The least effect above 0 with this power."""
        ...


def sample_size(test: Test, comparison: Comparison, effect: float, power: float, pivot: Pivot = "normal") -> float:
    """Control units, not rounded, that give the test this power of an effect above 0; a few at least.

    Raises:
        AnalysisError: if the effect is not above 0.
    """
    if not effect > 0:
        raise AnalysisError(f"the effect to detect is {effect}, expected a number above 0; state its size.")
    low = 3 / (1 + comparison.ratio)

    def excess(log: float) -> float:
        n = low + np.exp(log)
        return test.detectable(comparison.error(n), power, comparison.dof(n, pivot)) / effect - 1

    least, most = -30.0, 10.0
    if excess(least) < 0:
        return low
    while excess(most) > 0:
        most += 10
    return float(low + np.exp(_root(excess, least, most)))


def minimum_detectable_effect(
    test: Test, comparison: Comparison, n: float, power: float, pivot: Pivot = "normal"
) -> float:
    """The least effect above 0 that n control units give this power."""
    return test.detectable(comparison.error(n), power, comparison.dof(n, pivot))


@dataclass(frozen=True, slots=True)
class OneLook:
    """An interval that is read once: t where degrees of freedom are finite, else normal.

    Source: Cohen 1988, section 2.5 (noncentral t); two-sided power counts both tails.
    """

    alpha: float = 0.05
    sides: Literal[1, 2] = 2

    def power(self, effect: float, error: float, dof: float = np.inf) -> float:
        return _tails(effect / error, self._critical(dof), self.sides, dof)

    def detectable(self, error: float, power: float, dof: float = np.inf) -> float:
        return error * _drift(lambda drift: self.power(drift, 1.0, dof), power, self._critical(dof))

    def _critical(self, dof: float) -> float:
        tail = self.alpha / self.sides
        return float(-special.ndtri(tail) if np.isinf(dof) else -special.stdtrit(dof, tail))


@dataclass(frozen=True, slots=True)
class Credible:
    """A credible interval that is read once, under a normal prior of the effect (in the effect's unit).

    The interval of level 1 - alpha lies above 0 where z > c √(1 + s² / sd²) - mean s / sd², with c the normal quantile
    and s the standard error: a prior around 0 asks for more data.
    """

    mean: float
    deviation: float
    alpha: float = 0.05

    def power(self, effect: float, error: float, dof: float = np.inf) -> float:
        del dof
        return float(special.ndtr(effect / error - self._critical(error)))

    def detectable(self, error: float, power: float, dof: float = np.inf) -> float:
        del dof
        return max(float(error * (self._critical(error) + special.ndtri(power))), 0.0)

    def _critical(self, error: float) -> float:
        shrink = (error / self.deviation) ** 2
        wide = -special.ndtri(self.alpha / 2) * np.sqrt(1 + shrink)
        return float(wide - self.mean * error / self.deviation**2)


@dataclass(frozen=True, slots=True)
class ManyLooks:
    """An interval that is read at several looks, until it leaves out 0.

    Attributes:
        information: share of the last look's information that each look has, shape (K,), rising to 1.
        critical: half-width in standard errors at each look, shape (K,).

    Power counts both sides. Source: Armitage, McPherson and Rowe 1969; other effects than 0 by the likelihood ratio
    of Jennison and Turnbull 2000, section 19.3.
    """

    information: tuple[float, ...]
    critical: tuple[float, ...]

    def power(self, effect: float, error: float, dof: float = np.inf) -> float:
        del dof
        return 1 - float(self._running(effect / error)[-1])

    def detectable(self, error: float, power: float, dof: float = np.inf) -> float:
        del dof
        return error * _drift_of_looks(self, power)

    def expected_information(self, effect: float, error: float) -> float:
        """Mean share of the last look's information that is in when the reading stops."""
        before = np.append(1.0, self._running(effect / error)[:-1])
        return float(before @ np.diff(self.information, prepend=0.0))

    def _running(self, drift: float) -> Array:
        """How often nothing is concluded up to each look, shape (K,)."""
        walks = _null_walks(self.information, self.critical)
        return np.array(
            [walk.mass[0] @ np.exp(drift * walk.nodes[0] - drift**2 * walk.information / 2) for walk in walks]
        )


def confidence_sequence(units: Array, alpha: float, information: Array | None = None) -> ManyLooks:
    """A confidence sequence tuned to the units of the last look, read at each look (shape (K,), rising to 1).

    `information` is that of each look where it is not the units, as for running totals.
    """
    critical = ConfidenceSequence(1.0, alpha).critical(alpha, units, units)
    return ManyLooks(tuple((units if information is None else information).tolist()), tuple(critical.tolist()))


def group_sequential(time: Array, alpha: float, spending: Spending, information: Array | None = None) -> ManyLooks:
    """A group sequential design with these looks (shape (K,), rising to 1); `information` as for a sequence."""
    information = time if information is None else information
    bounds = boundaries(information, alpha, spending, time=time)
    return ManyLooks(tuple(information.tolist()), tuple(bounds.tolist()))


@lru_cache(maxsize=1024)
def _drift_of_looks(looks: ManyLooks, power: float) -> float:
    return _drift(lambda drift: looks.power(drift, 1.0), power, looks.critical[-1])


@lru_cache(maxsize=256)
def _null_walks(information: tuple[float, ...], critical: tuple[float, ...]) -> tuple[Walk, ...]:
    """Walks without drift that are still running after each look."""
    walk, walks = Walk.start(1), []
    for now, following, bound in zip(information, (*information[1:], 2.0), critical, strict=True):
        score = min(bound * np.sqrt(now), TAIL * np.sqrt(now) + MOST_DRIFT * now)
        walk = walk.advance(None, np.array([score]), now, following)
        walks.append(walk)
    return tuple(walks)


def _tails(drift: float, critical: float, sides: int, dof: float) -> float:
    """How often a pivot around `drift` is beyond the critical value."""
    if np.isinf(dof):
        above, below = special.ndtr(drift - critical), special.ndtr(-drift - critical)
    else:
        # The far tail is nan where it underflows.
        above, below = 1 - special.nctdtr(dof, drift, critical), np.nan_to_num(special.nctdtr(dof, drift, -critical))
    return float(above + below if sides == 2 else above)


def _drift(power_of: Callable[[float], float], power: float, critical: float) -> float:
    """The effect in standard errors that has this power; 0 where no effect has it already."""
    if not 0 < power < 1:
        raise AnalysisError(f"the power is {power}, expected a number between 0 and 1, such as 0.8.")
    if power_of(0.0) >= power:
        return 0.0
    high = critical + abs(float(special.ndtri(power)))
    while power_of(high) < power:
        high *= 1.2
    return _root(lambda drift: power_of(drift) - power, 0.0, high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-13, rtol=1e-14))
