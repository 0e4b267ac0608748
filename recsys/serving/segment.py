"""A segment of the journal: one file of records, each framed by its length and checksum.

    header   8 bytes MAGIC, 16 bytes that are this segment's alone, so that no two segments are ever the same file
    record   4 bytes length n, 4 bytes CRC-32 of what follows, n bytes: one of kind and n - 1 of payload

Numbers are little-endian. A length of 0 is no record: a file system may leave zeros after a power cut, and the CRC-32
of nothing is 0.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from recsys.errors import EngineError

MAGIC = b"HOLDOUT\x01"
HEADER = len(MAGIC) + 16
FRAME = struct.Struct("<II")
LONGEST = 64 * 1024 * 1024


class JournalError(EngineError):
    """The journal cannot be written or read."""


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened; `kind` is a single byte and says how to read `payload`."""

    kind: bytes
    payload: bytes


def new_header() -> bytes:
    return MAGIC + uuid4().bytes


def frame(record: Record) -> bytes:
    """The record as it stands in a segment.

    Raises:
        JournalError: if it is longer than LONGEST.
    """
    body = record.kind + record.payload
    if len(body) > LONGEST:
        raise JournalError(f"a record of {len(body):,} bytes, at most {LONGEST:,} fit. Send fewer events at once.")
    return FRAME.pack(len(body), zlib.crc32(body)) + body


def whole(content: bytes) -> tuple[list[Record], int]:
    """The records up to the first that is torn or altered, and how many bytes they and the header take."""
    if len(content) < HEADER or not content.startswith(MAGIC):
        return [], 0
    records, place = [], HEADER
    for record, after in _frames(content):
        records.append(record)
        place = after
    return records, place


def _frames(content: bytes) -> Iterator[tuple[Record, int]]:
    place = HEADER
    while place + FRAME.size <= len(content):
        length, checksum = FRAME.unpack_from(content, place)
        body = content[place + FRAME.size : place + FRAME.size + length]
        if not 0 < length <= LONGEST or len(body) < length or zlib.crc32(body) != checksum:
            return
        place += FRAME.size + length
        yield Record(body[:1], body[1:]), place


def mend(file: Path) -> int:
    """Cut a torn tail off a segment that a kill left open, durably.

    What is cut is kept beside it as `.torn`: it was never acknowledged, but somebody may want to look.

    Returns:
        How many bytes were cut.
    """
    content = file.read_bytes()
    kept = whole(content)[1]
    if kept == len(content):
        return 0
    torn = file.with_suffix(".torn")
    torn.write_bytes(content[kept:])
    with file.open("r+b") as opened:
        opened.truncate(kept)
        os.fsync(opened.fileno())
    return len(content) - kept
