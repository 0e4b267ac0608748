"""The past as an experiment of one arm: units exposed when they first came, and read by the same scan as a readout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.collect.events import DAY
from analysis.collect.facts import Facts, facts_of, people, view
from analysis.collect.files import Files, Rows, literal, quote, translated
from analysis.collect.local import EPOCH, gather, scan, unit_values
from analysis.collect.readers import base_sql
from analysis.collected import Collected
from analysis.errors import SourceError
from analysis.experiment import Experiment
from analysis.grammar.past import USUAL_WINDOW
from analysis.metrics import Metric, Quantity
from analysis.metrics.metric import Array
from analysis.variables import Variable

if TYPE_CHECKING:
    from store import Workspace

# An experiment takes whole weeks, and four show how often people come back.
USUAL_DAYS = 28
HOUR = DAY // 24


@dataclass(frozen=True, slots=True)
class Window:
    """Whole UTC days, from `start` up to `end`, which is the first day after."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days


@dataclass(frozen=True, slots=True)
class Past:
    """Units of the past, as if they had been exposed at their first event in a window.

    Attributes:
        experiment: the design with one arm, control, and without segments and the covariates that the past lacks.
        window: None for a table without time, which has one look and no days.
        collected: running totals at the end of every day, of one arm.
        values: each variable's final value by unit, before caps.
        shared: share of the units that each of the experiments asked for has exposed, by id.
        notes: what a reader of the numbers must know.
    """

    experiment: Experiment
    window: Window | None
    collected: Collected
    values: dict[Variable, Array]
    shared: dict[str, float]
    notes: tuple[str, ...]


def read_past(experiment: Experiment, workspace: Workspace | None = None, running: Iterable[str] = ()) -> Past:
    """The units of the past, in the window that the experiment's table [plan] asks for, else in the last four weeks.

    Args:
        workspace: needed where the source is the lake.
        running: ids of experiments whose exposures may share units with this one.

    Raises:
        SourceError: if there are no facts to plan from; the message says what is missing.
    """
    kind = experiment.source.kind
    if kind == "moments":
        raise SourceError(
            f"{experiment.file}: a plan needs units, and a moments source has none; give a table or events."
        )
    with Files(workspace) as files:
        if kind == "table":
            if experiment.past != USUAL_WINDOW:
                raise experiment.error("plan", "start, days and traffic", "need events; a table is planned from whole.")
            window, facts = None, Facts(_one_arm(experiment, facts_of(experiment, workspace, files).units))
        else:
            window, facts = _exposed(experiment, workspace, files)
        known, notes = _known(experiment, facts.units)
        if window is not None and facts.events is not None:
            notes += _short_memory(experiment, facts.events, window)
        units, totals = scan(known, facts, daily=True)
        values = unit_values(known, units, totals)
        collected = gather(known, facts.units.label, units, totals, daily=True)
        shared = _shared(experiment, files, workspace, facts.units, tuple(running)) if kind == "lake" else {}
    return Past(known, window or _days_of(collected), collected, values, shared, notes)


def _days_of(collected: Collected) -> Window | None:
    """The days of a table with times."""
    ends = [look.date() for look in collected.looks if isinstance(look, datetime)]
    return Window(ends[0] - timedelta(1), ends[-1]) if ends else None


def skewness(metric: Metric, past: Past) -> float | None:
    """Skewness of one unit's outcome after caps, a ratio's linearised; None where nothing varies or rows are read."""
    variables = metric.outcome.variables
    if not set(variables) <= set(past.values):
        return None
    caps = past.collected.caps
    columns = [np.minimum(past.values[v], caps.get(v.name, np.inf)) for v in variables]
    value, gradient = Quantity(*variables).linearise(np.array([column.mean() for column in columns]))
    unit = sum(g * column for g, column in zip(gradient, columns, strict=True))
    centred = unit - np.mean(unit)
    spread = float(np.mean(centred**2))
    return float(np.mean(centred**3) / spread**1.5) if spread > 0 and np.isfinite(value) else None


def capped(metric: Metric, past: Past) -> float | None:
    """Share of the units whose value the metric's cap cuts; None without a cap."""
    variable = metric.outcome.numerator
    cap = past.collected.caps.get(variable.name)
    return None if cap is None or variable not in past.values else float(np.mean(past.values[variable] > cap))


def _one_arm(experiment: Experiment, rows: Rows) -> Rows:
    """A table's rows, all in control."""
    keep = f"* EXCLUDE ({quote(experiment.arm)})" if experiment.arm in rows.types else "*"
    return _create(rows, "VIEW", "past", f"SELECT {keep}, {_control(experiment)} FROM {quote(rows.name)}")


def _control(experiment: Experiment) -> str:
    return f"{literal(experiment.control)} AS {quote(experiment.arm)}"


def _exposed(experiment: Experiment, workspace: Workspace | None, files: Files) -> tuple[Window, Facts]:
    """Units exposed at their first event in the window, with what is known of them; and the events up to its end."""
    clock, unit, known, join = experiment.source.time or "time", experiment.unit, "", ""
    if experiment.source.kind == "lake":
        if workspace is None:
            raise SourceError(f"{experiment.file}: [source] lake = true needs a workspace; give --workspace DIR.")
        events = view(files, workspace, "events")
        if events is None:
            raise SourceError(f"lake of {workspace.path}: table events is empty; import events first.")
        known, join = people(files, workspace, {unit, experiment.arm, clock}, f"CAST(first.{quote(unit)} AS VARCHAR)")
    else:
        assert experiment.source.events is not None
        events = files.open(experiment.source.events, "events", (unit,))
    window = _window(experiment, events, clock)
    when, low, high = events.instant(clock, "the time"), _micros(window.start), _micros(window.end)
    match = base_sql(events, None, "count", experiment.past.traffic)
    columns = f"{events.need(unit, 'the unit')}, {_control(experiment)}, make_timestamp(min({when})) AS {quote(clock)}"
    first = f"SELECT {columns} FROM events WHERE {when} >= {low} AND {when} < {high} AND {match} <> 0 GROUP BY 1"
    # In one order, so that sums are the same to the last digit.
    units = _create(events, "TABLE", "past", f"SELECT first.*{known} FROM ({first}) first{join} ORDER BY 1")
    if experiment.cluster == "community" and "community" not in units.types:
        raise SourceError(f"{events.label}: nobody's community is known. Import the table communities.")
    if not files.con.execute("SELECT 1 FROM past LIMIT 1").fetchall():
        traffic = ", ".join(f"{column} = {value}" for column, value in experiment.past.traffic)
        raise SourceError(
            f"{events.label}: no event{f' with {traffic}' if traffic else ''} from {window.start} up to {window.end}; "
            "change traffic, start or days in [plan]."
        )
    if (events.latest(clock) or 0) >= high:
        events = _create(events, "VIEW", "past_events", f"SELECT * FROM events WHERE {when} < {high}")
    return window, Facts(units, events)


def _create(rows: Rows, kind: str, name: str, select: str) -> Rows:
    with translated(rows.label):
        rows.con.execute(f"CREATE {kind} {name} AS {select}")
    columns = rows.con.execute(f"DESCRIBE {name}").fetchall()
    return Rows(rows.con, name, rows.label, {column[0]: column[1] for column in columns})


def _window(experiment: Experiment, events: Rows, clock: str) -> Window:
    """The days that the table [plan] states; else the last whole weeks that leave the covariates their past."""
    past, (first, last) = experiment.past, _span(events, clock)
    # A day is whole when its last hour has events, and every day is where events have no time of day.
    end = _day(last + (DAY if events.are_dates(clock) else HOUR))
    whole = (end - (past.start or _day(first))).days
    room = whole - (0 if past.start else round(_memory(experiment)))
    days = past.days or min(USUAL_DAYS, max(room, min(whole, 7)) // 7 * 7 or whole)
    start = past.start or end - timedelta(days)
    if days < 1 or start < _day(first) or start + timedelta(days) > end:
        raise SourceError(
            f"{events.label}: whole days of events are from {_day(first)} up to {end}, and the plan asks for "
            f"{past.days or 'the'} days from {start}; change start or days in [plan], or import more events."
        )
    return Window(start, start + timedelta(days))


def _span(events: Rows, clock: str) -> tuple[int, int]:
    """First and last event, in microseconds since 1970."""
    when = events.instant(clock, "the time")
    found = events.con.execute(f"SELECT min({when}), max({when}) FROM {quote(events.name)}").fetchall()[0]
    if None in found:
        raise SourceError(
            f"{events.label}: column {clock!r} has no times; write ISO 8601, such as 2026-03-01T12:00:00Z."
        )
    return found


def _day(micros: int) -> date:
    return (EPOCH + timedelta(microseconds=micros)).date()


def _micros(day: date) -> int:
    return (datetime.combine(day, time(), UTC) - EPOCH) // timedelta(microseconds=1)


def _memory(experiment: Experiment) -> float:
    """Days before exposure that the covariates look at."""
    return max((v.days or 0.0 for v in experiment.variables if v.pre), default=0.0)


def _short_memory(experiment: Experiment, events: Rows, window: Window) -> tuple[str, ...]:
    first = _day(_span(events, experiment.source.time or "time")[0])
    days, needed = (window.start - first).days, _memory(experiment)
    if days >= needed:
        return ()
    return (f"Covariates look back {needed:g} days, but only {days} come before the window: they will save more.",)


def _known(experiment: Experiment, rows: Rows) -> tuple[Experiment, tuple[str, ...]]:
    """The design of one arm, with the covariates that the past knows, and a note of the others."""
    lost = tuple(
        dict.fromkeys(
            column
            for metric in experiment.metrics
            for quantity in metric.covariates
            for column in _columns(quantity)
            if column not in rows.types
        )
    )
    metrics = tuple(
        replace(m, covariates=tuple(q for q in m.covariates if _columns(q).isdisjoint(lost)))
        for m in experiment.metrics
    )
    one = replace(experiment, shares=MappingProxyType({experiment.control: 1.0}), segments=(), metrics=metrics)
    note = f"The past has no column {', '.join(lost)}: what these covariates save is not counted."
    return one, (note,) if lost else ()


def _columns(quantity: Quantity) -> set[str]:
    """The columns of the unit table that it needs."""
    return {v.value for v in quantity.variables if v.aggregation is None and v.value is not None}


def _shared(
    experiment: Experiment, files: Files, workspace: Workspace | None, past: Rows, running: tuple[str, ...]
) -> dict[str, float]:
    """Share of the past's units that each running experiment has exposed."""
    exposures: Any = view(files, workspace, "exposures") if running and workspace else None
    if exposures is None:
        return {}
    unit = past.need(experiment.unit, "the unit")
    listed = ", ".join(map(literal, running))
    found = files.con.execute(
        f"SELECT exposures.experiment_id, count(DISTINCT exposures.unit_id) FROM exposures JOIN past "
        f"ON exposures.unit_id = CAST(past.{unit} AS VARCHAR) WHERE exposures.experiment_id IN ({listed}) GROUP BY 1"
    ).fetchall()
    whole = files.con.execute("SELECT count(*) FROM past").fetchall()[0][0]
    return dict.fromkeys(running, 0.0) | {id: count / whole for id, count in found}
