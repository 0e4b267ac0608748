"""The fast local path: one pass over exposures and one over events, on one machine."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.collect.cells import Course, tally
from analysis.collect.clusters import refuse_split_segments, tally_clusters
from analysis.collect.days import active_of, cohorts_of
from analysis.collect.events import DAY, Totals, read_events
from analysis.collect.facts import Facts, facts_of
from analysis.collect.files import Files
from analysis.collect.friends import read_friends
from analysis.collect.ranks import quantiles_of
from analysis.collect.readers import whole_numbers
from analysis.collect.units import Units, all_variables, read_exposures, read_table
from analysis.collected import Collected
from analysis.errors import SourceError
from analysis.experiment import Experiment
from analysis.metrics.metric import Array, Metric
from analysis.moments import Moments
from analysis.network.graph import Graph, Ints, Neighbours
from analysis.readout import Segment
from analysis.variables import Variable

if TYPE_CHECKING:
    from store import Workspace

MOST_LOOKS = 1100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def collect_rows(experiment: Experiment, workspace: "Workspace | None", looks: str) -> Collected:
    """Moments from rows: a table, exposures and events, or the lake."""
    daily = looks == "daily"
    with Files(workspace) as files:
        facts = facts_of(experiment, workspace, files)
        units, totals = scan(experiment, facts, daily=daily)
        _refuse_end(experiment, units)
        friends = read_friends(workspace, files, units) if experiment.source.kind == "lake" and workspace else None
    return gather(experiment, facts.units.label, units, totals, daily=daily, friends=friends)


def _refuse_end(experiment: Experiment, units: Units) -> None:
    """Refuses an end that comes before anybody: then all looks would be taken for the last."""
    first = None if units.first is None or not len(units) else _instant(int(units.first.min()))
    if experiment.end is not None and first is not None and first.date() >= experiment.end:
        raise experiment.error(
            "experiment", "end", f"{experiment.end} is not after the first exposure, of {first:%Y-%m-%d}; correct one."
        )


def scan(experiment: Experiment, facts: Facts, *, daily: bool) -> tuple[Units, Totals]:
    """The units that count, and what the events say of them."""
    if experiment.source.kind == "table":
        return read_table(experiment, facts.units), Totals(start=0)
    clock, id = experiment.source.time or "time", experiment.unit
    whole = all(whole_numbers(rows, id) for rows in (facts.units, facts.events) if rows is not None)
    units = read_exposures(experiment, facts.units, whole=whole)
    if facts.events is None:
        return units, Totals.none(units, experiment.scanned, daily=daily)
    return units, read_events(facts.events, units, experiment.scanned, id, clock, whole=whole, daily=daily)


def gather(
    experiment: Experiment,
    label: str,
    units: Units,
    totals: Totals,
    *,
    daily: bool,
    friends: tuple[Graph, Ints | None] | None = None,
) -> Collected:
    """Moments of what a scan found; `label` is what an error calls the units' rows, `friends` as `read_friends`."""
    refuse_split_segments(label, units)
    course, days = course_of(experiment, label, units, totals, daily=daily)
    ends = (None,) if days is None else tuple(EPOCH + timedelta(days=day + 1) for day in days)
    crossed = units.crossed or (np.zeros(0, np.int64),) * len(experiment.arms)
    return Collected(
        arms=experiment.arms,
        segments=(None, *(Segment(d, name) for d, labels in units.segments.items() for name in labels.names)),
        looks=ends,
        moments=_cells(course, units, len(experiment.arms)),
        crossed=np.array(
            [[float((seen < _micros(end)).sum() if end else len(seen)) for seen in crossed] for end in ends]
        ),
        left_out=units.left_out,
        last_exposure=_instant(units.last_exposure),
        last_event=_instant(totals.last_event),
        caps={variable.name: cap for variable, cap in course.caps.items()},
        inside=_last(course, units, len(experiment.arms)) if experiment.cluster else None,
        quantiles=quantiles_of(experiment, units, totals.rows, course),
        neighbours=Neighbours(*friends, units.arm, course.values) if friends else None,
        nonnegative=frozenset(variable for variable, found in course.values.items() if found.min() >= 0),
        active=active_of(totals, units.arm, course.looks, len(experiment.arms)) if daily else None,
        capped={
            variable.name: np.bincount(
                units.arm[course.values[variable] == cap], minlength=len(experiment.arms)
            ).astype(float)
            for variable, cap in course.caps.items()
            if not variable.pre
        },
        cohorts=cohorts_of(experiment, units, totals, days, course.caps),
    )


def course_of(
    experiment: Experiment, label: str, units: Units, totals: Totals, *, daily: bool
) -> tuple[Course, range | None]:
    """How the units' values move, caps applied, and the days (since 1970) at whose ends there are looks."""
    values = unit_values(experiment, units, totals)
    _refuse_kinds(experiment, values)
    caps = limits(values, totals.values)
    _refuse_flattening(experiment, values, caps)
    for variable, cap in caps.items():
        values[variable] = np.minimum(values[variable], cap)
    days = _days(label, units, totals, daily)
    looks = 1 if days is None else len(days)
    return Course(looks, _entry(units, days), values, totals.days, caps), days


def _cells(course: Course, units: Units, arms: int) -> Moments:
    """Moments of units, or of the clusters that they are in."""
    if units.clusters is not None:
        return tally_clusters(course, units, arms)
    return tally(course, units.arm, arms, [(labels.codes, len(labels.names)) for labels in units.segments.values()])


def _last(course: Course, units: Units, arms: int) -> Moments:
    """Moments of all units at the last look, shape (arms,)."""
    return tally(Course(1, np.zeros(len(units), np.uint16), course.values, {}, {}), units.arm, arms, [])[0, 0]


def unit_values(experiment: Experiment, units: Units, totals: Totals) -> dict[Variable, Array]:
    """Final values of every variable by unit, before caps, in the order of the Moments."""
    known = units.columns | totals.values
    return {variable: known[variable] for variable in all_variables(experiment, units)}


def _refuse_kinds(experiment: Experiment, values: dict[Variable, Array]) -> None:
    for k, metric in enumerate(experiment.metrics):
        if type(metric).refuse_values is Metric.refuse_values:
            continue
        found = values[metric.outcome.numerator]
        problem = metric.refuse_values(float(found.min()), float(found.max()), bool((found == np.floor(found)).all()))
        if problem:
            raise experiment.error(f"metrics {k + 1}", "kind", f"{metric.id!r}: {problem}.")


def _refuse_flattening(experiment: Experiment, values: dict[Variable, Array], caps: dict[Variable, float]) -> None:
    for k, metric in enumerate(experiment.metrics):
        for outcome in metric.outcome.variables:
            if outcome in caps and caps[outcome] <= values[outcome].min() < values[outcome].max():
                raise experiment.error(
                    f"metrics {k + 1}",
                    "cap",
                    f"{metric.id!r}: the cap comes to {caps[outcome]:g}, and no unit has less, so nothing would be "
                    "left to compare. Take a higher quantile, or a value.",
                )


def limits(values: dict[Variable, Array], scanned: dict[Variable, Array]) -> dict[Variable, float]:
    """The cap of each capped variable: as given, or the quantile over all units of its final values or its yardstick's.

    Args:
        values: final values by unit.
        scanned: those of yardsticks among them.
    """
    caps = {}
    for variable, found in values.items():
        if variable.cap is not None and variable.cap.value is not None:
            caps[variable] = variable.cap.value
        elif variable.cap is not None and variable.cap.quantile is not None:
            found = found if variable.yardstick is None else scanned[variable.yardstick]
            caps[variable] = float(np.quantile(found, variable.cap.quantile))
    return caps


def _days(label: str, units: Units, totals: Totals, daily: bool) -> range | None:
    """The days (since 1970) at whose ends there are looks; None without time."""
    if units.first is None or units.latest is None:
        return None
    latest = units.latest if totals.latest is None else max(units.latest, totals.latest)
    days = range(int(units.first.min() // DAY), int(latest // DAY) + 1)
    if len(days) > MOST_LOOKS:
        raise SourceError(
            f"{label}: first exposure is on {_instant(days[0] * DAY):%Y-%m-%d} and the last fact on "
            f"{_instant(days[-1] * DAY):%Y-%m-%d}, {len(days)} days; {MOST_LOOKS} is the limit. Correct the times."
        )
    return days if daily else days[-1:]


def _entry(units: Units, days: range | None) -> NDArray[np.uint16]:
    """The look at which each unit is first in."""
    if units.first is None or days is None:
        return np.zeros(len(units), np.uint16)
    return np.maximum(units.first // DAY - days.start, 0).astype(np.uint16)


def _micros(end: datetime) -> int:
    return (end - EPOCH) // timedelta(microseconds=1)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=min(micros, LATEST))
