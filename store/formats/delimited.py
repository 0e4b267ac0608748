"""CSV: commas, one header, double quotes, UTF-8 with or without a byte order mark."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from store.errors import IngestError
from store.formats import BLOCK, BadRow, Batch

Skip = Callable[[pyarrow.csv.InvalidRow], str]


@dataclass(frozen=True)
class File:
    path: Path

    def columns(self) -> dict[str, pa.DataType]:
        return dict.fromkeys(_header(self.path)[0], pa.string())

    def batches(self) -> Iterator[Batch]:
        names, header_lines = _header(self.path)
        _refuse_open_quote(self.path)
        ragged: list[pyarrow.csv.InvalidRow] = []

        def skip(row: pyarrow.csv.InvalidRow) -> str:
            ragged.append(row)
            return "skip"

        numbering = _Numbering(header_lines)
        try:
            for data in _open(self.path, names, skip):
                # The reader works ahead: what it skipped may belong to a later batch, which is still in order.
                yield numbering.batch(data, ragged)
            if ragged:
                yield numbering.batch(pa.RecordBatch.from_pylist([], _schema(names)), ragged)
        except pa.ArrowInvalid as error:
            raise IngestError(f"{self.path} cannot be read as CSV after row {numbering.row}: {_why(error)}") from None


@dataclass
class _Numbering:
    """Counts records, and lines where quoted values hold line ends."""

    header_lines: int
    row: int = 0
    extra: int = 0

    def batch(self, data: pa.RecordBatch, ragged: list[pyarrow.csv.InvalidRow]) -> Batch:
        # Arrow counts the header as record 1.
        taken, end = [], self.row + len(data)
        while ragged and ragged[0].number - 1 <= end + 1:
            taken.append(ragged.pop(0))
            end += 1
        bad = np.array([row.number - 2 - self.row for row in taken], dtype=np.int64)
        good = np.setdiff1d(np.arange(end - self.row), bad, assume_unique=True)
        breaks = np.zeros(end - self.row, dtype=np.int64)
        breaks[good] = _line_breaks(data)
        breaks[bad] = [row.text.count("\n") for row in taken]
        rows = np.arange(self.row + 1, end + 1)
        lines = rows + self.header_lines + self.extra + np.cumsum(breaks) - breaks
        self.row, self.extra = end, self.extra + int(breaks.sum())
        broken = tuple(
            BadRow(int(rows[at]), int(lines[at]), _ragged(row), row.text) for at, row in zip(bad, taken, strict=True)
        )
        kept = good[keep := _not_blank(data)]
        return Batch(data.filter(pa.array(keep)), rows[kept], lines[kept], broken)


@cache
def _schema(names: tuple[str, ...]) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])


def _open(path: Path, names: tuple[str, ...], skip: Skip) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        path,
        # One thread: only then does Arrow number the rows that it skips.
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK),
        parse_options=pyarrow.csv.ParseOptions(
            newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=skip
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=_schema(names), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _header(path: Path) -> tuple[tuple[str, ...], int]:
    """Column names, and how many lines they take."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = tuple(next(reader, ()))
        except csv.Error as error:
            raise IngestError(f"{path} has no header that can be read as CSV: {error}. Mend line 1.") from None
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise IngestError(f"{path}: the header names {repeated[0]!r} {names.count(repeated[0])} times. Rename one.")
    return names, reader.line_num


def _refuse_open_quote(path: Path) -> None:
    """A quote that is opened and never closed would swallow all rows after it without a word."""
    with open(path, "rb") as file:
        quotes = sum(block.count(b'"') for block in iter(lambda: file.read(BLOCK), b""))
    if quotes % 2 == 0:
        return
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader, line = csv.reader(file, strict=True), 0
        try:
            for _ in reader:
                line = reader.line_num
        except csv.Error as error:
            # Other irregular quotes stand within one row, where Arrow reads them as they are.
            if "unexpected end of data" in str(error) or "field limit" in str(error):
                message = f"{path}: a quote in line {line + 1} is opened and never closed. Close or double it."
                raise IngestError(message) from None


def _line_breaks(data: pa.RecordBatch) -> np.ndarray:
    counts = np.zeros(len(data), dtype=np.int64)
    for column in data.columns:
        if len(data) and pc.any(pc.match_substring(column, "\n")).as_py():
            counts += pc.fill_null(pc.count_substring(column, "\n"), 0).to_numpy()
    return counts


def _not_blank(data: pa.RecordBatch) -> np.ndarray:
    keep = np.zeros(len(data), dtype=bool)
    for column in data.columns:
        if keep.all():
            break
        keep |= column.is_valid().to_numpy(zero_copy_only=False)
    return keep


def _ragged(row: pyarrow.csv.InvalidRow) -> str:
    return f"{row.actual_columns} values, expected {row.expected_columns}"


def _why(error: pa.ArrowInvalid) -> str:
    if "straddling" in str(error):
        return (
            f"one row is longer than {BLOCK >> 20} MiB, so a quote was probably opened and never closed. Mend the row."
        )
    return f"{error}. Mend the file or export it again."
