"""The index of items: one writer, any number of readers, every change visible to the next search."""

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.retrieval.contents import Bulk, Contents
from recsys.retrieval.files import read, write

EXACT_UP_TO = 250_000
# The share of changed items from which the bulk is built anew, and the number below which it is not worth it.
REBUILD_AT, REBUILD_FROM = 0.05, 1_000
UNIT = 1e-3


class Index:
    """The items nearest to a vector by inner product of unit vectors; `Index.build` makes one, `Index.load` reads one.

    Changes are made by one thread at a time. A search sees all of a change or nothing of it. New items lie in a
    buffer that is searched exactly, items that were removed are left out by a mask. When both together are REBUILD_FROM
    and REBUILD_AT of the index, the bulk is built anew: at once where it is exact, in a thread of its own where not.
    """

    def __init__(self, contents: Contents, exact_up_to: int = EXACT_UP_TO) -> None:
        self._contents, self._exact_up_to = contents, exact_up_to
        self._writing, self._building = threading.RLock(), threading.Lock()
        self._thread: threading.Thread | None = None

    @classmethod
    def build(
        cls, ids: NDArray[np.integer], vectors: NDArray[np.floating], *, exact_up_to: int = EXACT_UP_TO
    ) -> "Index":
        """An index of these items.

        Args:
            ids: places of items in their catalogue, each once, at least 0, shape (items,).
            vectors: of length 1, shape (items, dimensions); not copied if ids are in order, so leave them as they are.
            exact_up_to: with more items than this the search is approximate.

        Raises:
            DataError: if ids repeat or are negative, or a vector is not of length 1 or has another shape.
        """
        places, unit = _checked(ids, vectors)
        return cls(Contents.of(Bulk.build(places, unit, exact=len(places) <= exact_up_to)), exact_up_to)

    @classmethod
    def load(cls, folder: Path | str) -> "Index":
        """The index that `save` wrote; vectors of an approximate one stay on disk, memory-mapped.

        Raises:
            ModelError: if there is none, or a file of it is missing or of another version.
        """
        contents, exact_up_to = read(Path(folder))
        return cls(contents, exact_up_to)

    def save(self, folder: Path | str) -> None:
        """Write the index; a kill leaves the one that was there before or all of the new one."""
        write(Path(folder), self._contents, self._exact_up_to)

    def __len__(self) -> int:
        return self._contents.size

    @property
    def exact(self) -> bool:
        """True where a search compares every vector."""
        return self._contents.bulk.exact

    @property
    def changed(self) -> float:
        """The share of new and removed items, of all that the index holds."""
        return self._contents.changes / max(self._contents.size, 1)

    def search(
        self, queries: NDArray[np.floating], k: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The nearest items of each query, nearest first, of equal ones the lesser id first.

        Args:
            queries: shape (queries, dimensions) or (dimensions,).
            allowed: True for each item that may be found, by its id; ids past its end may not. None allows all.

        Returns:
            Ids, shape (queries, k), -1 where there are fewer; and inner products, -inf there.

        Raises:
            DataError: if the queries have other dimensions, or hold what is not a finite number; or k is below 1.
        """
        contents = self._contents
        queries = np.atleast_2d(np.ascontiguousarray(queries, np.float32))
        if queries.shape[1:] != contents.fresh.shape[1:] or not np.isfinite(queries).all():
            wanted = f"(queries, {contents.fresh.shape[1]}) of finite numbers"
            raise DataError(f"the queries have shape {queries.shape} or are not finite; {wanted} are expected.")
        if k < 1:
            raise DataError(f"k == {k}, must be at least 1.")
        return contents.search(queries, k, allowed)

    def add(self, ids: NDArray[np.integer], vectors: NDArray[np.floating]) -> None:
        """Add items, or replace the vectors of items that are there; the next search finds them.

        Raises:
            DataError: as `build` does, or if the vectors have other dimensions; then nothing was added.
        """
        places, unit = _checked(ids, vectors)
        if vectors.shape[1:] != self._contents.fresh.shape[1:]:
            raise DataError(
                f"the vectors have shape {vectors.shape}, the index has {self._contents.fresh.shape[1]} numbers."
            )
        with self._writing:
            self._contents = self._contents.with_items(places, unit)
        self._rebuild_if_due()

    def remove(self, ids: NDArray[np.integer]) -> int:
        """Remove items; the next search does not find them. Ids that are not there are passed over.

        Returns:
            How many were there.
        """
        with self._writing:
            before = self._contents.size
            self._contents = self._contents.without(np.asarray(ids, np.int64))
            removed = before - self._contents.size
        self._rebuild_if_due()
        return removed

    def rebuild(self) -> None:
        """Build the bulk anew from the items that are there now; searches and changes go on meanwhile."""
        with self._building:
            before = self._contents
            ids, vectors = before.items()
            bulk = Bulk.build(ids, vectors, exact=len(ids) <= self._exact_up_to)
            with self._writing:
                self._contents = self._contents.moved_to(bulk, since=before)

    def wait(self) -> None:
        """Until no rebuild is under way."""
        if thread := self._thread:
            thread.join()

    def _rebuild_if_due(self) -> None:
        contents = self._contents
        if contents.changes < REBUILD_FROM or self.changed < REBUILD_AT:
            return
        if contents.size <= self._exact_up_to:
            self.rebuild()
        elif self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self.rebuild, name="index-rebuild", daemon=True)
            self._thread.start()


def _checked(
    given_ids: NDArray[np.integer], given: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    ids, vectors = np.array(given_ids, np.int64), np.ascontiguousarray(given, np.float32)
    if ids.ndim != 1 or vectors.ndim != 2 or len(ids) != len(vectors):
        raise DataError(
            f"ids have shape {ids.shape} and vectors {vectors.shape}; (n,) and (n, dimensions) are expected."
        )
    if len(ids) and ids.min() < 0:
        raise DataError(f"id {ids.min()} is negative; ids are places in a catalogue, at least 0.")
    if len(np.unique(ids)) != len(ids):
        values, counts = np.unique(ids, return_counts=True)
        raise DataError(f"id {values[counts > 1][0]} is there more than once; give each item one vector.")
    length = np.einsum("ij,ij->i", vectors, vectors)
    wrong = np.flatnonzero(~(np.abs(length - 1) <= 2 * UNIT))
    if len(wrong):
        shown = f"{np.sqrt(length[wrong[0]]):.4g}"
        raise DataError(f"the vector of id {ids[wrong[0]]} has length {shown}, must be 1. Divide each by its length.")
    return ids, vectors
