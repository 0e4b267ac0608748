"""Opens an experiment's files behind DuckDB: CSV, Parquet or a zip with one CSV; errors name file, column and row."""

import csv
import gzip
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import SourceError
from store.errors import did_you_mean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from store import Workspace

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
NUMBERS = (*INTEGERS, "UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN", "NULL")
TEXTS = ("VARCHAR", "ENUM", "UUID")
# Rows in a batch: few enough that its columns stay in the cache between two steps.
BATCH = 245_760


def quote(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    """`text` as an SQL string."""
    return "'" + str(text).replace("'", "''") + "'"


def array(column: Any) -> NDArray[Any]:
    """An Arrow column of numbers without null as numpy."""
    # Not by to_numpy, nor fill_null, which import pandas: a tenth of the time of a whole scan.
    chunks = getattr(column, "chunks", [column])
    parts = [np.from_dlpack(chunk) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def arrow(values: NDArray[Any]) -> Any:
    """A numpy array of numbers as an Arrow array."""
    import pyarrow as pa

    values = np.ascontiguousarray(values)
    kind = {"int32": pa.int32(), "int64": pa.int64()}[values.dtype.name]
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def odd(number: str, *kinds: str) -> str:
    """SQL for a number that is one of 'nan', 'inf' and '-inf'.

    Told from its text: of Parquet whose statistics leave out nan, as they do, DuckDB 2.0 takes isnan to be false.
    """
    return f"CAST(CAST({number} AS DOUBLE) AS VARCHAR) IN ({', '.join(map(literal, kinds))})"


@dataclass(frozen=True)
class Rows:
    """A view or table `name` of the connection; `label` is what an error calls it, `types` its columns.

    `parquet` are the files that it shows as they are; none where there is more to it.
    """

    con: "DuckDBPyConnection"
    name: str
    label: str
    types: dict[str, str]
    parquet: tuple[str, ...] = ()

    def type(self, column: str) -> str:
        """The column's type without its parameters."""
        return self.types[column].split("(")[0].strip('"')

    def need(self, column: str, purpose: str) -> str:
        """The column as SQL; an error with the nearest name if it is not there."""
        if column not in self.types:
            hint = did_you_mean(column, self.types).replace("Known:", "Found:")
            raise SourceError(f"{self.label}: has no column {column!r}, needed as {purpose}.{hint}")
        return quote(column)

    def number(self, column: str, purpose: str) -> str:
        """The column as SQL of a number, booleans as 0 and 1."""
        name = self.need(column, purpose)
        if self.type(column) == "BOOLEAN":
            return f"CAST({name} AS UTINYINT)"
        if self.type(column) in INTEGERS or self.type(column) == "DOUBLE":
            return name
        if self.type(column) in NUMBERS:
            return f"CAST({name} AS DOUBLE)"
        if self.type(column) in TEXTS:
            self.refuse(
                f"{name} IS NOT NULL AND TRY_CAST({name} AS DOUBLE) IS NULL",
                column,
                f"is text, expected numbers for {purpose}",
                "correct those rows, or leave the field empty where nothing is known",
            )
        raise SourceError(
            f"{self.label}: column {column!r} is {self.types[column]}, expected numbers for {purpose}; "
            "convert the column first, or with `query`."
        )

    def text(self, column: str, purpose: str) -> str:
        """The column as SQL of a text: 1.0 is "1", a boolean "true" or "false"."""
        name = self.need(column, purpose)
        if self.type(column) in ("FLOAT", "DOUBLE"):
            whole = f"CAST(TRY_CAST({name} AS HUGEINT) AS VARCHAR)"
            return f"CASE WHEN {name} = floor({name}) THEN {whole} ELSE CAST({name} AS VARCHAR) END"
        return name if self.type(column) == "VARCHAR" else f"CAST({name} AS VARCHAR)"

    def instant(self, column: str, purpose: str) -> str:
        """The column as SQL of microseconds since 1970 in UTC; null where it is null or cannot be read."""
        return self._micros(column, self.need(column, purpose), purpose)

    def are_dates(self, column: str) -> bool:
        """Whether the column's times are dates, which say the day and not the moment."""
        name = quote(column)
        if self.type(column) not in TEXTS:
            return self.type(column) == "DATE"
        return bool(
            self.con.execute(f"SELECT bool_and(length(trim({name})) <= 10) FROM {quote(self.name)}").fetchall()[0][0]
        )

    def latest(self, column: str) -> int | None:
        """The latest time in the column, in microseconds since 1970 in UTC."""
        name, text = quote(column), self.type(column) in TEXTS
        # Of a Parquet file, DuckDB knows the greatest value of a bare column without reading it.
        last = f"max({self.instant(column, 'the time')})" if text else self._micros(column, f"max({name})", "the time")
        found: int | None = self.con.execute(f"SELECT {last} FROM {quote(self.name)}").fetchall()[0][0]
        return found

    def _micros(self, column: str, sql: str, purpose: str) -> str:
        kind = self.type(column)
        if kind in TEXTS:
            return f"epoch_us(TRY_CAST({sql} AS TIMESTAMPTZ))"
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"epoch_us({sql})"
        if kind.startswith("TIMESTAMP") or kind == "DATE":
            return f"epoch_us(CAST({sql} AS TIMESTAMP))"
        raise SourceError(
            f"{self.label}: column {column!r} is {self.types[column]}, expected times for {purpose}; "
            "write ISO 8601, such as 2026-03-01T12:00:00Z."
        )

    def refuse_holes(self, columns: Iterable[str], time: str | None) -> None:
        """Refuses null in columns that say who, where and when, and times that cannot be read."""
        for column in columns:
            self.refuse(f"{quote(column)} IS NULL", column, "is empty", "remove those rows, or fill them in")
        if time:
            self.refuse_holes((time,), None)
        if time and self.type(time) in TEXTS:
            bad = f"{self.instant(time, 'the time')} IS NULL"
            self.refuse(bad, time, "is not a time", "write ISO 8601, such as 2026-03-01T12:00:00Z")

    def refuse(self, condition: str, column: str, problem: str, remedy: str) -> None:
        """Raises if any row fulfils `condition`."""
        if self.con.execute(f"SELECT count(*) FROM {quote(self.name)} WHERE {condition}").fetchall()[0][0]:
            raise self.fault(condition, column, problem, remedy)

    def fault(self, condition: str, column: str, problem: str, remedy: str) -> SourceError:
        """An error that says how many rows fulfil `condition`, and shows the first."""
        numbered = f"SELECT row_number() OVER () AS holdout_row, * FROM {quote(self.name)}"
        # A cursor, because a stream of batches may still be open.
        count, row, value = (
            self.con.cursor()
            .execute(
                f"SELECT count(*), min(holdout_row), arg_min_null({quote(column)}, holdout_row) "
                f"FROM ({numbered}) WHERE {condition}"
            )
            .fetchall()[0]
        )
        shown = "" if value is None else f", {value!r}"
        rows = "1 row" if count == 1 else f"{count} rows"
        return SourceError(f"{self.label}: column {column!r} {problem} in {rows} (first: row {row}{shown}); {remedy}.")

    def fetch(self, columns: dict[str, str]) -> Any:
        """An Arrow table of SQL expressions by name."""
        with translated(self.label):
            return self.con.sql(self._select(columns)).to_arrow_table()

    def stream(self, columns: dict[str, str], more: str = "") -> Iterator[Any]:
        """The same in record batches, in bounded memory; `more` follows FROM and this view."""
        with translated(self.label):
            yield from self.con.sql(f"{self._select(columns)} {more}").to_arrow_reader(BATCH)

    def _select(self, columns: dict[str, str]) -> str:
        return f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} FROM {quote(self.name)}"


@contextmanager
def translated(label: str) -> Iterator[None]:
    """Turns errors of DuckDB and Arrow into one SourceError that names the file."""
    import duckdb
    import pyarrow as pa

    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as wrong:
        # What DuckDB proposes after these words are options of its own reader.
        text = str(wrong).split("Possible ")[0]
        if "unicode" in text.lower() or "utf-8" in text.lower():
            raise SourceError(f"{label}: is not UTF-8 text; save the file as UTF-8.") from None
        raise SourceError(f"{label}: cannot be read: {' '.join(text.split())[:300]}") from None


class Files:
    """The files of an experiment in one DuckDB, which a context closes unless it was given.

    In a workspace the limits and the spill folder are those of its holdout.toml.
    """

    def __init__(self, workspace: "Workspace | None" = None, con: "DuckDBPyConnection | None" = None) -> None:
        import duckdb

        self.given = con is not None
        config: dict[str, Any] = {"memory_limit": "1GB"}
        spill = workspace.spill if workspace else None
        if workspace is not None:
            engine = workspace.settings.engine
            config = {"memory_limit": engine.memory_limit} | ({"threads": engine.threads} if engine.threads else {})
            workspace.spill.mkdir(parents=True, exist_ok=True)
        self.folder = tempfile.TemporaryDirectory(prefix="holdout-", dir=spill)
        # DuckDB itself and not Ibis: connecting through Ibis costs half as much CPU as scanning 20 million rows.
        self.con = con or duckdb.connect(config=config | {"temp_directory": self.folder.name})
        for scope in ("", "GLOBAL "):
            self.con.execute(f"SET {scope}TimeZone = 'UTC'")

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, *wrong: object) -> None:
        if not self.given:
            self.con.close()
        self.folder.cleanup()

    def open(self, path: Path, name: str, texts: tuple[str, ...] = (), query: str | None = None) -> Rows:
        """The rows of a file, shaped by `query` (over `source`) if there is one.

        Args:
            texts: columns of a CSV to keep as they are written, so that 007 is not 7.
        """
        source = self._scan(path, () if query else texts)
        with translated(str(path)):
            if query is None and not source.startswith("read_csv"):
                self.con.execute(f"CREATE VIEW {quote(name)} AS SELECT * FROM {source}")
            elif query is None:
                self.con.execute(f"CREATE TABLE {quote(name)} AS SELECT * FROM {source}")
        if query is not None:
            with translated(str(path)):
                self.con.execute(f"CREATE TABLE source AS SELECT * FROM {source}")
            with translated(f"{path}: query"):
                self.con.execute(f"CREATE TABLE {quote(name)} AS SELECT * FROM ({query.strip().rstrip(';')})")
        bare = (str(path),) if query is None and source.startswith("read_parquet") else ()
        rows = self.view(name, str(path), bare)
        if not self.con.execute(f"SELECT 1 FROM {quote(name)} LIMIT 1").fetchall():
            raise SourceError(
                f"{path}: has no rows{' after the query' if query else ''}, only columns {list(rows.types)}."
            )
        return rows

    def view(self, name: str, label: str, parquet: tuple[str, ...] = ()) -> Rows:
        """An existing view or table, which may show Parquet files as they are."""
        columns = self.con.execute(f"DESCRIBE {quote(name)}").fetchall()
        return Rows(self.con, name, label, {column[0]: column[1] for column in columns}, parquet)

    def _scan(self, path: Path, texts: tuple[str, ...]) -> str:
        """The table function that reads `path`."""
        if not path.exists():
            raise SourceError(f"{path}: there is no such file; check the path in [source].")
        if path.is_dir():
            raise SourceError(f"{path}: is a folder, expected a CSV or Parquet file.")
        with path.open("rb") as file:
            head = file.read(4)
        if not head:
            raise SourceError(f"{path}: is empty, expected CSV or Parquet.")
        if head == b"PAR1":
            return f"read_parquet({literal(path)})"
        if path.suffix in (".parquet", ".pq"):
            raise SourceError(
                f"{path}: is not a Parquet file, whatever its name says; write it again, or name it .csv."
            )
        if head[:2] == b"\x1f\x8b" and path.suffix != ".gz":
            raise SourceError(f"{path}: is compressed by gzip; name it {path.name}.gz, or unpack it.")
        if head == b"PK\x03\x04":
            return self._csv(self._unzipped(path), path, texts)
        return self._csv(path, path, texts)

    def _csv(self, path: Path, shown: Path, texts: tuple[str, ...]) -> str:
        """Reads a CSV with types found from all its rows, or says which line is wrong."""
        import duckdb

        names, delimiter = _header(path, shown)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SourceError(f"{shown}: has two columns called {twice[0]!r}; give each its own name.")
        options = f"{literal(path)}, header = true, delim = {literal(delimiter)}, quote = '\"', escape = '\"'"
        kept = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names if name in texts)
        types = f", types = {{{kept}}}" if kept else ""
        source = f"read_csv({options}, skip = 0, comment = '', sample_size = -1{types})"
        try:
            self.con.execute(f"DESCRIBE SELECT * FROM {source}")
        except duckdb.Error:
            columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
            with translated(str(shown)):
                plain = f"read_csv({options}, auto_detect = false, columns = {{{columns}}})"
                self.con.execute(f"SELECT count(COLUMNS(*)) FROM {plain}").fetchall()
                raise
        return source

    def _unzipped(self, path: Path) -> Path:
        try:
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if n.lower().endswith(".csv") and not n.startswith("__MACOSX")]
                if "xl/workbook.xml" in archive.namelist():
                    raise SourceError(f"{path}: is an Excel workbook; save its sheet as CSV (UTF-8).")
                if len(names) != 1:
                    raise SourceError(f"{path}: holds {len(names)} CSV files ({', '.join(names)}), expected one.")
                return Path(archive.extract(names[0], self.folder.name))
        except zipfile.BadZipFile:
            raise SourceError(f"{path}: is not a whole zip file; fetch it again.") from None


def _header(path: Path, shown: Path) -> tuple[list[str], str]:
    """Column names of a CSV, and what separates them."""
    unpacked = gzip.open if path.suffix == ".gz" else open
    try:
        with unpacked(path, "rt", encoding="utf-8-sig", newline="") as file:
            line = file.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SourceError(f"{shown}: is not UTF-8 text; save the file as UTF-8.") from None
    except (OSError, EOFError):
        raise SourceError(f"{shown}: is not a whole gzip file; fetch it again.") from None
    delimiter = max(",;\t|", key=line.count)
    return next(csv.reader([line], delimiter=delimiter), []), delimiter
