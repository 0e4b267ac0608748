"""Plans an experiment from the workspace's past: what its units can show, in how many days, and what peeking costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from analysis import power
from analysis.checks import ENOUGH_EVENTS, ENOUGH_UNITS
from analysis.contrasts import contrast_of
from analysis.estimates import number
from analysis.experiment import INFERENCES, Experiment
from analysis.forecast import Answer, Forecast, Plan, Price, Reach, Traffic
from analysis.group_sequential import Spending
from analysis.history import Past, capped, read_past, skewness
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.overlap import overlaps, running_experiments
from analysis.reading import metric_plan
from analysis.rules import DAILY
from analysis.schedule import longest_window
from analysis.series import adjusted_contrast

if TYPE_CHECKING:
    from store import Workspace

# Traffic beyond the past is guessed, and the guess is not worth more.
MOST_WEEKS = 12
# Kohavi, Deng, Longbotham and Xu, KDD 2014, rule 7: units in an arm for a normal mean, per squared skewness.
UNITS_PER_SQUARED_SKEWNESS = 355
ROUNDS, LARGEST = 20, 10.0
# With the power that plans ask for, an interval concludes from about this part of the effect on.
EDGE = 0.7


def plan(
    experiment: Experiment,
    workspace: Workspace | None = None,
    *,
    effect: float | None = None,
    days: int | None = None,
    target: float = 0.8,
    now: datetime | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Plan:
    """What an experiment can show, before it starts.

    Args:
        workspace: needed where the source is the lake.
        effect: the relative lift that would matter, such as 0.02, for powers and days; a guardrail's is its margin.
        days: how long units are to come; without it until the planned units are in, in whole weeks of all traffic.
        target: the power to plan for.
        now: when experiments count as running; without it the present.
        progress: is told, in words, what is being done.

    Raises:
        SourceError: if the past has no facts to plan from.
        ExperimentError: if a metric's kind does not allow the values found.
    """
    progress("Reading the past")
    running = running_experiments(experiment, workspace, (now or datetime.now(UTC)).date())
    past = read_past(experiment, workspace, [other.id for other in running])
    progress("Working out what the units can show")
    return _Planner(experiment, past, effect, days, target).plan(overlaps(experiment, running, past.shared))


class _Planner:
    """One plan in the making; days count from the start of the experiment, and n is units of all arms together."""

    def __init__(
        self, experiment: Experiment, past: Past, effect: float | None, days: int | None, target: float
    ) -> None:
        self.experiment, self.past, self.effect, self.target = experiment, past, effect, target
        shares, control = experiment.shares, experiment.control
        least = min(shares[arm] for arm in experiment.arms[1:])
        self.control_share, self.ratio = shares[control] / sum(shares.values()), least / shares[control]
        self.seen = past.collected.moments.n[:, 0, 0]
        self.planned = experiment.planned_units or int(self.units(days or len(self.seen)))
        self.days = days or next((d for d in self.weeks if self.units(d) >= self.planned), None)
        # The looks that the planned units get where they come later than any plan says.
        self.horizon = self.days or (self.weeks[-1] if self.weeks else None)
        self.tests: dict[tuple[str, int | None, float], power.Test] = {}

    @cached_property
    def weeks(self) -> tuple[int, ...]:
        """The days of every plan of whole weeks; none for a past without days."""
        return tuple(range(7, 7 * MOST_WEEKS + 1, 7)) if self.past.window else ()

    def units(self, days: int) -> float:
        """Units that have come by the end of a day; after the past's days as many a day as in its last week."""
        known, back = len(self.seen), max(1, len(self.seen) - 7)
        daily = (self.seen[-1] - self.seen[back - 1]) / (known - back) if known > back else self.seen[-1]
        return float(self.seen[min(days, known) - 1] + max(days - known, 0) * daily)

    def plan(self, overlaps: tuple[Any, ...]) -> Plan:
        experiment, window = self.experiment, self.past.window
        metrics = tuple(_MetricPlanner(self, metric).forecast() for metric in self.past.experiment.metrics)
        deciding = [m for m in metrics if m.metric.role != "secondary" and m.effect is not None]
        own = [m.answers[0] if m.answers else None for m in deciding]
        lifts = [m.answers[0].lift for m in metrics if m.metric.role == "primary" and m.answers]
        available = self.units(self.days) if self.days else None
        return Plan(
            experiment=experiment.id,
            name=experiment.name,
            inference=experiment.inference,
            power=self.target,
            effect=self.effect,
            start=window.start.isoformat() if window else None,
            days_of_past=window.days if window else None,
            planned_units=self.planned,
            lift=lifts[0] if lifts else None,
            days=self.days,
            share=None if available is None else min(self.planned / available, 1.0),
            suggested_units=_most([answer.units if answer else None for answer in own]),
            suggested_days=_most([answer.days if answer else None for answer in own]),
            metrics=metrics,
            traffic=tuple(
                Traffic(day, round(self.units(day)), day > len(self.seen))
                for day in (range(1, self.weeks[-1] + 1) if self.weeks else ())
            ),
            price=self._prices(),
            overlaps=overlaps,
            warnings=self._warnings(),
        )

    def inferences(self) -> tuple[str, ...]:
        """The experiment's own first."""
        return (self.experiment.inference, *(kind for kind in INFERENCES if kind != self.experiment.inference))

    def looks(self, days: int | None) -> Array:
        """Share of the last look's units at the end of each day; without days one look."""
        if days is None:
            return np.ones(1)
        units = np.unique([self.units(day) for day in range(1, days + 1)])
        return np.asarray(units / units[-1])

    def test(self, kind: str, days: int | None, alpha: float) -> power.Test:
        """How an inference other than the Bayesian one concludes after so many days of daily looks."""
        key = kind, days, alpha
        if key not in self.tests:
            design = self.experiment.group_sequential or DAILY
            if kind == "fixed":
                self.tests[key] = power.OneLook(alpha)
            elif kind == "confidence_sequence":
                self.tests[key] = power.confidence_sequence(self.looks(days), alpha)
            else:
                looks = np.array(design.looks) if design.looks else self.looks(days)
                self.tests[key] = power.group_sequential(looks, alpha, Spending(design.spending, design.parameter))
        return self.tests[key]

    def _prices(self) -> tuple[Price, ...]:
        """Ways to read the planned units, at the experiment's level."""
        looks, alpha = self.looks(self.horizon), self.experiment.alpha
        once = power.OneLook(alpha)
        critical, drift = float(-special.ndtri(alpha / 2)), once.detectable(1.0, self.target)
        naive = power.ManyLooks(tuple(looks.tolist()), (critical,) * len(looks))
        last = power.ManyLooks((1.0,), (critical,))
        rules = {
            "fixed, read once": last,
            "group sequential, O'Brien-Fleming": power.group_sequential(looks, alpha, Spending("obrien_fleming")),
            "group sequential, Pocock": power.group_sequential(looks, alpha, Spending("pocock")),
            "confidence sequence": power.confidence_sequence(looks, alpha),
            "fixed, but read every day": naive,
        }
        return tuple(
            Price(
                rule=name,
                valid=rule is not naive,
                looks=len(rule.critical),
                false_positives=rule.power(0.0, 1.0),
                power=rule.power(drift, 1.0),
                width=rule.critical[-1] / critical,
                expected_units=rule.expected_information(drift, 1.0),
                needed_units=(rule.detectable(1.0, self.target) / drift) ** 2,
            )
            for name, rule in rules.items()
        )

    def _warnings(self) -> tuple[str, ...]:
        notes = list(self.past.notes)
        known, window = len(self.seen), longest_window(self.experiment)
        available = self.units(self.horizon) if self.horizon else math.inf
        if available < self.planned:
            notes.append(
                f"{self.planned:,} {self.experiment.randomised} are planned, and in {self.horizon} days all traffic "
                f"brings {available:,.0f}."
            )
        if self.days and self.days > known:
            notes.append(f"The past has {known} days, and the plan takes {self.days}: later traffic is guessed.")
        if self.days and window:
            notes.append(
                f"The last units' windows end {window:g} days after day {self.days}; the answer is final then."
            )
        return tuple(notes)


class _MetricPlanner:
    """One metric of a plan: in lifts, the value of control is 1."""

    def __init__(self, planner: _Planner, metric: Metric) -> None:
        self.planner, self.metric = planner, metric
        experiment = planner.past.experiment
        one = planner.past.collected
        plain = contrast_of(metric, one, 0)
        moments = one.moments[:, :, 0]
        used = adjusted_contrast(experiment, metric, 0.5, moments, moments) if metric.covariates else plain
        self.values = plain.control[:, 0]
        # Control against itself: twice the variance of one mean.
        self.variances, self.before = (
            np.square(contrast.standard_error[:, 0]) * planner.seen / 2 for contrast in (used, plain)
        )
        primary = sum(m.role == "primary" for m in experiment.metrics) * (len(planner.experiment.arms) - 1)
        self.alpha = planner.experiment.alpha / (primary if metric.role == "primary" else 1)
        self.effect = metric.margin if metric.role == "guardrail" else planner.effect
        self.good = 1 if metric.direction == "increase" else -1

    def forecast(self) -> Forecast:
        """All that can be said of the metric."""
        planner, metric = self.planner, self.metric
        k = self._day(planner.horizon)
        value, deviation = self.values[k], np.sqrt(self.variances[k])
        reason = None
        if not (np.isfinite(value) and value != 0):
            reason = "the past has no value, or the value 0, so that there is no lift to plan for"
        elif not deviation > 0:
            reason = "nothing varies in the past, or too few units say anything"
        skew = skewness(metric, planner.past)
        enough = None if skew is None else math.ceil(UNITS_PER_SQUARED_SKEWNESS * skew**2)
        answers = () if reason else tuple(self._answer(kind) for kind in planner.inferences())
        with np.errstate(divide="ignore", invalid="ignore"):
            saved = 1 - self.variances[k] / self.before[k]
        return Forecast(
            metric=metric_plan(metric),
            alpha=self.alpha,
            effect=self.effect,
            value=number(value),
            deviation=number(deviation),
            variance_reduction=number(saved) if metric.covariates else None,
            skewness=skew,
            enough_units=enough,
            capped=capped(metric, planner.past),
            answers=answers,
            curve=() if reason else tuple(self._reach(days) for days in planner.weeks),
            warnings=() if reason else tuple(self._warnings(k, enough, answers)),
            reason=reason,
        )

    def _day(self, days: int | None) -> int:
        """The look of the past that shows the metric after so many days; its last one beyond."""
        return min(days or len(self.values), len(self.values)) - 1

    def comparison(self, kind: str, lift: float, days: int | None) -> power.Comparison:
        """The arms' variances where treatment has this lift (for a guardrail: none, against a margin of this size)."""
        k = self._day(days)
        value, variance = float(self.values[k]), float(self.variances[k] / self.values[k] ** 2)
        change = self.good * lift * float(np.sign(value))
        if self.metric.role == "guardrail":
            null = power.Comparison(variance, variance, self.planner.ratio)
            return null.against_margin(-change * (1 - EDGE if kind == "bayesian" else 1))
        # Of a proportion, the variance changes with the value; of others it is taken to stay.
        before, after = self.metric.unit_variance(value * np.array([1, 1 + change]), np.ones(2))
        moved = power.Comparison(variance, variance * max(float(after / before), 0.0), self.planner.ratio)
        # A posterior is of the lift, whose error grows with the lift that is seen; the other rules test the difference.
        return moved.against_margin(EDGE * change) if kind == "bayesian" else moved

    def test(self, kind: str, days: int | None) -> power.Test:
        if kind == "bayesian":
            prior = self.planner.experiment.prior
            margin = self.metric.margin if self.metric.role == "guardrail" else 0.0
            return power.Credible(self.good * prior.mean + (margin or 0.0), prior.standard_deviation, self.alpha)
        return self.planner.test(kind, days, self.alpha)

    def detectable(self, kind: str, n: float, days: int | None) -> float | None:
        """The least lift (or margin) that n units of all arms detect; None where no lift so large can be."""
        test, control, target = self.test(kind, days), n * self.planner.control_share, self.planner.target
        lift = 0.0
        for _ in range(ROUNDS):
            comparison = self.comparison(kind, lift, days)
            last, lift = lift, power.minimum_detectable_effect(test, comparison, control, target, self._pivot(kind))
            # Variances grow with some lifts, and may outgrow them.
            if lift > LARGEST or (self._falls and lift >= 1):
                return None
            if abs(lift - last) <= 1e-9 * lift:
                break
        past_all = self.metric.binary and self.values[self._day(days)] * (1 + self.good * lift) > 1
        return None if past_all else lift

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
        comparison, control = self.comparison(kind, self.effect, days), n * self.planner.control_share
        dof = comparison.dof(control, self._pivot(kind))
        return self.test(kind, days).power(self.effect, comparison.error(control), dof)

    def _answer(self, kind: str) -> Answer:
        planner, target = self.planner, self.planner.target
        days, units = None, None
        if self.effect is not None:
            enough = ((d, self.power(kind, planner.units(d), d)) for d in planner.weeks)
            days = next((d for d, power_then in enough if power_then is not None and power_then >= target), None)
            comparison = self.comparison(kind, self.effect, days or planner.horizon)
            test = self.test(kind, days or planner.horizon)
            control = power.sample_size(test, comparison, self.effect, target, self._pivot(kind))
            units = math.ceil(control / planner.control_share)
        return Answer(
            inference=kind,
            lift=self.detectable(kind, planner.planned, planner.horizon),
            power=self.power(kind, planner.planned, planner.horizon),
            units=units,
            days=days,
        )

    def _reach(self, days: int) -> Reach:
        n = self.planner.units(days)
        lifts = {kind: self.detectable(kind, n, days) for kind in self.planner.inferences()}
        return Reach(days, round(n), days > len(self.values), lifts)

    def _warnings(self, k: int, enough: int | None, answers: tuple[Answer, ...]) -> list[str]:
        planner, metric, notes = self.planner, self.metric, []
        least = planner.planned * planner.control_share * min(1.0, planner.ratio)
        floor = ENOUGH_UNITS[planner.experiment.inference]
        if least < floor:
            notes.append(f"an arm gets {least:,.0f} {planner.experiment.randomised}, and {floor:,} are too few already")
        elif enough is not None and least < enough:
            notes.append(
                f"so skewed that a mean needs {enough:,} {planner.experiment.randomised} in an arm, and one gets "
                f"{least:,.0f}; cap it, or expect intervals that miss more often"
            )
        rare = least * min(self.values[k], 1 - self.values[k]) if metric.binary else np.inf
        if rare < ENOUGH_EVENTS[planner.experiment.inference]:
            notes.append(f"an arm gets about {rare:.0f} of the rarer outcome, too few")
        own = answers[0]
        if metric.role == "guardrail" and own.power is not None and own.power < planner.target:
            shown = "no margin" if own.lift is None else f"only a margin of {100 * own.lift:.2g}%"
            notes.append(
                f"where nothing changes, its margin of {100 * (metric.margin or 0):.2g}% is shown with power "
                f"{own.power:.2f}; with power {planner.target:g} {shown} can be"
            )
        return notes


def _most(numbers: list[int | None]) -> int | None:
    """The largest; None where one is not known, or there is none."""
    known = [n for n in numbers if n is not None]
    return max(known) if known and len(known) == len(numbers) else None
