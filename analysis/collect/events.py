"""One pass over the events: per-unit totals, and for running totals the increments of each day."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.collect.files import INTEGERS, NUMBERS, TEXTS, Rows, array, arrow, literal
from analysis.collect.units import Units
from analysis.errors import SourceError
from analysis.metrics.metric import Array
from analysis.variables import Scalar, Variable

DAY = 86_400_000_000
Increment = tuple[NDArray[np.int32], Array]


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
        scan = _Scan(units, tuple(v for v in variables if v.aggregation is not None), daily=True)
        return scan.finish()


def apply(variable: Variable, total: Array, units: NDArray[np.int32], amounts: Array) -> None:
    """Brings running totals up to date with one increment."""
    if variable.aggregation == "max":
        np.maximum.at(total, units, amounts)
    elif variable.aggregation == "any":
        total[units] = 1.0
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
    variables = tuple(v for v in variables if v.aggregation is not None)
    scan = _Scan(units, variables, daily)
    bases = {name: base_sql(rows, *key) for key, name in scan.bases.items()}
    columns = {"time": rows.instant(time, "the time")} | bases
    if whole:
        columns["unit"] = rows.need(unit, "the unit")
        find = _finder(units.ids)
        batches = rows.stream(columns)
    else:
        # The join drops events of unknown units, and of none.
        rows.refuse_holes((unit,), None)
        scan.totals.last_event = rows.fetch({"last": f"max({columns['time']})"})["last"][0].as_py()
        find = None
        batches = _joined(rows, units, unit, columns)
    for batch in batches:
        if batch["time"].null_count or (whole and batch["unit"].null_count):
            rows.refuse_holes((unit,), time)
        place = find(array(batch["unit"])) if find else array(batch["place"])
        scan.add(place, array(batch["time"]), {name: array(batch[name]) for name in bases})
    totals = scan.finish()
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
    if aggregation == "any":
        known = f"{number} <> 0 AND NOT isnan(CAST({number} AS DOUBLE))"
        return f"CAST(coalesce({kept} AND {known}, false) AS UTINYINT)"
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
    number = f"CAST({rows.number(str(variable.value), 'a value')} AS DOUBLE)"
    rows.refuse(f"NOT isfinite({number})", str(variable.value), "is not a finite number", "correct those rows")
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
        place = np.minimum((units.astype(np.int64) - low).view(np.uint64), np.uint64(span)).view(np.int64)
        return table.take(place)

    return look_up


def _joined(rows: Rows, units: Units, unit: str, columns: dict[str, str]) -> Any:
    """Batches of the events of known units with their `place`, by DuckDB's join."""
    import pyarrow as pa

    known = pa.Table.from_arrays([units.ids, arrow(np.arange(len(units), dtype=np.int32))], ["holdout_unit", "place"])
    rows.con.register("holdout_units", known)
    join = f"JOIN holdout_units ON holdout_unit = {rows.text(unit, 'the unit')}"
    return rows.stream(columns | {"place": "place"}, join)


class _Scan:
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
        for variable in variables:
            key = (variable.value, variable.aggregation, variable.where)
            base = self.bases.setdefault(key, f"base_{len(self.bases)}")
            self.windows[variable.days, variable.pre].append((variable, base))
            self.totals.values[variable] = opening(variable, self.n)
            if daily and not variable.pre:
                self.totals.days[variable] = defaultdict(list)

    def add(self, place: NDArray[np.int32], time: NDArray[np.int64], bases: dict[str, NDArray[Any]]) -> None:
        """Adds one batch of rows."""
        if not len(time):
            return
        self._note_latest(place, time)
        age = time - self.first.take(place)
        for (days, pre), targets in self.windows.items():
            rows = np.flatnonzero(_inside(age, days, pre))
            units = place.take(rows)
            split = self._split(time, rows) if self.daily and not pre else None
            for variable, base in targets:
                self._spread(variable, units, bases[base].take(rows), split)

    def _note_latest(self, place: NDArray[np.int32], time: NDArray[np.int64]) -> None:
        last = int(time.max())
        if self.totals.last_event is None or last > self.totals.last_event:
            self.totals.last_event = last
        if self.totals.latest is None or last > self.totals.latest:
            known = time[place < self.n]
            if len(known):
                self.totals.latest = max(int(known.max()), self.totals.latest or int(known.max()))

    def _split(self, time: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Days of the rows, and the order that sorts them; None if they are sorted."""
        day = (time.take(rows) // DAY - self.totals.start).astype(np.uint16)
        if len(day) == 0 or (day[1:] >= day[:-1]).all():
            return day, None
        order = np.argsort(day, kind="stable")
        return day[order], order

    def _spread(self, variable: Variable, units: NDArray[np.int32], amounts: NDArray[Any], split: Any) -> None:
        """Gives one variable's amounts to its units, at once or by day."""
        idle = -np.inf if variable.aggregation == "max" else 0
        busy = np.flatnonzero(amounts != idle)
        if split is None:
            apply(variable, self.totals.values[variable], units.take(busy), amounts.take(busy).astype(float))
            return
        day, order = split
        if order is not None:
            busy = np.flatnonzero(amounts.take(order) != idle)
            source = order.take(busy)
        else:
            source = busy
        day, units, amounts = day.take(busy), units.take(source), amounts.take(source).astype(float)
        if len(day):
            for k in range(int(day[0]), int(day[-1]) + 1):
                low, high = np.searchsorted(day, (k, k + 1))
                if high > low:
                    self.totals.days[variable][k].append((units[low:high], amounts[low:high]))

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
