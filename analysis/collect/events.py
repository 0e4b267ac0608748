"""One pass over the events: per-unit totals, and for running totals the increments of each day."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.collect.files import Rows, odd
from analysis.collect.readers import Base, reader_of
from analysis.collect.units import Units
from analysis.errors import SourceError
from analysis.metrics.metric import Array
from analysis.variables import Variable

DAY = 86_400_000_000
Increment = tuple[NDArray[np.int32], Array]
Batch = tuple[NDArray[np.int32], Array, NDArray[np.uint16]]
# Increments of 12 bytes that are kept before those of one unit and day are joined.
KEEP = 32_000_000


@dataclass(slots=True)
class Totals:
    """What the events say of the n units.

    Attributes:
        start: first day (since 1970) of the looks.
        values: each event variable's final value by unit, before caps; 0 for a unit without events.
        days: increments (units, amounts) of each variable that moves after exposure, by day since `start`.
        rows: batches (units, values, days since `start`) of each variable whose rows are kept apart.
        latest: latest event of any unit that counts; None without any.
        last_event: latest event in the data.
    """

    start: int
    values: dict[Variable, Array] = field(default_factory=dict)
    days: dict[Variable, dict[int, list[Increment]]] = field(default_factory=dict)
    rows: dict[Variable, list[Batch]] = field(default_factory=dict)
    latest: int | None = None
    last_event: int | None = None

    @classmethod
    def none(cls, units: Units, variables: tuple[Variable, ...], *, daily: bool) -> "Totals":
        """Units without any event."""
        scan = Scan(units, variables, daily)
        scan.finish()
        return scan.complete(units.latest)


def apply(variable: Variable, total: Array, units: NDArray[np.int32], amounts: Array) -> None:
    """Brings running totals up to date with one increment."""
    if variable.aggregation == "max":
        with np.errstate(invalid="ignore"):
            np.maximum.at(total, units, amounts)
    elif variable.aggregation == "any":
        # 1 for every number, but nan for what is none.
        with np.errstate(invalid="ignore"):
            np.maximum.at(total, units, amounts * 0 + 1)
    else:
        np.add.at(total, units, amounts)


def opening(variable: Variable, n: int) -> Array:
    """Running totals of n units without events."""
    return np.full(n, -np.inf if variable.aggregation == "max" else 0.0)


def settled(variable: Variable, total: Array) -> Array:
    """Running totals as values: a maximum over no rows is 0."""
    return np.where(total == -np.inf, 0.0, total) if variable.aggregation == "max" else total


def read_events(
    rows: Rows, units: Units, variables: tuple[Variable, ...], unit: str, time: str, *, whole: bool, daily: bool
) -> Totals:
    """Reads every event once.

    Args:
        unit, time: the columns.
        whole: unit ids are whole numbers here and in the exposures, and need no text.
        daily: also keep increments by day.
    """
    rows.instant(time, "the time")
    rows.need(unit, "the unit")
    rows.refuse_holes((unit,), time)
    if units.first is not None and rows.are_dates(time):
        # An event of the day of first exposure came after it as far as anybody knows, so it may not be a covariate.
        units = replace(units, first=units.first // DAY * DAY)
    scan = Scan(units, variables, daily)
    read = reader_of(rows, units.ids, unit, time, scan.bases, whole=whole)
    for place, when, amounts in read(scan.bases, scan.earliest):
        scan.add(place, when, amounts)
    totals = scan.finish()
    totals.last_event = rows.latest(time)
    # Events that change no variable still make looks.
    rest = (totals.latest or scan.earliest) // DAY * DAY + DAY
    if totals.last_event is not None and totals.last_event >= rest:
        for place, when, _ in read({}, rest):
            scan.note_latest(place, when)
    kept = [(variable, values) for variable, batches in totals.rows.items() for _, values, _ in batches]
    for variable, values in (*totals.values.items(), *kept):
        if not np.isfinite(values).all():
            _refuse_infinite(rows, variable)
    return scan.complete(max(filter(None, (units.latest, totals.latest))))


def _refuse_infinite(rows: Rows, variable: Variable) -> None:
    number = rows.number(str(variable.value), "a value")
    rows.refuse(odd(number, "nan", "inf", "-inf"), str(variable.value), "is not a finite number", "correct those rows")
    raise SourceError(f"{rows.label}: {variable.name} is too large to add up; correct column {variable.value!r}.")


class Scan:
    """Per-unit accumulators that batches of events are added to."""

    def __init__(self, units: Units, variables: tuple[Variable, ...], daily: bool) -> None:
        assert units.first is not None
        self.n = len(units)
        # Place n holds unknown units: their first exposure is so late that no event counts.
        self.first = np.append(units.first, 1 << 61)
        self.daily = daily
        names: dict[Base, str] = {}
        self.windows: dict[Window, list[tuple[Variable, str]]] = defaultdict(list)
        self.totals = Totals(start=int(units.first.min() // DAY))
        self.kept = 0
        self.late = [variable for variable in variables if variable.complete]
        for variable in variables:
            if variable.aggregation is None:
                continue
            if variable.aggregation == "unit":
                self.totals.values[variable] = np.ones(self.n)
                continue
            # Rows that are kept apart and those of a maximum need the same marker of what is none.
            how = "max" if variable.aggregation == "each" else variable.aggregation
            base = names.setdefault((variable.value, how, variable.where), f"base_{len(names)}")
            self.windows[_window(variable)].append((variable, base))
            if variable.aggregation == "each":
                self.totals.rows[variable] = []
                continue
            self.totals.values[variable] = opening(variable, self.n)
            if daily and not variable.pre and not variable.complete:
                self.totals.days[variable] = defaultdict(list)
        self.bases = {name: base for base, name in names.items()}

    @property
    def earliest(self) -> int:
        """The earliest time at which an event can count."""
        before = max((window.days or 0.0 for window in self.windows if window.pre), default=0.0)
        return int(self.first.min()) - round(before * DAY)

    def add(self, place: NDArray[np.int32], time: NDArray[np.int64], bases: dict[str, NDArray[Any]]) -> None:
        """Adds one batch of rows."""
        self.note_latest(place, time)
        age = time - self.first.take(place)
        for window, targets in self.windows.items():
            rows = np.flatnonzero(window.holds(age))
            day = None
            if self.daily and not window.pre and not window.complete:
                rows, day = self._by_day(rows, time)
            units = place.take(rows)
            for variable, base in targets:
                self._spread(variable, units, bases[base].take(rows), day)

    def note_latest(self, place: NDArray[np.int32], time: NDArray[np.int64]) -> None:
        """Takes note of the latest event of a known unit."""
        if len(time) and (self.totals.latest is None or time.max() > self.totals.latest):
            known = time[place < self.n]
            if len(known):
                self.totals.latest = max(int(known.max()), self.totals.latest or int(known.max()))

    def _by_day(self, rows: NDArray[np.int64], time: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """The rows in order of day, and their days."""
        day = (time.take(rows) // DAY - self.totals.start).astype(np.uint16)
        if (day[1:] >= day[:-1]).all():
            return rows, day
        order = np.argsort(day, kind="stable")
        return rows.take(order), day.take(order)

    def _spread(
        self, variable: Variable, units: NDArray[np.int32], amounts: NDArray[Any], day: NDArray[np.uint16] | None
    ) -> None:
        """Gives amounts to units: at once, or kept by day until the replay."""
        busy = np.flatnonzero(amounts != (-np.inf if variable.aggregation in ("max", "each") else 0))
        units, amounts = units.take(busy), amounts.take(busy).astype(float)
        if variable.aggregation == "each":
            days = np.zeros(len(busy), np.uint16) if day is None else day.take(busy)
            self.totals.rows[variable].append((units, amounts, days))
        elif day is None:
            apply(variable, self.totals.values[variable], units, amounts)
        elif len(busy):
            day = day.take(busy)
            for k in range(int(day[0]), int(day[-1]) + 1):
                low, high = np.searchsorted(day, (k, k + 1))
                if high > low:
                    self.totals.days[variable][k].append((units[low:high], amounts[low:high]))
            self.kept += len(busy)
            if self.kept > KEEP:
                self._compact()

    def _compact(self) -> None:
        """Joins the increments of a unit on a day, so that memory grows with active days and not with events."""
        self.kept = 0
        for variable, days in self.totals.days.items():
            for day, parts in days.items():
                units = np.concatenate([part[0] for part in parts])
                amounts = np.concatenate([part[1] for part in parts])
                order = np.argsort(units, kind="stable")
                starts = np.flatnonzero(np.diff(units[order], prepend=-1))
                join = np.add if variable.aggregation in ("sum", "count") else np.maximum
                days[day] = [(units[order][starts], join.reduceat(amounts[order], starts))]
                self.kept += len(starts) // 2

    def finish(self) -> Totals:
        """The totals; those kept by day are summed up to final values here."""
        for variable, total in self.totals.values.items():
            for increments in self.totals.days.get(variable, {}).values():
                for units, amounts in increments:
                    apply(variable, total, units, amounts)
            self.totals.values[variable] = settled(variable, total)
        return self.totals

    def complete(self, latest: int | None) -> Totals:
        """The totals, in which units whose window has not ended by the end of the day of `latest` count 0."""
        for variable in self.late:
            day = (self.first[:-1] + round((variable.days or 0.0) * DAY)) // DAY - self.totals.start
            values = self.totals.values[variable]
            values[day > (latest or 0) // DAY - self.totals.start] = 0.0
            busy = np.flatnonzero(values)
            if self.daily:
                order = busy[np.argsort(day[busy], kind="stable")].astype(np.int32)
                ends = np.flatnonzero(np.diff(day[order])) + 1
                self.totals.days[variable] = {
                    int(day[units[0]]): [(units, values[units])] for units in np.split(order, ends) if len(units)
                }
        return self.totals


class Window(NamedTuple):
    """When events count, in days since first exposure, and whether only once that is over."""

    start: float
    days: float | None
    pre: bool
    complete: bool

    def holds(self, age: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows it holds, by microseconds since first exposure."""
        if self.pre:
            assert self.days is not None
            return (age < 0) & (age >= -round(self.days * DAY))
        late = age >= round(self.start * DAY)
        return late if self.days is None else late & (age <= round(self.days * DAY))


def _window(variable: Variable) -> Window:
    return Window(variable.start, variable.days, variable.pre, variable.complete)
