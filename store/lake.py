"""The lake: fact tables in Delta format, appended exactly once, read as they are or as they were."""

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from store.check import check, column_problem
from store.contract import known_tables, load_contract
from store.disk import sync_file, sync_folder
from store.errors import LakeError, did_you_mean, one_line

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend
    from ibis.expr.types import Table

ROWS_PER_GROUP = 131_072
# Files that are smaller, in bytes, are joined once there are so many of them.
SMALL, MANY = 32_000_000, 100
ATTEMPTS = 60
QUARANTINE = "quarantine"
QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("table", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("attempt", pa.int64(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("line", pa.int64()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.string(), nullable=False),
    ]
)
# deltalake 1.6.6 fails on these or writes elsewhere; * and ? are patterns to DuckDB.
UNSAFE = set("%[]^|\\*?")
# Saved looks are recomputed on the facts as they were, for ever: no log entry may expire.
CONFIGURATION = {"delta.enableExpiredLogCleanup": "false", "delta.logRetentionDuration": "interval 36500 days"}


class TableMoved(Exception):
    """Another commit came between; what was computed from the older version must be computed again."""


@dataclass
class Part:
    """Rows on their way into a table: a Parquet file that no reader sees before its commit."""

    table: str
    file: Path
    schema: pa.Schema
    rows: int = 0
    committed: bool = False
    _waiting: list[pa.RecordBatch] = field(default_factory=list)

    @cached_property
    def _writer(self) -> pq.ParquetWriter:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        return pq.ParquetWriter(self.file, self.schema, compression="zstd", compression_level=1)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; memory holds at most one row group."""
        if not len(batch):
            return
        self._waiting.append(batch)
        self.rows += len(batch)
        if sum(map(len, self._waiting)) >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        if self._waiting:
            self._flush()
        if "_writer" in self.__dict__:
            self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._waiting), row_group_size=ROWS_PER_GROUP)
        self._waiting.clear()


class Lake:
    """All fact tables of a workspace, one Delta table a folder, and the quarantine."""

    def __init__(
        self,
        path: Path,
        connect: "Callable[[], Backend] | None" = None,
        versions: Mapping[str, int] | None = None,
    ) -> None:
        strange = sorted(UNSAFE & set(str(path)))
        if strange:
            raise LakeError(
                f"the lake's path {path} holds {strange[0]!r}, which Delta cannot address. Move or rename it."
            )
        self.path = path
        self._connect = connect
        self._versions = versions
        self._local = threading.local()

    def append(self, table: str, data: pa.Table | pa.RecordBatchReader, *, source: str) -> int:
        """Append all rows of `data` in one commit, exactly once for each `source`.

        Returns:
            The number of rows, or 0 if this source is in the table already. Keys are not compared with
            rows that are there; `store.import_files` does that.

        Raises:
            LakeError: if a row breaks the contract; then nothing is appended.
        """
        contract = load_contract(table)
        if self._versions is not None:
            raise LakeError(f"{table}: this is the lake as it was; open the workspace again to append.")
        if self.landed(table, source) is not None:
            return 0
        problem = column_problem(dict(zip(data.schema.names, data.schema.types, strict=True)), contract)
        unknown = [name for name in data.schema.names if name not in contract.names]
        if unknown:
            problem = f"has the column {unknown[0]!r}, {table} has not.{did_you_mean(unknown[0], contract.names)}"
        if problem:
            raise LakeError(f"{source!r} {problem} Nothing was appended to {table}.")
        with self.part(table) as part:
            for batch in data.to_batches() if isinstance(data, pa.Table) else data:
                checked = check(batch, contract)
                for index, problem in checked.problems.items():
                    raise LakeError(
                        f"{table}: row {part.rows + index + 1} of {source!r} breaks the contract. {problem}; "
                        f"found {batch.slice(index, 1).to_pylist()[0]}. Nothing was appended."
                    )
                part.write(checked.good)
            return part.rows if self.commit(part, source) else 0

    def version(self, table: str) -> int | None:
        """The newest version of a table, None if it was never written."""
        delta = self._delta(table)
        return None if delta is None else delta.version()

    def versions(self) -> dict[str, int]:
        """The newest version of each fact table that exists: what to store with a look."""
        found = {table: self.version(table) for table in known_tables()}
        return {table: version for table, version in found.items() if version is not None}

    def files(self, table: str, version: int | None = None) -> list[str]:
        """The Parquet files that are the table, now or at a version; empty if it has no rows."""
        delta = self._delta(table, version)
        return [] if delta is None else [unquote(uri) for uri in delta.file_uris()]

    def table(self, table: str, version: int | None = None) -> "Table":
        """The table as an Ibis expression on this thread's engine, now or as it was at a version.

        `quarantine` shows the bad rows of those imports that were completed.
        """
        import ibis

        engine, files = self._engine(), self.files(table, version)
        schema = self._schema(table)
        if not files:
            return engine.create_table(f"empty_{uuid4().hex}", schema=ibis.Schema.from_pyarrow(schema), temp=True)
        rows = engine.read_parquet(files, union_by_name=True)
        # A column that the contract gained later is null in files from before.
        types = ibis.Schema.from_pyarrow(schema)
        rows = rows.mutate(**{name: ibis.null(types[name]) for name in types if name not in rows.columns})
        rows = rows.select(schema.names)
        return self._completed(rows) if table == QUARANTINE else rows

    def landed(self, table: str, source: str) -> int | None:
        """The attempt with which `source` came into the table, None if it is not in."""
        delta = self._delta(table)
        return None if delta is None else delta.transaction_version(source)

    @contextmanager
    def part(self, table: str) -> Iterator[Part]:
        """A part to write rows to and to commit; its file is removed if it was not committed."""
        part = Part(table, self.path / table / f"part-{uuid4().hex}.parquet", self._schema(table))
        try:
            yield part
        finally:
            # A commit may land and still raise, or be interrupted after it: only the table knows.
            if not part.committed and part.file.exists() and not self._owns(part):
                part.close()
                part.file.unlink()

    def commit(self, part: Part, source: str, *, attempt: int = 1, after: int | None = None) -> bool:
        """Make the part's rows visible, all at once, unless `source` is in the table already.

        Args:
            attempt: a number kept with `source`; see `landed`.
            after: the version that the part was made for; None appends to any.

        Returns:
            True if the rows are in through this call, False if they were in before.

        Raises:
            TableMoved: if the table is not at version `after` any more.
        """
        part.close()
        _force(part)
        properties = CommitProperties(
            app_transactions=[Transaction(source, attempt)], max_commit_retries=None if after is None else 0
        )
        for tries in range(ATTEMPTS):
            delta = self._delta(part.table) or self._created(part.table)
            if delta.transaction_version(source) is not None:
                return False
            if after is not None and delta.version() != after:
                raise TableMoved
            try:
                _add_new_columns(delta, part)
                delta.create_write_transaction(_adds(part), "append", delta.schema(), commit_properties=properties)
            except CommitFailedError:
                time.sleep(random.uniform(0, 0.02 * (tries + 1)))
            except DeltaError as error:
                raise LakeError(
                    f"{part.table}: the commit failed. {one_line(error)}. Doing it again is safe."
                ) from error
            else:
                part.committed = True
                return True
        raise LakeError(f"{part.table}: {ATTEMPTS} tries to commit met other writers. Nothing was appended; try again.")

    def join_small(self, table: str, *, many: int = MANY) -> int:
        """Write small files of the table together as one, if there are `many`: each costs every reader its opening.

        The rows stay as they are, and so do the versions of before. The largest is left out as long as it is larger
        than the others together: so a row is written again only when its file at least doubles.

        Returns:
            How many files became one; 0 if there are fewer, or another writer came between.
        """
        delta = self._delta(table)
        small = [] if delta is None else _small(delta)
        if delta is None or len(small) < many:
            return 0
        with self.part(table) as part:
            for path, _ in small:
                for batch in pq.ParquetFile(self.path / table / path).iter_batches(ROWS_PER_GROUP):
                    part.write(_with_columns(batch, part.schema))
            part.close()
            now = int(time.time() * 1000)
            removed = [RemoveAction(path, False, now, size, {}) for path, size in small]
            _force(part)
            _add_new_columns(delta, part)
            try:
                delta.create_write_transaction(
                    [*removed, *_adds(part, changes=False)],
                    "append",
                    delta.schema(),
                    # A second try would be on another version, whose files these may not be.
                    commit_properties=CommitProperties(max_commit_retries=0),
                )
            except CommitFailedError:
                return 0
            except DeltaError as error:
                raise LakeError(f"{table}: its small files were not joined. {one_line(error)}.") from error
            part.committed = True
        return len(small)

    def _owns(self, part: Part) -> bool:
        delta = self._delta(part.table)
        return delta is not None and any(uri.endswith(part.file.name) for uri in delta.file_uris())

    def _delta(self, table: str, version: int | None = None) -> DeltaTable | None:
        self._schema(table)
        folder = self.path / table
        if version is None and self._versions is not None:
            if table not in self._versions:
                return None
            version = self._versions[table]
        if not DeltaTable.is_deltatable(str(folder)):
            return None
        try:
            return DeltaTable(folder, version=version)
        except DeltaError as error:
            newest = DeltaTable(folder).version()
            raise LakeError(
                f"{table}: version {version} cannot be read; there are 0 to {newest}. ({one_line(error)})"
            ) from None

    def _created(self, table: str) -> DeltaTable:
        """The table, made empty if need be; of two that make it at once one wins and both read the same."""
        (self.path / table).mkdir(parents=True, exist_ok=True)
        try:
            return DeltaTable.create(self.path / table, self._schema(table), mode="ignore", configuration=CONFIGURATION)
        except DeltaError:
            return DeltaTable(self.path / table)

    def _schema(self, table: str) -> pa.Schema:
        return QUARANTINE_SCHEMA if table == QUARANTINE else load_contract(table).schema

    def _completed(self, rows: "Table") -> "Table":
        """Bad rows are written before the good ones: until those are in, the import did not happen."""
        import ibis

        batch = ["table", "digest", "attempt"]
        begun = rows.select(batch).distinct().to_pyarrow()
        done = [self.landed(each["table"], each["digest"]) == each["attempt"] for each in begun.to_pylist()]
        return rows.semi_join(ibis.memtable(begun.filter(pa.array(done, pa.bool_()))), batch)

    def _engine(self) -> "Backend":
        if not hasattr(self._local, "engine"):
            from store.engine import connect

            self._local.engine = (self._connect or connect)()
        return self._local.engine


def _add_new_columns(delta: DeltaTable, part: Part) -> None:
    """Give the table the columns that its contract gained since it was made; older rows have null there."""
    there = {each.name: each.type for each in delta.schema().fields}
    wanted = Schema.from_arrow(part.schema).fields
    for each in wanted:
        if each.type != there.get(each.name, each.type):
            differ = f"is {there[each.name]} in the lake, {each.type} in the contract"
            raise LakeError(f"{part.table}: the column {each.name!r} {differ}. Give the new column another name.")
    new = [Field(each.name, each.type, nullable=True) for each in wanted if each.name not in there]
    if new:
        delta.alter.add_columns(new)


def _adds(part: Part, *, changes: bool = True) -> list[AddAction | RemoveAction]:
    if not part.rows:
        return []
    stats = json.dumps({"numRecords": part.rows})
    size, now = os.path.getsize(part.file), int(time.time() * 1000)
    return [AddAction(part.file.name, size, {}, now, changes, stats)]


def _force(part: Part) -> None:
    """Onto the disk before its commit can get there: a commit that names a file which is lost ends all reading."""
    if not part.file.exists():
        return
    try:
        sync_file(part.file)
        sync_folder(part.file.parent)
    except OSError as error:
        raise LakeError(f"{part.table}: the disk refused {part.file.name}: {error}. Nothing was appended.") from None


def _small(delta: DeltaTable) -> list[tuple[str, int]]:
    """Files of the table to be joined, oldest first, and their sizes in bytes; see `Lake.join_small`."""
    actions = delta.get_add_actions(flatten=True)
    columns = [actions.column(name).to_pylist() for name in ("size_bytes", "modification_time", "path")]
    small = sorted(file for file in zip(*columns, strict=True) if file[0] < SMALL)
    while len(small) > 2 and small[-1][0] > sum(size for size, *_ in small[:-1]):
        small.pop()
    return [(path, size) for size, _, path in sorted(small, key=lambda file: file[1:])]


def _with_columns(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """With null in columns that the contract gained after the batch was written."""
    columns = [
        batch.column(each.name) if each.name in batch.schema.names else pa.nulls(len(batch), each.type)
        for each in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
