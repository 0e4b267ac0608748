"""Plans an experiment from the workspace's past: what its units can show, in how many days, and what peeking costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from analysis.experiment import INFERENCES, Experiment
from analysis.group_sequential import Spending
from analysis.inference.rules import DAILY
from analysis.inference.schedule import longest_window, unit_days
from analysis.metrics.metric import Array
from analysis.planning import power
from analysis.planning.history import Past, read_past
from analysis.planning.metric_planner import MetricPlanner
from analysis.planning.overlap import overlaps, running_experiments
from analysis.planning.result import Overlap, Plan, Price, Traffic

if TYPE_CHECKING:
    from store import Workspace

# Traffic beyond the past is guessed, and the guess is not worth more.
MOST_WEEKS = 12


def plan(
    experiment: Experiment,
    workspace: Workspace | None = None,
    *,
    effect: float | None = None,
    days: int | None = None,
    target: float = 0.8,
    traffic: float = 1.0,
    now: datetime | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Plan:
    """What an experiment can show, before it starts.

    Args:
        workspace: needed where the source is the lake.
        effect: the relative lift that would matter, such as 0.02, for powers and days; a guardrail's is its margin.
        days: how long units are to come; without it until the planned units are in, in whole weeks of all traffic.
        target: the power to plan for.
        traffic: share of the units that come which take part, above 0 and at most 1.
        now: when experiments count as running; without it the present.
        progress: is told, in words, what is being done.

    Raises:
        SourceError: if the past has no facts to plan from.
        ExperimentError: if a metric's kind does not allow the values found.
    """
    progress("Reading the past")
    now = now or datetime.now(UTC)
    running = running_experiments(experiment, workspace, (workspace.due(now) if workspace else now).date())
    past = read_past(experiment, workspace, [other.id for other in running])
    progress("Working out what the units can show")
    return Planner(experiment, past, effect, days, target, traffic).plan(overlaps(experiment, running, past.shared))


class Planner:
    """One plan in the making; days count from the start of the experiment, and n is units of all arms together."""

    def __init__(
        self,
        experiment: Experiment,
        past: Past,
        effect: float | None,
        days: int | None,
        target: float,
        traffic: float = 1.0,
    ) -> None:
        self.experiment, self.past, self.effect, self.target, self.traffic = experiment, past, effect, target, traffic
        shares, control = experiment.shares, experiment.control
        least = min(shares[arm] for arm in experiment.arms[1:])
        self.control_share, self.ratio = shares[control] / sum(shares.values()), least / shares[control]
        self.seen = past.collected.moments.n[:, 0, 0]
        days = days if past.window else None
        self.planned = experiment.planned_units or int(self.units(days or len(self.seen)))
        self.days = days or next((d for d in self.weeks if self.units(d) >= self.planned), None)
        # The looks that the planned units get where they come later than any plan says.
        self.horizon = self.days or (self.weeks[-1] if self.weeks else None)
        self.tests: dict[tuple[str, int | None, float, float | None], power.Test] = {}

    @cached_property
    def weeks(self) -> tuple[int, ...]:
        """The days of every plan of whole weeks; none for a past without days."""
        return tuple(range(7, 7 * MOST_WEEKS + 1, 7)) if self.past.window else ()

    def units(self, days: int) -> float:
        """Units that take part by the end of a day; after the past's days as many a day as in its last week."""
        known, back = len(self.seen), max(1, len(self.seen) - 7)
        daily = (self.seen[-1] - self.seen[back - 1]) / (known - back) if known > back else self.seen[-1]
        return self.traffic * float(self.seen[min(days, known) - 1] + max(days - known, 0) * daily)

    def plan(self, overlaps: tuple[Overlap, ...]) -> Plan:
        experiment, window = self.experiment, self.past.window
        metrics = tuple(MetricPlanner(self, metric).forecast() for metric in self.past.experiment.metrics)
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
            share=None if available is None else self.traffic * min(self.planned / available, 1.0),
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

    def looks(self, days: int | None, giving: float | None = None) -> tuple[Array, Array]:
        """Shares of the last look's units and information at the end of each day; without days one look.

        `giving` is for how many days a unit goes on to add to a metric; None where its value is known at once.
        """
        if days is None:
            return np.ones(1), np.ones(1)
        units, first = np.unique([self.units(day) for day in range(1, days + 1)], return_index=True)
        if giving is None:
            return units / units[-1], units / units[-1]
        when = tuple(timedelta(int(day) + 1) for day in first)
        information = unit_days(when, units, None if math.isinf(giving) else giving)
        return units / units[-1], information / information[-1]

    def test(self, kind: str, days: int | None, alpha: float, giving: float | None = None) -> power.Test:
        """How an inference other than the Bayesian one concludes after so many days of daily looks."""
        key = kind, days, alpha, giving
        if key not in self.tests:
            if kind == "fixed":
                self.tests[key] = power.OneLook(alpha)
            elif kind == "confidence_sequence":
                units, information = self.looks(days, giving)
                self.tests[key] = power.confidence_sequence(units, alpha, information)
            else:
                self.tests[key] = self._design(*self.looks(days, giving), alpha)
        return self.tests[key]

    def _design(self, daily: Array, information: Array, alpha: float) -> power.ManyLooks:
        """The experiment's group sequential design, or one with daily looks where it has none."""
        design = self.experiment.group_sequential or DAILY
        looks = np.array(design.looks) if design.looks else daily
        information = np.interp(looks, np.append(0.0, daily), np.append(0.0, information))
        return power.group_sequential(looks, alpha, Spending(design.spending, design.parameter), information)

    def _prices(self) -> tuple[Price, ...]:
        """Ways to read the planned units, at the experiment's level."""
        looks, alpha = self.looks(self.horizon)[0], self.experiment.alpha
        once = power.OneLook(alpha)
        critical, drift = float(-special.ndtri(alpha / 2)), once.detectable(1.0, self.target)
        naive = power.ManyLooks(tuple(looks.tolist()), (critical,) * len(looks))
        last = power.ManyLooks((1.0,), (critical,))
        design = self.experiment.group_sequential
        own = {"group sequential, as planned": self._design(looks, looks, alpha)} if design and design != DAILY else {}
        rules = {
            "fixed, read once": last,
            "group sequential, O'Brien-Fleming": power.group_sequential(looks, alpha, Spending("obrien_fleming")),
            "group sequential, Pocock": power.group_sequential(looks, alpha, Spending("pocock")),
            **own,
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
                f"{self.planned:,} {self.experiment.randomised} are planned, and in {self.horizon} days "
                f"{'all' if self.traffic == 1 else f'{self.traffic:.0%} of the'} traffic brings {available:,.0f}."
            )
        if self.days and self.days > known:
            notes.append(f"The past has {known} days, and the plan takes {self.days}: later traffic is guessed.")
        if self.days and window:
            notes.append(
                f"The last units' windows end {window:g} days after day {self.days}; the answer is final then."
            )
        return tuple(notes)


def _most(numbers: list[int | None]) -> int | None:
    """The largest; None where one is not known, or there is none."""
    known = [n for n in numbers if n is not None]
    return max(known) if known and len(known) == len(numbers) else None
