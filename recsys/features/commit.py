"""One change of a store on disk: written whole, renamed, then carried out; doing it twice is harmless."""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recsys.errors import ModelError
from recsys.features.tables import Rows

FILE = "commit"
FORMAT = 1


@dataclass(slots=True)
class Commit:
    """What a change leaves behind.

    Attributes:
        position: of the last batch of the journal that is in.
        sizes: rows in use, by table.
        texts: of each list of names how many bytes of its file count before, and the names that come behind.
        pending: acts whose time has not come, as rows of whole numbers.
        blocks: by table, which rows become what.
    """

    position: int = -1
    sizes: dict[str, int] = field(default_factory=dict)
    texts: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    pending: list[list[int]] = field(default_factory=list)
    blocks: dict[str, tuple[np.ndarray[Any, np.dtype[np.int64]], Rows]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """From the rename on the change counts as made."""
        header = {"format": FORMAT, "position": self.position, "sizes": self.sizes, "texts": self.texts}
        header |= {"pending": self.pending, "blocks": {name: len(rows) for name, (rows, _) in self.blocks.items()}}
        body = b"".join(rows.tobytes() + content.tobytes() for rows, content in self.blocks.values())
        line = json.dumps(header, ensure_ascii=True).encode() + b"\n"
        beside = folder / f"{FILE}.tmp"
        beside.write_bytes(b"%08x" % zlib.crc32(line + body) + line + body)
        os.replace(beside, folder / FILE)

    @classmethod
    def read(cls, folder: Path, kinds: Mapping[str, np.dtype[Any]]) -> "Commit":
        """The last change; an empty one where there was none.

        Raises:
            ModelError: if the file is damaged or of another version.
        """
        try:
            said = (folder / FILE).read_bytes()
        except FileNotFoundError:
            return cls()
        end = said.find(b"\n") + 1
        if end == 0 or said[:8] != b"%08x" % zlib.crc32(said[8:]):
            raise ModelError(f"{folder / FILE} is damaged. Delete {folder}; it is built anew from the lake.")
        header = json.loads(said[8:end])
        if header["format"] != FORMAT:
            raise ModelError(f"{folder} has format {header['format']}, must be {FORMAT}. Delete it; it is built anew.")
        commit = cls(header["position"], header["sizes"], header["texts"], header["pending"])
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
