"""Imports files into the lake: bad rows to the quarantine, the others to the table, all of a file or none."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from store.check import check, column_problem
from store.contract import Contract, load_contract
from store.errors import IngestError, LakeError, one_line
from store.formats import BadRow, Batch, Source, digest, open_source
from store.keys import Duplicates, find_duplicates
from store.lake import ATTEMPTS, QUARANTINE, QUARANTINE_SCHEMA, TableMoved
from store.workspace import Workspace

Progress = Callable[[Path, int], None]
NO_DUPLICATES = Duplicates(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file; `reasons` counts the quarantined rows, `first` says where each reason is met first."""

    file: Path
    rows: int = 0
    quarantined: int = 0
    already_imported: bool = False
    reasons: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def summary(self) -> str:
        if self.already_imported:
            return f"{self.file}: already imported, nothing changed"
        lines = [f"{self.file}: {self.rows:,} rows imported, {self.quarantined:,} quarantined"]
        lines += [f"  {count:,} x {why}, first in {self.first[why]}" for why, count in self.reasons.items()]
        lines += [f"  columns not in the contract, ignored: {', '.join(self.ignored)}"] if self.ignored else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the files of one import, in their order."""

    table: str
    files: tuple[FileReport, ...]
    quarantine: Path

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.files)

    @property
    def quarantined(self) -> int:
        return sum(each.quarantined for each in self.files)

    def summary(self) -> str:
        """Lines for a person: how many rows came into the table, how many did not, why, and where those are."""
        lines = [each.summary() for each in self.files]
        if len(self.files) > 1:
            lines.append(f"{self.table}: {self.rows:,} rows imported, {self.quarantined:,} quarantined")
        if self.quarantined:
            lines.append(f"Bad rows are in the table {QUARANTINE!r} ({self.quarantine}) with file, row and reason.")
        return "\n".join(lines)


def import_files(
    workspace: Workspace, table: str, files: Iterable[Path | str], progress: Progress | None = None
) -> ImportReport:
    """Import CSV, Parquet, JSON lines and Arrow files into a fact table, each file exactly once.

    The content of a file is its identity: the same content again changes nothing, under any name. A row that
    breaks the contract goes to the quarantine, and so does one whose key is on an earlier row of the file or in
    the table: the first row stands, since facts known before an exposure must not change after it. Rows of a
    file become visible all at once; an import that was killed is completed by doing it again.

    Args:
        progress: called with the file and the number of its rows read so far.

    Raises:
        ContractError: if the table is not known.
        IngestError: if a file cannot be read or lacks a required column. All heads are read before
            anything is imported; a file that breaks further down leaves the files before it imported.
    """
    contract = load_contract(table)
    try:
        jobs = [_job(workspace, contract, Path(file)) for file in files]
        reports = [_import(job, progress or (lambda file, rows: None)) for job in jobs]
    except OSError as error:
        raise IngestError(f"the import into {table} stopped: {one_line(error)}. Doing it again is safe.") from error
    if not jobs:
        raise IngestError(f"no file to import into {table}. Name one or more.")
    return ImportReport(table, tuple(reports), workspace.lake.path / QUARANTINE)


@dataclass(frozen=True, slots=True)
class _Job:
    workspace: Workspace
    contract: Contract
    file: Path
    source: Source
    ignored: tuple[str, ...]


def _job(workspace: Workspace, contract: Contract, file: Path) -> _Job:
    source = open_source(file)
    try:
        found = source.columns()
    except UnicodeDecodeError:
        digest(file)  # Names the byte and the line.
        raise
    problem = column_problem(found, contract)
    if problem:
        marks = [mark for mark in ";\t|" if len(found) == 1 and mark in next(iter(found))]
        hint = f" It looks separated by {marks[0]!r}: export it with commas." if marks else ""
        raise IngestError(f"{file} {problem}{hint}")
    return _Job(workspace, contract, file, source, tuple(name for name in found if name not in contract.names))


def _import(job: _Job, progress: Progress) -> FileReport:
    lake, table, before = job.workspace.lake, job.contract.name, _stamp(job.file)
    sha = digest(job.file)
    for _ in range(ATTEMPTS):
        if lake.landed(table, sha) is not None:
            return FileReport(job.file, already_imported=True)
        # Keys are compared with one version of the table: the commit holds only if that is still the newest.
        after = (lake.version(table) or 0) if job.contract.key else None
        try:
            return _attempt(job, sha, before, after, progress)
        except TableMoved:
            continue
    raise LakeError(f"{job.file}: {table} was changed by other writers {ATTEMPTS} times. Import it again.")


def _attempt(job: _Job, sha: str, before: tuple[int, int], after: int | None, progress: Progress) -> FileReport:
    lake, table = job.workspace.lake, job.contract.name
    attempt = 1 if after is None else after + 1
    duplicates = NO_DUPLICATES if after is None else _duplicates(job, after)
    reasons, first = Counter[str](), dict[str, str]()
    with lake.part(table) as good, lake.part(QUARANTINE) as bad:
        for batch in job.source.batches():
            kept, rejected = _split(batch, job.contract, duplicates)
            good.write(kept)
            bad.write(_quarantined(rejected, table, job.file, sha, attempt))
            for row in rejected:
                reasons[row.reason] += 1
                first.setdefault(row.reason, f"line {row.line}" if row.line else f"row {row.row}")
            progress(job.file, good.rows + bad.rows)
        if not good.rows and not bad.rows:
            raise IngestError(f"{job.file} has no rows, only columns. Nothing was imported.")
        if _stamp(job.file) != before:
            raise IngestError(f"{job.file} changed while it was read. Nothing was imported; try again.")
        # The order matters: the quarantine counts only once the good rows are in, see Lake.table.
        if bad.rows:
            lake.commit(bad, f"{table}:{sha}:{attempt}")
        if not lake.commit(good, sha, attempt=attempt, after=after):
            return FileReport(job.file, already_imported=True)
        return FileReport(job.file, good.rows, bad.rows, reasons=dict(reasons), first=first, ignored=job.ignored)


def _duplicates(job: _Job, version: int) -> Duplicates:
    def keys() -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        for batch in job.source.batches():
            checked = check(batch.data, job.contract)
            yield checked.good, batch.rows[checked.ok]

    lake, table = job.workspace.lake, job.contract.name
    existing = [] if lake.version(table) is None else lake.files(table, version)
    engine, scratch = job.workspace.connect(), job.workspace.spill
    return find_duplicates(keys(), job.contract, existing=existing, engine=engine, scratch=scratch)


def _split(batch: Batch, contract: Contract, duplicates: Duplicates) -> tuple[pa.RecordBatch, list[BadRow]]:
    checked = check(batch.data, contract)
    problems, good, rows = dict(checked.problems), checked.good, batch.rows[checked.ok]
    repeated = duplicates.problems(rows, contract)
    if repeated:
        keep = np.ones(len(good), dtype=bool)
        keep[list(repeated)] = False
        good = good.filter(pa.array(keep))
        at = np.flatnonzero(checked.ok)
        problems |= {int(at[index]): problem for index, problem in repeated.items()}
    indices = sorted(problems)
    raws = batch.data.take(pa.array(indices, pa.int64())).to_pylist()
    rejected = [
        BadRow(
            row=int(batch.rows[index]),
            line=None if batch.lines is None else int(batch.lines[index]),
            reason=problems[index],
            raw=json.dumps(raw, default=str, ensure_ascii=False),
        )
        for index, raw in zip(indices, raws, strict=True)
    ]
    return good, sorted([*rejected, *batch.broken], key=lambda row: row.row)


def _quarantined(rows: list[BadRow], table: str, file: Path, sha: str, attempt: int) -> pa.RecordBatch:
    batch = {"table": table, "file": str(file), "digest": sha, "attempt": attempt}
    return pa.RecordBatch.from_pylist(
        [{**batch, "row": each.row, "line": each.line, "reason": each.reason, "raw": each.raw} for each in rows],
        schema=QUARANTINE_SCHEMA,
    )


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
