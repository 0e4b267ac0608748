"""Rows of fixed size in memory-mapped files that grow, and keys that find them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows of numpy's structured types; mypy cannot see their fields.
Rows = NDArray[Any]
FIRST_ROOM = 1_024


class Table:
    """Rows of one type, numbered from 0; `size` of them are in use, the file has room for more.

    Nothing is lost when the process is killed; after a power failure the file may hold any part of the last changes.
    """

    def __init__(self, file: Path, kind: np.dtype[Any], size: int) -> None:
        self._file, self._kind, self.size = file, kind, size
        self._map()

    def _map(self) -> None:
        room = max(self.size, FIRST_ROOM)
        there = self._file.stat().st_size // self._kind.itemsize if self._file.exists() else 0
        if there < room:
            # Room that was never written takes no space on disk.
            with open(self._file, "ab") as file:
                file.truncate(max(room, 2 * there) * self._kind.itemsize)
        self._rows = np.memmap(self._file, self._kind, "r+")

    def read(self, rows: NDArray[np.int64]) -> Rows:
        """Copies of these rows; zeros for those that are not in use."""
        inside = rows < self.size
        if inside.all():
            found: Rows = np.asarray(self._rows)[rows]
            return found
        found = np.zeros(len(rows), self._kind)
        found[inside] = np.asarray(self._rows)[rows[inside]]
        return found

    def write(self, rows: NDArray[np.int64], content: Rows, size: int) -> None:
        """Put rows in place; `size` rows are in use after it."""
        self.size = size
        if size > len(self._rows):
            self._map()
        self._rows[rows] = content

    def column(self, name: str) -> NDArray[Any]:
        """One field of all rows in use."""
        found: NDArray[Any] = np.asarray(self._rows)[name][: self.size]
        return found

    def flush(self) -> None:
        self._rows.flush()
        with open(self._file, "rb") as file:
            os.fsync(file.fileno())


class Keyed:
    """A table whose rows are found by a number, their field `key`: open addressing in memory, built when it is opened.

    Row 0 is nobody's and stays zeros, so that what is not found reads as nothing.
    """

    def __init__(self, file: Path, kind: np.dtype[Any], size: int) -> None:
        self.table = Table(file, kind, max(size, 1))
        self._built(self.table.column("key"))

    def _built(self, keys: NDArray[np.uint64]) -> None:
        bits = max(10, int(2 * len(keys)).bit_length())
        self._shift, self._mask = np.uint64(64 - bits), np.uint64((1 << bits) - 1)
        self._slots = np.zeros(1 << bits, np.int32)
        self._keys = np.zeros(1 << bits, np.uint64)
        self._put(keys[1:], np.arange(1, len(keys), dtype=np.int32))

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The row of each key, 0 where it is not there."""
        slot = self._slot(keys)
        row = self._slots[slot]
        open_ = np.flatnonzero((self._keys[slot] != keys) & (row > 0))
        while len(open_):
            slot[open_] = (slot[open_] + np.uint64(1)) & self._mask
            row[open_] = self._slots[slot[open_]]
            open_ = open_[(self._keys[slot[open_]] != keys[open_]) & (row[open_] > 0)]
        return row.astype(np.int64)

    def know(self, keys: NDArray[np.uint64], rows: NDArray[np.int64]) -> None:
        """From now on these keys, each new and once, are found in these rows, which are written already."""
        if 2 * self.table.size > len(self._slots):
            self._built(self.table.column("key"))
        else:
            self._put(keys, rows.astype(np.int32))

    def _slot(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        # Fibonacci hashing: the upper bits of a product with 2**64 over the golden ratio.
        slot: NDArray[np.uint64] = (keys * np.uint64(0x9E3779B97F4A7C15)) >> self._shift
        return slot

    def _put(self, keys: NDArray[np.uint64], rows: NDArray[np.int32]) -> None:
        slot, left = self._slot(keys), np.arange(len(keys))
        while len(left):
            at = slot[left]
            free = left[self._slots[at] == 0]
            self._slots[slot[free]] = rows[free]
            # Of several that want one slot the last has it.
            won = free[self._slots[slot[free]] == rows[free]]
            self._keys[slot[won]] = keys[won]
            placed = self._slots[slot[left]] == rows[left]
            left = left[~placed]
            slot[left] = (slot[left] + np.uint64(1)) & self._mask
