"""One change of a store on disk: written whole, then carried out; carrying it out twice is harmless."""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from recsys.errors import ModelError
from recsys.features.tables import Rows

# Changes are written by turns: while one file is overwritten the other holds the change before. Renaming a file over
# another one would do as well, but makes the file system wait for the disk (1.2 ms a change instead of 0.1).
FILES = ("commit.0", "commit.1")
FORMAT = 1
_PREFIX = 24


@dataclass(slots=True)
class Commit:
    """What a change leaves behind.

    Attributes:
        position: of the last batch of the journal that is in.
        number: of the change, one more than of the one before.
        sizes: rows in use, by table.
        texts: of each list of names how many bytes of its file count before, and the names that come behind.
        pending: acts whose time has not come, as rows of whole numbers.
        boot: names the machine's run: when it ends, what was not flushed may be lost.
        flushed: everything before was on the disk.
        blocks: by table, which rows become what.
    """

    position: int = -1
    number: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    texts: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    pending: list[list[int]] = field(default_factory=list)
    boot: str = ""
    flushed: bool = False
    blocks: dict[str, tuple[np.ndarray[Any, np.dtype[np.int64]], Rows]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Once its last byte is in the file the change counts as made."""
        header = {"format": FORMAT, "position": self.position, "number": self.number, "sizes": self.sizes}
        header |= {"texts": self.texts, "pending": self.pending, "boot": boot(), "flushed": self.flushed}
        header |= {"blocks": {name: len(rows) for name, (rows, _) in self.blocks.items()}}
        body = b"".join(rows.tobytes() + content.tobytes() for rows, content in self.blocks.values())
        said = json.dumps(header, ensure_ascii=True).encode() + b"\n" + body
        file = folder / FILES[self.number % 2]
        with open(file, "r+b" if file.exists() else "wb", buffering=0) as stream:
            stream.write(b"%08x%016x" % (zlib.crc32(said), len(said)) + said)
            if self.flushed:
                os.fsync(stream.fileno())

    @classmethod
    def read(cls, folder: Path, kinds: Mapping[str, np.dtype[Any]]) -> "Commit":
        """The last change that was written whole; an empty one if there was none.

        Raises:
            ModelError: if neither file is whole, or they are of another version.
        """
        found = [folder / name for name in FILES if (folder / name).exists()]
        whole = [said for file in found if (said := _whole(file.read_bytes())) is not None]
        # The first change of all may have been cut off; it is the only one that has no other beside it.
        if not whole and len(found) == 2:
            raise ModelError(f"the changes in {folder} are damaged. Delete it; it is built anew from the lake.")
        last = max((_read(said, kinds, folder) for said in whole), key=lambda each: each.number, default=cls())
        if last.number and not last.flushed and last.boot != boot():
            raise ModelError(
                f"the machine went down while {folder} was in use, so changes may be lost. Delete it; it is built anew "
                "from the lake."
            )
        return last


@cache
def boot() -> str:
    """Names the machine's run; "" where the system does not say."""
    file = Path("/proc/sys/kernel/random/boot_id")
    return file.read_text("ascii").strip() if file.exists() else ""


def _whole(content: bytes) -> bytes | None:
    try:
        check, length = int(content[:8], 16), int(content[8:_PREFIX], 16)
    except ValueError:
        return None
    said = content[_PREFIX : _PREFIX + length]
    return said if said and len(said) == length and zlib.crc32(said) == check else None


def _read(said: bytes, kinds: Mapping[str, np.dtype[Any]], folder: Path) -> Commit:
    end = said.index(b"\n") + 1
    header = json.loads(said[:end])
    if header["format"] != FORMAT:
        raise ModelError(f"{folder} has format {header['format']}, must be {FORMAT}. Delete it; it is built anew.")
    known = ("position", "number", "sizes", "texts", "pending", "boot", "flushed")
    commit = Commit(**{name: header[name] for name in known})
    for name, count in header["blocks"].items():
        middle, after = end + 8 * count, end + (8 + kinds[name].itemsize) * count
        rows = np.frombuffer(said[end:middle], np.int64)
        commit.blocks[name] = rows, np.frombuffer(said[middle:after], kinds[name])
        end = after
    return commit


def append_names(file: Path, offset: int, names: list[str]) -> int:
    """Write names behind the first `offset` bytes, in place of what follows there; returns the bytes that count now."""
    text = "".join(json.dumps(name) + "\n" for name in names).encode()
    with open(file, "r+b" if file.exists() else "w+b") as stream:
        stream.seek(offset)
        stream.write(text)
        stream.truncate()
    return offset + len(text)


def read_names(file: Path) -> tuple[list[str], int]:
    """The names of a file in order, and its length in bytes; none if there is no file."""
    if not file.exists():
        return [], 0
    text = file.read_bytes()
    return [json.loads(line) for line in text.splitlines()], len(text)
