"""Readers of events: batches with the places of their units, by DuckDB or, where it is enough, by Arrow alone."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.collect.files import BATCH, INTEGERS, NUMBERS, TEXTS, Rows, array, arrow, literal, translated
from analysis.collect.units import Ints
from analysis.errors import SourceError
from analysis.variables import Scalar

# What a row adds to a variable: the value, the aggregation, and the filters.
Base = tuple[str | None, str, tuple[tuple[str, Scalar], ...]]
Batch = tuple[NDArray[np.int32], Ints, dict[str, NDArray[Any]]]
# Reads places of units, times and amounts by name, of events from a time on. Unknown units have place n, or are left
# out. Events whose amounts change nothing may be left out; with no amounts to read, none is.
Reader = Callable[[dict[str, Base], int], Iterator[Batch]]
# Microseconds in the units of Arrow's times; nanoseconds are left to DuckDB.
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def reader_of(rows: Rows, ids: Any, unit: str, time: str, bases: dict[str, Base], *, whole: bool) -> Reader:
    """The cheapest reader of the columns `unit`, `time` and those of `bases`.

    Args:
        ids: of the known units, by place.
        whole: ids are whole numbers here and in the exposures, and need no text.
    """
    if not whole:
        return _by_join(rows, ids, unit, time)
    find = _finder(ids)
    if _is_bare(rows, unit, time, bases):
        return _by_arrow(rows, find, unit, time)
    return _by_duckdb(rows, find, unit, time)


def _by_duckdb(rows: Rows, find: Callable[[Ints], NDArray[np.int32]], unit: str, time: str) -> Reader:
    def read(bases: dict[str, Base], since: int) -> Iterator[Batch]:
        columns, where = _sql(rows, time, bases, since)
        for batch in rows.stream(columns | {"unit": rows.need(unit, "the unit")}, where):
            yield find(array(batch["unit"])), array(batch["time"]), {name: array(batch[name]) for name in bases}

    return read


def _by_join(rows: Rows, ids: Any, unit: str, time: str) -> Reader:
    """Units are found by DuckDB's join."""
    import pyarrow as pa

    known = pa.Table.from_arrays([ids, arrow(np.arange(len(ids), dtype=np.int32))], ["holdout_unit", "place"])
    rows.con.register("holdout_units", known)
    join = f"JOIN holdout_units ON holdout_unit = {rows.text(unit, 'the unit')}"

    def read(bases: dict[str, Base], since: int) -> Iterator[Batch]:
        columns, where = _sql(rows, time, bases, since)
        for batch in rows.stream(columns | {"place": "place"}, f"{join} {where}"):
            yield array(batch["place"]), array(batch["time"]), {name: array(batch[name]) for name in bases}

    return read


def _by_arrow(rows: Rows, find: Callable[[Ints], NDArray[np.int32]], unit: str, time: str) -> Reader:
    """Parquet's columns as they are: for DuckDB, handing them over costs a third of reading them."""
    import pyarrow.parquet as pq

    def read(bases: dict[str, Base], since: int) -> Iterator[Batch]:
        columns = list(dict.fromkeys([unit, time, *(str(value) for value, *_ in bases.values())]))
        for path in rows.parquet:
            # Read ahead, Arrow holds whole row groups: 10 % more CPU and 150 MB more memory on 20 million events.
            with translated(rows.label), pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
                ticks = UNITS[file.schema_arrow.field(time).type.unit]
                groups = [g for g in range(file.num_row_groups) if _statistics(file, g, time).max_raw * ticks >= since]
                for batch in file.iter_batches(BATCH, row_groups=groups, columns=columns):
                    when = array(batch[time].view("int64"))
                    when = when if ticks == 1 else when * ticks
                    amounts = {name: array(batch[str(value)]) for name, (value, *_) in bases.items()}
                    busy = when >= since
                    if amounts:
                        busy &= np.logical_or.reduce([amount != 0 for amount in amounts.values()])
                    kept = np.flatnonzero(busy)
                    found = {name: amount.take(kept) for name, amount in amounts.items()}
                    yield find(array(batch[unit]).take(kept)), when.take(kept), found

    return read


def _is_bare(rows: Rows, unit: str, time: str, bases: dict[str, Base]) -> bool:
    """Whether all that is needed are sums of columns without null in Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    summed = (*INTEGERS, "DOUBLE")
    for value, aggregation, where in bases.values():
        if where or value is None or aggregation == "max" or value not in rows.types or rows.type(value) not in summed:
            return False
    needed = {unit, time, *(str(value) for value, *_ in bases.values())}
    for path in rows.parquet:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            if not needed <= set(schema.names) or not pa.types.is_timestamp(schema.field(time).type):
                return False
            if schema.field(time).type.unit not in UNITS:
                return False
            known = [_statistics(file, group, name) for group in range(file.num_row_groups) for name in needed]
            if not all(s is not None and s.has_null_count and s.has_min_max and s.null_count == 0 for s in known):
                return False
    return bool(rows.parquet)


def _statistics(file: Any, group: int, column: str) -> Any:
    """Parquet's statistics of a column that is not nested."""
    names = [file.schema.column(k).path for k in range(len(file.schema))]
    return file.metadata.row_group(group).column(names.index(column)).statistics


def _sql(rows: Rows, time: str, bases: dict[str, Base], since: int) -> tuple[dict[str, str], str]:
    """The columns of a query, and its condition."""
    instant = rows.instant(time, "the time")
    columns = {name: base_sql(rows, *base) for name, base in bases.items()}
    idle = {name: "'-infinity'" if aggregation == "max" else "0" for name, (_, aggregation, _) in bases.items()}
    busy = " OR ".join(f"{sql} <> {idle[name]}" for name, sql in columns.items()) or "true"
    return {"time": instant} | columns, f"WHERE {instant} >= {since} AND ({busy})"


def base_sql(rows: Rows, value: str | None, aggregation: str, where: tuple[tuple[str, Scalar], ...]) -> str:
    """What one row adds, as SQL that is never null: 0 (for max: minus infinity) where it adds nothing."""
    kept = " AND ".join(_equals(rows, column, wanted) for column, wanted in where) or "true"
    if value is None:
        return f"CAST(coalesce({kept}, false) AS UTINYINT)"
    number = rows.number(value, "a value of events")
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


def _finder(ids: Ints) -> Callable[[Ints], NDArray[np.int32]]:
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


def whole_numbers(rows: Rows, column: str) -> bool:
    """Whether a column holds whole numbers that fit 64 bits."""
    return column in rows.types and rows.type(column) in INTEGERS
