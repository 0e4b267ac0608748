"""The fast local path: one pass over exposures and one over events, on one machine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from analysis.collect.cells import Course, tally
from analysis.collect.events import DAY, Totals, read_events, whole_numbers
from analysis.collect.facts import Facts, facts_of
from analysis.collect.files import Files
from analysis.collect.units import Units, all_variables, read_exposures, read_table
from analysis.collected import Collected
from analysis.errors import SourceError
from analysis.experiment import Experiment
from analysis.metrics.metric import Array
from analysis.readout import Segment
from analysis.variables import Variable

MOST_LOOKS = 1100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def collect_rows(experiment: Experiment, workspace: Any, looks: str) -> Collected:
    """Moments from rows: a table, exposures and events, or the lake."""
    daily = looks == "daily"
    with Files() as files:
        facts = facts_of(experiment, workspace, files)
        if facts.events is None and experiment.source.kind == "table":
            units = read_table(experiment, facts.units)
            totals = None
        else:
            units, totals = _scan(experiment, facts, daily)
    return _collected(experiment, facts.units.label, units, totals, daily)


def _scan(experiment: Experiment, facts: Facts, daily: bool) -> tuple[Units, Totals]:
    clock = experiment.source.time or "time"
    whole = whole_numbers(facts.units, experiment.unit) and (
        facts.events is None or whole_numbers(facts.events, experiment.unit)
    )
    units = read_exposures(experiment, facts.units, whole=whole)
    if facts.events is None:
        return units, Totals.none(units, experiment.variables)
    return units, read_events(
        facts.events, units, experiment.variables, experiment.unit, clock, whole=whole, daily=daily
    )


def _collected(experiment: Experiment, label: str, units: Units, totals: Totals | None, daily: bool) -> Collected:
    values = _values(experiment, units, totals)
    _refuse_kinds(experiment, values)
    caps = limits(values)
    _refuse_flattening(experiment, values, caps)
    for variable, cap in caps.items():
        values[variable] = np.minimum(values[variable], cap)
    moments_of = [(labels.codes, len(labels.names)) for labels in units.segments.values()]
    days = _days(label, units, totals)
    every = daily and days is not None
    entry = units.first // DAY - days[0] if every else np.zeros(len(units), np.int64)
    moving = dict(totals.days) if every and totals is not None else {}
    course = Course(days[1] - days[0] + 1 if every else 1, entry, values, moving, caps)
    ends = _ends(days, every)
    crossed = units.crossed or (np.zeros(0, np.int64),) * len(experiment.arms)
    return Collected(
        arms=experiment.arms,
        segments=(None, *(Segment(d, name) for d, labels in units.segments.items() for name in labels.names)),
        looks=ends,
        moments=tally(course, units.arm, len(experiment.arms), moments_of),
        crossed=np.array([[float((seen < _micros(end)).sum()) if end else 0.0 for seen in crossed] for end in ends]),
        left_out=units.left_out,
        last_exposure=_instant(units.last_exposure),
        last_event=_instant(totals.last_event if totals else None),
        caps={variable.name: cap for variable, cap in caps.items()},
        nonnegative=frozenset(variable for variable, found in values.items() if found.min() >= 0),
    )


def _values(experiment: Experiment, units: Units, totals: Totals | None) -> dict[Variable, Array]:
    """Final values of every variable, in the order of the Moments."""
    known = units.columns | (totals.values if totals else {})
    return {variable: known[variable] for variable in all_variables(experiment, units)}


def _refuse_kinds(experiment: Experiment, values: dict[Variable, Array]) -> None:
    for k, metric in enumerate(experiment.metrics):
        found = values[metric.outcome.numerator]
        problem = metric.refuse_values(float(found.min()), float(found.max()), bool((found == np.floor(found)).all()))
        if problem:
            raise experiment.error(f"metrics {k + 1}", "kind", f"{metric.id!r}: {problem}.")


def _refuse_flattening(experiment: Experiment, values: dict[Variable, Array], caps: dict[Variable, float]) -> None:
    for k, metric in enumerate(experiment.metrics):
        outcome = metric.outcome.numerator
        if outcome in caps and caps[outcome] <= values[outcome].min() < values[outcome].max():
            raise experiment.error(
                f"metrics {k + 1}",
                "cap",
                f"{metric.id!r}: the cap comes to {caps[outcome]:g}, and no unit has less, so nothing would be left to "
                "compare. Take a higher quantile, or a value.",
            )


def limits(values: dict[Variable, Array]) -> dict[Variable, float]:
    """The cap of each capped variable: as given, or the quantile of its final values over all units."""
    caps = {}
    for variable, found in values.items():
        if variable.cap is not None and variable.cap.value is not None:
            caps[variable] = variable.cap.value
        elif variable.cap is not None:
            caps[variable] = float(np.quantile(found, variable.cap.quantile))
    return caps


def _days(label: str, units: Units, totals: Totals | None) -> tuple[int, int] | None:
    """First and last day (since 1970) of the looks; None without time."""
    if units.first is None or units.latest is None:
        return None
    latest = max(units.latest, totals.latest if totals and totals.latest is not None else units.latest)
    first, last = int(units.first.min() // DAY), int(latest // DAY)
    if last - first >= MOST_LOOKS:
        raise SourceError(
            f"{label}: first exposure is on {_instant(first * DAY):%Y-%m-%d} and the last fact on "
            f"{_instant(last * DAY):%Y-%m-%d}, {last - first + 1} days; {MOST_LOOKS} is the limit. Correct the times."
        )
    return first, last


def _ends(days: tuple[int, int] | None, every: bool) -> tuple[datetime | None, ...]:
    if days is None:
        return (None,)
    first = days[0] if every else days[1]
    return tuple(EPOCH + timedelta(days=day + 1) for day in range(first, days[1] + 1))


def _micros(end: datetime) -> int:
    return (end - EPOCH) // timedelta(microseconds=1)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)
