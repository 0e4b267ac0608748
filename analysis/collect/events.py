"""One pass over the events: per-unit totals, and for running totals the increments of each day."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.collect.files import INTEGERS, NUMBERS, TEXTS, Rows, array, arrow, literal, odd
from analysis.collect.units import Units
from analysis.errors import SourceError
from analysis.metrics.metric import Array
from analysis.variables import Scalar, Variable

DAY = 86_400_000_000
Increment = tuple[NDArray[np.int32], Array]
# Reads columns of the events that fulfil a condition, in batches with the places of their units.
Source = Callable[[dict[str, str], str], Iterator[tuple[NDArray[np.int32], Any]]]
# Increments of 12 bytes that are kept before those of one unit and day are joined.
KEEP = 32_000_000


@dataclass(slots=True)
class Totals:
    """What the events say of the n units.

    Attributes:
        start: first day (since 1970) of the looks.
        values: each event variable's final value by unit, before caps; 0 for a unit without events.
        days: increments (units, amounts) of each variable that moves after exposure, by day since `start`.
        latest: latest event of any unit that counts; None without any.
        last_event: latest event in the data.
    """

    start: int
    values: dict[Variable, Array] = field(default_factory=dict)
    days: dict[Variable, dict[int, list[Increment]]] = field(default_factory=dict)
    latest: int | None = None
    last_event: int | None = None

    @classmethod
    def none(cls, units: Units, variables: tuple[Variable, ...]) -> "Totals":
        """Units without any event."""
        scan = Scan(units, tuple(v for v in variables if v.aggregation is not None), daily=True)
        return scan.finish()


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
    instant = rows.instant(time, "the time")
    rows.need(unit, "the unit")
    rows.refuse_holes((unit,), time)
    scan = Scan(units, tuple(v for v in variables if v.aggregation is not None), daily)
    bases = {name: base_sql(rows, *key) for key, name in scan.bases.items()}
    source = _by_place(rows, units, unit) if whole else _by_join(rows, units, unit)
    idle = {name: "'-infinity'" if key[1] == "max" else "0" for key, name in scan.bases.items()}
    busy = " OR ".join(f"{sql} <> {idle[name]}" for name, sql in bases.items()) or "false"
    for place, batch in source({"time": instant} | bases, f"{instant} >= {scan.earliest} AND ({busy})"):
        scan.add(place, array(batch["time"]), {name: array(batch[name]) for name in bases})
    totals = scan.finish()
    totals.last_event = rows.latest(time)
    # Events that change no variable still make looks.
    rest = (totals.latest or scan.earliest) // DAY * DAY + DAY
    if totals.last_event is not None and totals.last_event >= rest:
        for place, batch in source({"time": instant}, f"{instant} >= {rest}"):
            scan.note_latest(place, array(batch["time"]))
    for variable, values in totals.values.items():
        if not np.isfinite(values).all():
            _refuse_infinite(rows, variable)
    return totals


def base_sql(rows: Rows, value: str | None, aggregation: str, where: tuple[tuple[str, Scalar], ...]) -> str:
    """What one row adds, as SQL that is never null: 0 (for max: minus infinity) where it adds nothing."""
    kept = " AND ".join(_equals(rows, column, wanted) for column, wanted in where) or "true"
    if value is None:
        return f"CAST(coalesce({kept}, false) AS UTINYINT)"
    number = rows.number(value, f"a value to take the {aggregation} of")
    if aggregation == "max":
        real = f"CASE WHEN CAST({number} AS DOUBLE) = '-infinity' THEN 'nan'::DOUBLE ELSE CAST({number} AS DOUBLE) END"
        return f"coalesce(CASE WHEN {kept} THEN {real} END, '-infinity'::DOUBLE)"
    return f"coalesce(CASE WHEN {kept} THEN {number} END, 0)" if where else f"coalesce({number}, 0)"


def _equals(rows: Rows, column: str, wanted: Scalar) -> str:
    name = rows.need(column, "a filter in `where`")
    kind = rows.type(column)
    if kind in TEXTS:
        text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
        return f"CAST({name} AS VARCHAR) = {literal(text)}"
    if kind == "NULL":
        return "false"
    if kind in NUMBERS and not isinstance(wanted, str):
        return f"CAST({name} AS DOUBLE) = {float(wanted)!r}"
    raise SourceError(
        f"{rows.label}: `where` compares column {column!r}, which is {rows.types[column]}, with {wanted!r}; "
        "write a value of the column's type."
    )


def _refuse_infinite(rows: Rows, variable: Variable) -> None:
    number = rows.number(str(variable.value), "a value")
    rows.refuse(odd(number, "nan", "inf", "-inf"), str(variable.value), "is not a finite number", "correct those rows")
    raise SourceError(f"{rows.label}: {variable.name} is too large to add up; correct column {variable.value!r}.")


def _finder(ids: NDArray[np.int64]) -> Any:
    """A function from unit ids to places in `ids`; unknown units go to place n."""
    n, low = len(ids), int(ids.min())
    span = int(ids.max()) - low + 1
    if span > 8 * n + (1 << 24):
        order = np.argsort(ids)
        ordered = ids[order]

        def search(units: NDArray[Any]) -> NDArray[np.int32]:
            at = np.minimum(np.searchsorted(ordered, units), n - 1)
            return np.where(ordered[at] == units, order[at], n).astype(np.int32)

        return search
    table = np.full(span + 1, n, np.int32)
    table[ids - low] = np.arange(n, dtype=np.int32)

    def look_up(units: NDArray[Any]) -> NDArray[np.int32]:
        # As unsigned numbers, ids below the table are far above it.
        place = np.minimum((units.astype(np.int64, copy=False) - low).view(np.uint64), np.uint64(span)).view(np.int64)
        return table.take(place)

    return look_up


def _by_place(rows: Rows, units: Units, unit: str) -> Source:
    """Reads events whose units are looked up in a table; unknown units have place n."""
    find = _finder(units.ids)

    def read(columns: dict[str, str], where: str) -> Iterator[tuple[NDArray[np.int32], Any]]:
        for batch in rows.stream(columns | {"unit": rows.need(unit, "the unit")}, f"WHERE {where}"):
            yield find(array(batch["unit"])), batch

    return read


def _by_join(rows: Rows, units: Units, unit: str) -> Source:
    """Reads events whose units are looked up by DuckDB's join; those of unknown units are not read."""
    import pyarrow as pa

    known = pa.Table.from_arrays([units.ids, arrow(np.arange(len(units), dtype=np.int32))], ["holdout_unit", "place"])
    rows.con.register("holdout_units", known)
    join = f"JOIN holdout_units ON holdout_unit = {rows.text(unit, 'the unit')}"

    def read(columns: dict[str, str], where: str) -> Iterator[tuple[NDArray[np.int32], Any]]:
        for batch in rows.stream(columns | {"place": "place"}, f"{join} WHERE {where}"):
            yield array(batch["place"]), batch

    return read


class Scan:
    """Per-unit accumulators that batches of events are added to."""

    def __init__(self, units: Units, variables: tuple[Variable, ...], daily: bool) -> None:
        assert units.first is not None
        self.n = len(units)
        # Place n holds unknown units: their first exposure is so late that no event counts.
        self.first = np.append(units.first, 1 << 61)
        self.daily = daily
        self.bases: dict[Any, str] = {}
        self.windows: dict[tuple[float | None, bool], list[tuple[Variable, str]]] = defaultdict(list)
        self.totals = Totals(start=int(units.first.min() // DAY))
        self.kept = 0
        for variable in variables:
            key = (variable.value, variable.aggregation, variable.where)
            base = self.bases.setdefault(key, f"base_{len(self.bases)}")
            self.windows[variable.days, variable.pre].append((variable, base))
            self.totals.values[variable] = opening(variable, self.n)
            if daily and not variable.pre:
                self.totals.days[variable] = defaultdict(list)

    @property
    def earliest(self) -> int:
        """The earliest time at which an event can count."""
        before = max((days or 0.0 for days, pre in self.windows if pre), default=0.0)
        return int(self.first.min()) - round(before * DAY)

    def add(self, place: NDArray[np.int32], time: NDArray[np.int64], bases: dict[str, NDArray[Any]]) -> None:
        """Adds one batch of rows."""
        self.note_latest(place, time)
        age = time - self.first.take(place)
        for (days, pre), targets in self.windows.items():
            rows = np.flatnonzero(_inside(age, days, pre))
            day = None
            if self.daily and not pre:
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
        busy = np.flatnonzero(amounts != (-np.inf if variable.aggregation == "max" else 0))
        units, amounts = units.take(busy), amounts.take(busy).astype(float)
        if day is None:
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


def _inside(age: NDArray[np.int64], days: float | None, pre: bool) -> NDArray[np.bool_]:
    """Which rows fall in a window, by microseconds since first exposure."""
    if pre:
        assert days is not None
        return (age < 0) & (age >= -round(days * DAY))
    return age >= 0 if days is None else (age >= 0) & (age <= round(days * DAY))


def whole_numbers(rows: Rows, column: str) -> bool:
    """Whether a column holds whole numbers that fit 64 bits."""
    return column in rows.types and rows.type(column) in INTEGERS
