"""Rows of fixed size in memory-mapped files that grow, and keys that find them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows of numpy's structured types; mypy cannot see their fields.
Rows = NDArray[Any]
FIRST_ROOM = 1_024
BUCKET = 8
# Places for each key at least: with three, one bucket in a hundred is full and must be looked past.
ROOM = 3


class Table:
    """Rows of one type of whole 8-byte words, numbered from 0; `size` of them are in use, the file has room for more.

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
        # As whole words: numpy copies rows of numbers many times faster than rows of a structured type.
        words = self._kind.itemsize // 8
        self._words: NDArray[np.int64] = np.asarray(np.memmap(self._file, np.int64, "r+")).reshape(-1, words)

    def read(self, rows: NDArray[np.int64]) -> Rows:
        """Copies of these rows; zeros for those that are not in use."""
        inside = rows < self.size
        if inside.all():
            found: Rows = self._words.take(rows, axis=0).view(self._kind)[:, 0]
            return found
        found = np.zeros(len(rows), self._kind)
        found[inside] = self.read(rows[inside])
        return found

    def write(self, rows: NDArray[np.int64], content: Rows, size: int) -> None:
        """Put rows in place; `size` rows are in use after it."""
        self.size = size
        if size > len(self._words):
            self._map()
        self._words[rows] = np.ascontiguousarray(content).view(np.int64).reshape(len(rows), -1)

    def column(self, name: str) -> NDArray[Any]:
        """One field of all rows in use."""
        found: NDArray[Any] = self._words[: self.size].view(self._kind)[:, 0][name]
        return found

    def flush(self) -> None:
        """Through to the disk: on Linux the pages of a shared map are the file's own."""
        flush_file(self._file)


def flush_file(file: Path) -> None:
    """What was written to the file is on the disk; nothing where there is no file."""
    if file.exists():
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())


class Keyed:
    """A table whose rows are found by a number, their field `key`: a hash table in memory, built when it is opened.

    Row 0 is nobody's and stays zeros, so that what is not found reads as nothing. The hash table has buckets of eight
    keys, so that nearly every key is found in one look at the whole bucket.
    """

    def __init__(self, file: Path, kind: np.dtype[Any], size: int) -> None:
        self.table = Table(file, kind, max(size, 1))
        self._built(self.table.column("key"))

    def _built(self, keys: NDArray[np.uint64]) -> None:
        bits = max(7, int(ROOM * len(keys) // BUCKET).bit_length())
        self._shift, self._mask = np.uint64(64 - bits), (1 << bits) - 1
        self._keys = np.zeros((1 << bits, BUCKET), np.uint64)
        self._rows = np.zeros((1 << bits, BUCKET), np.int32)
        self._full = np.zeros(1 << bits, np.int8)
        self._put(keys[1:], np.arange(1, len(keys), dtype=np.int32))

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The row of each key, 0 where it is not there."""
        bucket = self._bucket(keys)
        row, left = self._look(keys, bucket)
        while len(left):
            bucket[left] = (bucket[left] + 1) & self._mask
            row[left], more = self._look(keys[left], bucket[left])
            left = left[more]
        return row

    def know(self, keys: NDArray[np.uint64], rows: NDArray[np.int64]) -> None:
        """From now on these keys, each new and once, are found in these rows, which are written already."""
        if ROOM * self.table.size > self._rows.size:
            self._built(self.table.column("key"))
        else:
            self._put(keys, rows.astype(np.int32))

    def _look(self, keys: NDArray[np.uint64], bucket: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """The row of each key in its bucket, 0 if it is not there; and which were not there while it is full."""
        hits = np.flatnonzero(self._keys.take(bucket, axis=0) == keys[:, None])
        which = hits // BUCKET
        row = np.zeros(len(keys), np.int64)
        row[which] = self._rows.ravel().take(bucket[which] * BUCKET + hits % BUCKET)
        full = self._full.take(bucket) == BUCKET
        return row, np.flatnonzero(full & (row == 0))

    def _bucket(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        # Fibonacci hashing: the upper bits of a product with 2**64 over the golden ratio.
        return ((keys * np.uint64(0x9E3779B97F4A7C15)) >> self._shift).astype(np.int64)

    def _put(self, keys: NDArray[np.uint64], rows: NDArray[np.int32]) -> None:
        bucket = self._bucket(keys)
        while len(keys):
            order = np.argsort(bucket, kind="stable")
            keys, rows, bucket = keys[order], rows[order], bucket[order]
            place = self._full[bucket] + np.arange(len(keys)) - np.searchsorted(bucket, bucket)
            fits = place < BUCKET
            self._keys[bucket[fits], place[fits]] = keys[fits]
            self._rows[bucket[fits], place[fits]] = rows[fits]
            np.add.at(self._full, bucket[fits], 1)
            keys, rows, bucket = keys[~fits], rows[~fits], (bucket[~fits] + 1) & self._mask
