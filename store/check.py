"""Checks one batch of rows against a contract: values of the contract's types, and what is wrong with the rest."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from store.contract import Column, Contract
from store.errors import did_you_mean

# An offset is minutes or hours after a clock time, so that the day in 2024-01-01 is none.
OFFSET = r":\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)$"
SHAPES = {"int32": r"^-?\d+$", "int64": r"^-?\d+$", "timestamp": r"^\d{4}-\d\d-\d\d([T ]|$)"}


@dataclass(frozen=True, slots=True)
class Checked:
    """`good` are the rows that keep the contract, `ok` (shape: rows of the batch) says which, `problems` why not."""

    good: pa.RecordBatch
    ok: np.ndarray
    problems: dict[int, str]


def check(batch: pa.RecordBatch, contract: Contract) -> Checked:
    """Convert a batch to the contract's types; columns that the contract does not know are dropped.

    Text is parsed strictly, a timestamp without an offset is UTC, digits past the microsecond are cut.
    `problems` has the first problem of each bad row by its index in the batch.
    """
    arrays: list[pa.Array] = []
    problems: dict[int, str] = {}
    for column in contract.columns:
        raw = batch.column(column.name) if column.name in batch.schema.names else pa.nulls(len(batch), column.arrow)
        array = convert(raw, column)
        for index, problem in _problems(raw, array, column):
            problems.setdefault(index, problem)
        arrays.append(array)
    ok = np.ones(len(batch), dtype=bool)
    ok[list(problems)] = False
    if problems:
        arrays = [array.filter(pa.array(ok)) for array in arrays]
    return Checked(pa.RecordBatch.from_arrays(arrays, schema=contract.schema), ok, problems)


def column_problem(found: Mapping[str, pa.DataType], contract: Contract) -> str | None:
    """What is wrong with the columns of a source as a whole, worded to follow its name; None if nothing is."""
    for column in contract.columns:
        if column.required and column.name not in found:
            near = did_you_mean(column.name, found).replace("Known:", "Found:")
            return f"lacks the column {column.name!r}, which {contract.name} requires.{near} Rename or add it."
        if column.name in found and not convertible(found[column.name], column):
            wanted = f"{column.type} ({column.unit})" if column.unit else column.type
            return f"has the column {column.name!r} as {found[column.name]}, expected {wanted}. Convert it."
    return None


def convertible(found: pa.DataType, column: Column) -> bool:
    """True if values of type `found` can be read as the column's type without guessing."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if found in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
        return True
    match column.type:
        case "string":
            kinds = [pa.types.is_integer]
        case "timestamp":
            kinds = [pa.types.is_timestamp, pa.types.is_date]
        case "bool":
            kinds = [pa.types.is_boolean]
        case _:
            kinds = [pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal]
    return any(kind(found) for kind in kinds)


def convert(raw: pa.Array, column: Column) -> pa.Array:
    """`raw` in the column's type, null where a value cannot be read as one."""
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    if pa.types.is_large_string(raw.type) or raw.type == pa.string_view():
        raw = raw.cast(pa.string())
    if raw.type == column.arrow:
        return raw
    if not convertible(raw.type, column):
        return pa.nulls(len(raw), column.arrow)
    if pa.types.is_string(raw.type):
        return _parsed(pc.utf8_trim_whitespace(raw), column)
    if column.type == "timestamp" and pa.types.is_timestamp(raw.type):
        # Nanoseconds are cut to microseconds, as the digits of text are.
        return _cast(raw, lambda values: values.cast(column.arrow, safe=False))
    return _cast(raw, lambda values: values.cast(column.arrow))


def _parsed(text: pa.Array, column: Column) -> pa.Array:
    if column.type == "timestamp":
        for kind in (pa.timestamp("us"), column.arrow):
            try:
                return text.cast(kind).cast(column.arrow)
            except pa.ArrowInvalid:
                pass
        return _parsed_times(text, column)
    if column.type in SHAPES:
        text = _only(text, pc.match_substring_regex(text, SHAPES[column.type]))
    return _cast(text, lambda values: values.cast(column.arrow))


def _parsed_times(text: pa.Array, column: Column) -> pa.Array:
    text = _only(text, pc.match_substring_regex(text, SHAPES["timestamp"]))
    for pattern, new in ((r"(\.\d{6})\d+", r"\1"), (r" ?(UTC|Z|z)$", "Z"), (r" ([+-]\d\d:?\d\d)$", r"\1")):
        text = pc.replace_substring_regex(text, pattern, new)
    zoned = pc.match_substring_regex(text, OFFSET)
    here = _cast(_only(text, pc.invert(zoned)), lambda values: values.cast(pa.timestamp("us"))).cast(column.arrow)
    return pc.coalesce(here, _cast(_only(text, zoned), lambda values: values.cast(column.arrow)))


def _only(values: pa.Array, where: pa.Array) -> pa.Array:
    return pc.if_else(where, values, pa.scalar(None, values.type))


def _cast(values: pa.Array, cast: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Cast what can be cast: halve until the values that cannot stand alone, and make those null."""
    try:
        return cast(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(values) == 1:
            return cast(pa.nulls(1, values.type))
    half = len(values) // 2
    return pa.concat_arrays([_cast(values[:half], cast), _cast(values[half:], cast)])


def _problems(raw: pa.Array, array: pa.Array, column: Column) -> Iterator[tuple[int, str]]:
    lost = pc.and_(pc.is_valid(raw), pc.is_null(array))
    absent = pc.is_null(raw)
    if column.type == "string":
        absent = pc.or_(absent, pc.fill_null(pc.equal(array, ""), False))
    elif pa.types.is_string(raw.type):
        empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(raw), ""), False)
        lost, absent = pc.and_not(lost, empty), pc.or_(absent, empty)
    if lost.true_count:
        yield from ((index, f"{column.name}: not {_words(column)}") for index in _where(lost))
    if column.required and absent.true_count:
        yield from ((index, f"{column.name}: required, and missing") for index in _where(absent))
    if column.type == "float64":
        strange = pc.fill_null(pc.invert(pc.is_finite(array)), False)
        yield from ((index, f"{column.name}: NaN or infinite") for index in _where(strange))


def _where(mask: pa.Array) -> list[int]:
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist()


def _words(column: Column) -> str:
    words = {
        "string": "text in UTF-8",
        "timestamp": "a time such as 2025-01-31T12:00:00Z",
        "bool": "true or false",
        "float64": "a number",
    }
    unit = f" in the {column.unit}, such as 1050 cents for 10.50" if column.unit == "minor unit" else ""
    return words.get(column.type, f"a whole number ({column.type}){unit}")
