"""From a contrast to estimates: intervals, p-values and readings under one rule, cell by cell."""

from __future__ import annotations

from functools import cached_property
from math import isfinite
from typing import cast

import numpy as np
from numpy.typing import NDArray

from analysis.effects import Contrast
from analysis.inference.intervals import IntervalRule, fieller
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.readout import Estimate, Reading
from analysis.variables import Variable

Cell = tuple[int, int]
# With fewer units of weight in an arm its variance can be far too small, and a sequence loses its level: by simulation
# up to 31 % of tests of nothing where one arm is a twentieth of the other. Arms within twice each other err alike.
EFFECTIVE_UNITS, EFFECTIVE_UNITS_LIKE_ARMS, LIKE_ARMS = 10.0, 2.0, 2.0


class Estimates:
    """A contrast under one rule and level, as arrays over (looks, segments).

    `thin` marks the cells that hold too little for an interval. `units` is what the rule counts, where that is not the
    units of the contrast but all those with which its information grows.
    """

    def __init__(
        self,
        contrast: Contrast,
        rule: IntervalRule,
        alpha: float,
        thin: NDArray[np.bool_] | None = None,
        units: Array | float | None = None,
    ) -> None:
        self.contrast, self.rule, self.alpha, self.difference = contrast, rule, alpha, contrast.difference
        error = contrast.standard_error
        self.error = np.where(error > 0, error, np.nan)
        self.thin = np.zeros(error.shape, bool) if thin is None else thin
        self.units = np.broadcast_to(contrast.n_control + contrast.n_treatment if units is None else units, error.shape)
        self.critical = np.where(self.thin, np.nan, rule.critical(alpha, self.units, contrast.dof))
        self.half = self.critical * self.error
        with np.errstate(divide="ignore", invalid="ignore"):
            self.lift = self.difference / np.abs(contrast.control)
        self.lift_error = np.where(np.isnan(self.error), np.nan, contrast.relative_standard_error)
        self.lower, self.upper = fieller(contrast.control, contrast.treatment, contrast.covariance, self.critical)

    @cached_property
    def p(self) -> Array:
        """Two-sided p-values of no difference; nan where there is no interval."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p = self.rule.p_value(self.difference / self.error, self.units, self.contrast.dof)
        return np.where(np.isfinite(self.half), p, np.nan)

    def absolute(self, cell: Cell) -> Estimate:
        """The difference, in the metric's unit."""
        estimate, half = self.difference[cell], self.half[cell]
        ends = number(estimate - half), number(estimate + half)
        return Estimate(number(estimate), number(self.error[cell]), *ends, self._reason(cell))

    def relative(self, cell: Cell) -> Estimate:
        """The lift."""
        reason = self._reason(cell)
        if reason is None and self.contrast.control[cell] == 0:
            reason = "the control value is 0"
        if reason is None and np.isnan(self.lower[cell]):
            reason = "the control value is not clearly different from 0, so the lift has no bounds"
        ends = (None, None) if np.isnan(self.half[cell]) else (number(self.lower[cell]), number(self.upper[cell]))
        return Estimate(number(self.lift[cell]), number(self.lift_error[cell]), *ends, reason)

    def lift_ends(self, alpha: float) -> tuple[Array, Array]:
        """Both ends of the lift's interval among all units at another level, shape (looks,)."""
        whole = self.contrast[:, :1]
        critical = np.where(self.thin[:, :1], np.nan, self.rule.critical(alpha, self.units[:, :1], whole.dof))
        lower, upper = fieller(whole.control, whole.treatment, whole.covariance, critical)
        return lower[:, 0], upper[:, 0]

    def p_value(self, cell: Cell) -> float | None:
        """Two-sided p-value of no difference."""
        return number(self.p[cell])

    def readings(self, metric: Metric) -> list[list[Reading]]:
        """What each cell says of the metric, in the direction that is good for it: for each look, each segment."""
        good = 1 if metric.direction == "increase" else -1
        effect = good * self.difference - self.half, good * self.difference + self.half
        if metric.margin is None:
            return readings(*effect)
        distance, error = self.contrast.against_margin(-good * metric.margin)
        reach = self.critical * np.where(error > 0, error, np.nan)
        return readings(*effect, (good * distance - reach, good * distance + reach))

    def _reason(self, cell: Cell) -> str | None:
        """Why the cell has no interval; None where it has one."""
        if not np.isnan(self.half[cell]):
            return None
        contrast = self.contrast
        for n, side in ((contrast.n_control[cell], "control"), (contrast.n_treatment[cell], "treatment")):
            if n < 2:
                return f"{side} has {n:.0f} unit{'' if n == 1 else 's'}; an interval needs 2 or more"
        if contrast.refused is not None and contrast.refused[cell]:
            return str(contrast.refused[cell])
        if np.isnan(self.difference[cell]):
            return "the denominator is 0, or an arm has too few units for a slope of its own"
        if np.isnan(contrast.covariance[cell]).any():
            return "no variance is given"
        if self.thin[cell]:
            return "an arm has too few units with a value for an interval that is safe to peek at"
        if np.isnan(self.critical[cell]) and self.error[cell] > 0:
            return "no analysis is planned at this look"
        return "no variance: every unit has the same value"


def readings(low: Array, high: Array, from_margin: tuple[Array, Array] | None = None) -> list[list[Reading]]:
    """What intervals of the effect say, and where there is a margin, what those of the distance from it say first.

    Ends have the shape (looks, segments), and are turned so that up is good.
    """
    read = np.select([np.isnan(low), low > 0, high < 0], ["unknown", "better", "worse"], "unclear")
    if from_margin is not None:
        low, high = from_margin
        beyond = np.select([np.isnan(low), low > 0, high < 0], ["unknown", "within_margin", "beyond_margin"], "")
        read = np.where(beyond != "", beyond, np.where(read == "worse", "worse", "unclear"))
    return cast(list[list[Reading]], read.tolist())


def effective_units(metric: Metric, arm: Moments, nonnegative: frozenset[Variable]) -> Array:
    """How many units carry the metric in an arm, shape (...): its units, or fewer where a few hold nearly all.

    For a proportion the rarer of units with and without; for values that are never negative Kish's
    (sum x)² / (sum x²), for both parts of a ratio; all units where values can be negative.
    """
    least = np.asarray(arm.n, float)
    if metric.binary and metric.outcome.denominator is None:
        share = arm.select(metric.outcome.variables).mean[..., 0]
        return np.asarray(np.minimum(share, 1 - share) * least)
    for variable in metric.outcome.variables:
        if variable in nonnegative:
            least = np.fmin(least, arm.kish(variable))
    return least


def thin_cells(
    metric: Metric, control: Moments, treatment: Moments, share: float, nonnegative: frozenset[Variable]
) -> NDArray[np.bool_]:
    """Cells in which an arm has too few units that carry the metric for an interval that is read at every look.

    `share` is the treatment's planned share of the two arms.
    """
    least = np.minimum(*(effective_units(metric, arm, nonnegative) for arm in (control, treatment)))
    alike = 1 / LIKE_ARMS <= share / (1 - share) <= LIKE_ARMS and metric.outcome.denominator is None
    return np.asarray(least < (EFFECTIVE_UNITS_LIKE_ARMS if alike else EFFECTIVE_UNITS))


def number(value: Array | float) -> float | None:
    """A finite number, or None."""
    plain = float(value)
    return plain if isfinite(plain) else None
