"""Readers of files, one module a format: all give the rows in batches, numbered, with bounded memory."""

import hashlib
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from store.errors import IngestError

# Arrow reads 32 blocks of CSV ahead, so this bounds memory at 64 MiB for them.
BLOCK = 2 << 20
ROWS = 65_536
FORMATS = {
    ".csv": "delimited",
    ".parquet": "columnar",
    ".arrow": "columnar",
    ".feather": "columnar",
    ".ipc": "columnar",
    ".jsonl": "lines",
    ".ndjson": "lines",
}
TEXT = {"delimited", "lines"}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that stays out: its number from 1, its line in a text file, why, and the row as JSON or text."""

    row: int
    line: int | None
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as they are in the file, their numbers and lines (shape: rows), and rows that are not even rows."""

    data: pa.RecordBatch
    rows: np.ndarray
    lines: np.ndarray | None = None
    broken: tuple[BadRow, ...] = ()


class Source(Protocol):
    """A file that can be read from its start as often as wanted."""

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of the columns, from the head of the file."""

    def batches(self) -> Iterator[Batch]:
        """All rows in order."""


def open_source(path: Path) -> Source:
    """The reader for a file, by its extension.

    Raises:
        IngestError: if there is no such file, it is empty, or no reader knows its extension.
    """
    if not path.exists():
        raise IngestError(f"{path}: no such file. Check the path; relative paths start from {Path.cwd()}.")
    if not path.is_file():
        raise IngestError(f"{path} is a folder, expected a file. Name the files in it, such as {path}/*.csv.")
    if path.suffix.lower() not in FORMATS:
        found = f"extension {path.suffix!r}" if path.suffix else "a name without extension"
        raise IngestError(f"{path}: {found}, expected one of {', '.join(FORMATS)}. Convert or rename the file.")
    if not path.stat().st_size:
        raise IngestError(f"{path} is empty (0 bytes), expected rows. Export it again.")
    source: Source = import_module(f"store.formats.{FORMATS[path.suffix.lower()]}").File(path)
    return source


def digest(path: Path) -> str:
    """SHA-256 of the content; on the way the text formats are checked to be UTF-8.

    Raises:
        IngestError: naming the first byte, and its line, that is not UTF-8.
    """
    sha, line, offset, tail = hashlib.sha256(), 1, 0, 0
    text = FORMATS[path.suffix.lower()] in TEXT
    decoder = getincrementaldecoder("utf-8")()
    with open(path, "rb") as file:
        while True:
            block = file.read(BLOCK)
            sha.update(block)
            try:
                if text:
                    tail = len(decoder.getstate()[0])
                    decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                start = error.start - tail
                line += block[: max(start, 0)].count(b"\n")
                raise IngestError(_not_utf8(path, line, offset + start, error.object[error.start])) from None
            if not block:
                return sha.hexdigest()
            line, offset = line + block.count(b"\n"), offset + len(block)


def _not_utf8(path: Path, line: int, offset: int, byte: int) -> str:
    hint = "It looks like UTF-16. " if offset < 2 and byte in (0xFE, 0xFF) else ""
    return (
        f"{path} is not UTF-8: byte 0x{byte:02x} at offset {offset}, line {line}. {hint}"
        f"Convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`."
    )
