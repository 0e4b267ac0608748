"""One metric of a plan: its value and variance in the past, and what each inference can show of it."""

from __future__ import annotations

import math

import numpy as np

from analysis.checks import ENOUGH_EVENTS, ENOUGH_UNITS
from analysis.contrasts import contrast_of
from analysis.inference.estimates import number
from analysis.inference.schedule import gives_on
from analysis.inference.series import adjusted_contrast
from analysis.metrics import Metric
from analysis.planning import power
from analysis.planning.history import capped, skewness
from analysis.planning.outlook import Outlook
from analysis.planning.result import Answer, Forecast, Reach
from analysis.reading import metric_plan

# Kohavi, Deng, Longbotham and Xu, KDD 2014, rule 7: units in an arm for a normal mean, per squared skewness.
UNITS_PER_SQUARED_SKEWNESS = 355
ROUNDS, LARGEST = 20, 10.0
# With the power that plans ask for, an interval concludes from about this part of the effect on.
EDGE = 0.7


class MetricPlanner:
    """One metric of a plan: in lifts, the value of control is 1."""

    def __init__(self, outlook: Outlook, metric: Metric) -> None:
        self.outlook, self.metric = outlook, metric
        experiment = outlook.past.experiment
        moments = outlook.past.collected.moments[:, :, 0]
        plain = contrast_of(metric, outlook.past.collected, 0)
        used = adjusted_contrast(experiment, metric, 0.5, moments, moments) if metric.covariates else plain
        self.values = plain.control[:, 0]
        counted, denominator = outlook.seen, metric.outcome.denominator
        if denominator is not None and denominator.complete:
            # Units whose window has not ended say nothing yet; in the plan all windows end.
            counted = counted * np.minimum(moments.select((denominator,)).mean[:, 0, 0], 1.0)
        # Control against itself: twice the variance of one mean.
        self.variances, self.before = (
            np.square(contrast.standard_error[:, 0]) * counted / 2 for contrast in (used, plain)
        )
        self.window = math.ceil(max((v.days or 0.0 for v in metric.outcome.variables), default=0.0))
        windows = [math.inf if v.days is None else v.days for v in metric.outcome.variables]
        self.giving = max(windows) if gives_on(outlook.experiment, metric) else None
        primary = sum(m.role == "primary" for m in experiment.metrics) * (len(outlook.experiment.arms) - 1)
        self.family = primary if metric.role == "primary" else 1
        self.effect = metric.margin if metric.role == "guardrail" else outlook.effect
        self.good = 1 if metric.direction == "increase" else -1

    def forecast(self) -> Forecast:
        """All that can be said of the metric."""
        outlook, metric = self.outlook, self.metric
        k = self._day(outlook.horizon)
        value, deviation = self.values[k], np.sqrt(self.variances[k])
        reason = None
        if not (np.isfinite(value) and value != 0):
            reason = "the past has no value, or the value 0, so that there is no lift to plan for"
        elif not deviation > 0:
            reason = "nothing varies in the past, or too few units say anything"
        # What is averaged over clusters is no unit's value.
        skew = None if outlook.experiment.cluster else skewness(metric, outlook.past)
        enough = None if skew is None or metric.binary else math.ceil(UNITS_PER_SQUARED_SKEWNESS * skew**2)
        curve = () if reason else tuple(map(self._reach, outlook.weeks))
        answers = () if reason else tuple(self._answer(kind, curve) for kind in outlook.inferences())
        with np.errstate(divide="ignore", invalid="ignore"):
            saved = 1 - self.variances[k] / self.before[k]
        return Forecast(
            metric=metric_plan(metric),
            alpha=self.level(outlook.experiment.inference),
            effect=self.effect,
            value=number(value),
            deviation=number(deviation),
            variance_reduction=number(saved) if metric.covariates else None,
            skewness=skew,
            enough_units=enough,
            capped=capped(metric, outlook.past),
            answers=answers,
            curve=curve,
            warnings=() if reason else tuple(self._warnings(k, enough, answers)),
            reason=reason,
        )

    def _day(self, days: int | None) -> int:
        """The look of the past that shows the metric when units came for so many days and its window has ended."""
        last = len(self.values)
        return min(days + self.window if days else last, last) - 1

    def comparison(self, kind: str, lift: float, days: int | None) -> power.Comparison:
        """The arms' variances where treatment has this lift (for a guardrail: none, against a margin of this size)."""
        k = self._day(days)
        value, variance = float(self.values[k]), float(self.variances[k] / self.values[k] ** 2)
        change = self.good * lift * float(np.sign(value))
        if self.metric.role == "guardrail":
            null = power.Comparison(variance, variance, self.outlook.ratio)
            return null.against_margin(-change * (1 - EDGE if kind == "bayesian" else 1))
        # Of a proportion, the variance changes with the value; of others it is taken to stay.
        before, after = self.metric.unit_variance(value * np.array([1, 1 + change]), np.ones(2))
        moved = power.Comparison(variance, variance * max(float(after / before), 0.0), self.outlook.ratio)
        # A posterior is of the lift, whose error grows with the lift that is seen; the other rules test the difference.
        return moved.against_margin(EDGE * change) if kind == "bayesian" else moved

    def test(self, kind: str, lift: float, days: int | None) -> power.Test:
        """How an inference concludes that there is an effect, or that a guardrail's margin of the size `lift` holds."""
        if kind == "bayesian":
            prior, shift = self.outlook.experiment.prior, lift if self.metric.role == "guardrail" else 0.0
            return power.Credible(self.good * prior.mean + shift, prior.standard_deviation, self.level(kind))
        return self.outlook.test(kind, days, self.level(kind), self.giving)

    def level(self, kind: str) -> float:
        """What one comparison must pass; a posterior is corrected for no family."""
        return self.outlook.experiment.alpha / (1 if kind == "bayesian" else self.family)

    def detectable(self, kind: str, n: float, days: int | None) -> float | None:
        """The least lift (or margin) that n units of all arms detect; None where no lift so large can be."""
        k, control, lift = self._day(days), n * self.outlook.control_share, 0.0
        if not (self.variances[k] > 0 and self.values[k] != 0):
            return None
        for _ in range(ROUNDS):
            comparison, test = self.comparison(kind, lift, days), self.test(kind, lift, days)
            last = lift
            lift = power.minimum_detectable_effect(test, comparison, control, self.outlook.target, self._pivot(kind))
            # Variances grow with some lifts, and may outgrow them.
            if lift > LARGEST or (self._falls and lift >= 1):
                return None
            if abs(lift - last) <= 1e-9 * lift:
                break
        return None if self.metric.binary and self.values[k] * (1 + self.good * lift) > 1 else lift

    @property
    def _falls(self) -> bool:
        """Whether the change that is looked for is a fall, which cannot exceed the whole."""
        return (self.good < 0) != (self.metric.role == "guardrail")

    def _pivot(self, kind: str) -> power.Pivot:
        return self.metric.pivot if kind == "fixed" else "normal"

    def power(self, kind: str, n: float, days: int | None) -> float | None:
        """How often n units of all arms show the effect."""
        if self.effect is None:
            return None
        comparison, control = self.comparison(kind, self.effect, days), n * self.outlook.control_share
        dof = comparison.dof(control, self._pivot(kind))
        return self.test(kind, self.effect, days).power(self.effect, comparison.error(control), dof)

    def _answer(self, kind: str, curve: tuple[Reach, ...]) -> Answer:
        outlook, days, units = self.outlook, None, None
        if self.effect is not None:
            least = ((reach.days, reach.lifts[kind]) for reach in curve)
            days = next((d for d, lift in least if lift is not None and lift <= self.effect), None)
            last = days or outlook.horizon
            comparison, test = self.comparison(kind, self.effect, last), self.test(kind, self.effect, last)
            control = power.sample_size(test, comparison, self.effect, outlook.target, self._pivot(kind))
            units = math.ceil(control / outlook.control_share)
        return Answer(
            inference=kind,
            lift=self.detectable(kind, outlook.planned, outlook.horizon),
            power=self.power(kind, outlook.planned, outlook.horizon),
            units=units,
            days=days,
        )

    def _reach(self, days: int) -> Reach:
        n = self.outlook.units(days)
        lifts = {kind: self.detectable(kind, n, days) for kind in self.outlook.inferences()}
        return Reach(days, round(n), days > len(self.values), lifts)

    def _warnings(self, k: int, enough: int | None, answers: tuple[Answer, ...]) -> list[str]:
        outlook, metric, notes = self.outlook, self.metric, []
        least = outlook.planned * outlook.control_share * min(1.0, outlook.ratio)
        floor = ENOUGH_UNITS[outlook.experiment.inference]
        if least < floor:
            notes.append(f"an arm gets {least:,.0f} {outlook.experiment.randomised}, and {floor:,} are too few already")
        elif enough is not None and least < enough:
            notes.append(
                f"so skewed that a mean needs {enough:,} {outlook.experiment.randomised} in an arm, and one gets "
                f"{least:,.0f}; cap it, or expect intervals that miss more often"
            )
        rare = least * min(self.values[k], 1 - self.values[k]) if metric.binary else np.inf
        if rare < ENOUGH_EVENTS[outlook.experiment.inference]:
            notes.append(f"an arm gets about {rare:.0f} of the rarer outcome, too few")
        own = answers[0]
        if metric.role == "guardrail" and own.power is not None and own.power < outlook.target:
            shown = "no margin" if own.lift is None else f"only a margin of {100 * own.lift:.3g}%"
            notes.append(
                f"where nothing changes, its margin of {100 * (metric.margin or 0):.3g}% is shown with power "
                f"{own.power:.2f}; with power {outlook.target:g} {shown} can be"
            )
        return notes
