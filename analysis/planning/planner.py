"""Plans an experiment from the workspace's past: what its units can show, in how many days, and what peeking costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scipy import special

from analysis.experiment import Experiment
from analysis.group_sequential import Spending
from analysis.inference.rules import DAILY
from analysis.inference.schedule import longest_window
from analysis.planning import power
from analysis.planning.history import read_past
from analysis.planning.metric_planner import MetricPlanner
from analysis.planning.outlook import Outlook
from analysis.planning.overlap import overlaps, running_experiments
from analysis.planning.result import Overlap, Plan, Price, Traffic

if TYPE_CHECKING:
    from store import Workspace


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
    outlook = Outlook(experiment, past, effect, days, target, traffic)
    return _plan(outlook, overlaps(experiment, running, past.shared))


def _plan(outlook: Outlook, overlaps: tuple[Overlap, ...]) -> Plan:
    experiment, window = outlook.experiment, outlook.past.window
    metrics = tuple(MetricPlanner(outlook, metric).forecast() for metric in outlook.past.experiment.metrics)
    deciding = [m for m in metrics if m.metric.role != "secondary" and m.effect is not None]
    own = [m.answers[0] if m.answers else None for m in deciding]
    lifts = [m.answers[0].lift for m in metrics if m.metric.role == "primary" and m.answers]
    available = outlook.units(outlook.days) if outlook.days else None
    return Plan(
        experiment=experiment.id,
        name=experiment.name,
        inference=experiment.inference,
        power=outlook.target,
        effect=outlook.effect,
        start=window.start.isoformat() if window else None,
        days_of_past=window.days if window else None,
        planned_units=outlook.planned,
        lift=lifts[0] if lifts else None,
        days=outlook.days,
        share=None if available is None else outlook.traffic * min(outlook.planned / available, 1.0),
        suggested_units=_most([answer.units if answer else None for answer in own]),
        suggested_days=_most([answer.days if answer else None for answer in own]),
        metrics=metrics,
        traffic=tuple(
            Traffic(day, round(outlook.units(day)), day > len(outlook.seen))
            for day in (range(1, outlook.weeks[-1] + 1) if outlook.weeks else ())
        ),
        price=_prices(outlook),
        overlaps=overlaps,
        warnings=_warnings(outlook),
    )


def _prices(outlook: Outlook) -> tuple[Price, ...]:
    """Ways to read the planned units, at the experiment's level."""
    looks, alpha = outlook.looks(outlook.horizon)[0], outlook.experiment.alpha
    once = power.OneLook(alpha)
    critical, drift = float(-special.ndtri(alpha / 2)), once.detectable(1.0, outlook.target)
    naive = power.ManyLooks(tuple(looks.tolist()), (critical,) * len(looks))
    last = power.ManyLooks((1.0,), (critical,))
    design = outlook.experiment.group_sequential
    own = {"group sequential, as planned": outlook.design(looks, looks, alpha)} if design and design != DAILY else {}
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
            needed_units=(rule.detectable(1.0, outlook.target) / drift) ** 2,
        )
        for name, rule in rules.items()
    )


def _warnings(outlook: Outlook) -> tuple[str, ...]:
    notes = list(outlook.past.notes)
    known, window = len(outlook.seen), longest_window(outlook.experiment)
    available = outlook.units(outlook.horizon) if outlook.horizon else math.inf
    if available < outlook.planned:
        notes.append(
            f"{outlook.planned:,} {outlook.experiment.randomised} are planned, and in {outlook.horizon} days "
            f"{'all' if outlook.traffic == 1 else f'{outlook.traffic:.0%} of the'} traffic brings {available:,.0f}."
        )
    if outlook.days and outlook.days > known:
        notes.append(f"The past has {known} days, and the plan takes {outlook.days}: later traffic is guessed.")
    if outlook.days and window:
        notes.append(f"The last units' windows end {window:g} days after day {outlook.days}; the answer is final then.")
    return tuple(notes)


def _most(numbers: list[int | None]) -> int | None:
    """The largest; None where one is not known, or there is none."""
    known = [n for n in numbers if n is not None]
    return max(known) if known and len(known) == len(numbers) else None
