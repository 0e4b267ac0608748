"""What an index holds at one moment: nothing in it changes, a change makes the next."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.retrieval.scan import Exact, Lists, Scan, nearest


@dataclass(frozen=True, slots=True)
class Bulk:
    """The items that were there when the index was built.

    Attributes:
        ids: in ascending order, int64, shape (rows,).
        vectors: shape (rows, dimensions).
        dense: True where ids are 0, 1, 2, ...: then a row is its id.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    scan: Scan
    dense: bool

    @classmethod
    def build(cls, ids: NDArray[np.int64], vectors: NDArray[np.float32], *, exact: bool) -> "Bulk":
        if np.any(ids[1:] <= ids[:-1]):
            order = np.argsort(ids)
            ids, vectors = ids[order], vectors[order]
        return cls.of(ids, vectors, None if exact else Lists.build(vectors))

    @classmethod
    def of(cls, ids: NDArray[np.int64], vectors: NDArray[np.float32], lists: Lists | None) -> "Bulk":
        """From rows in order of their ids; exact without lists."""
        dense = bool(len(ids) == 0 or ids[-1] == len(ids) - 1)
        if lists is not None:
            return cls(ids, vectors, lists, dense)
        exact = Exact(vectors)
        return cls(ids, exact.vectors, exact, dense)

    @property
    def exact(self) -> bool:
        return isinstance(self.scan, Exact)

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each id, -1 where it is not there."""
        if not len(self.ids):
            return np.full(len(ids), -1)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[rows] == ids, rows, -1)


@dataclass(frozen=True, slots=True)
class Contents:
    """The bulk, what was removed from it, and what is new.

    Attributes:
        alive: False for rows of the bulk that were removed or replaced; None while there are none.
        fresh, fresh_ids: vectors and ids of new items in order of arrival; room for more behind the first `count`.
        fresh_alive: False for new items that were removed or replaced since, shape (count,).
    """

    bulk: Bulk
    alive: NDArray[np.bool_] | None
    fresh: NDArray[np.float32]
    fresh_ids: NDArray[np.int64]
    fresh_alive: NDArray[np.bool_]

    @classmethod
    def of(cls, bulk: Bulk) -> "Contents":
        room = np.zeros((16, bulk.vectors.shape[1]), np.float32)
        return cls(bulk, None, room, np.zeros(16, np.int64), np.zeros(0, np.bool_))

    @property
    def count(self) -> int:
        return len(self.fresh_alive)

    @property
    def gone(self) -> int:
        """How many rows of the bulk were removed or replaced."""
        return 0 if self.alive is None else int(len(self.alive) - np.count_nonzero(self.alive))

    @property
    def size(self) -> int:
        return len(self.bulk.ids) - self.gone + int(np.count_nonzero(self.fresh_alive))

    @property
    def changes(self) -> int:
        return self.gone + self.count

    def items(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and vectors of all items that are there."""
        keep = slice(None) if self.alive is None else self.alive
        new, n = self.fresh_alive, self.count
        ids = np.concatenate([self.bulk.ids[keep], self.fresh_ids[:n][new]])
        return ids, np.concatenate([self.bulk.vectors[keep], self.fresh[:n][new]])

    def with_items(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> "Contents":
        """After these were added or replaced."""
        contents, n, more = self.without(ids), self.count, len(ids)
        fresh, fresh_ids = contents.fresh, contents.fresh_ids
        if n + more > len(fresh_ids):
            room = max(2 * len(fresh_ids), n + more)
            fresh, fresh_ids = np.zeros((room, fresh.shape[1]), np.float32), np.zeros(room, np.int64)
            fresh[:n], fresh_ids[:n] = contents.fresh[:n], contents.fresh_ids[:n]
        # Readers of earlier contents look at the first rows only, so that those behind may be written in place.
        fresh[n : n + more], fresh_ids[n : n + more] = vectors, ids
        alive = np.concatenate([contents.fresh_alive, np.ones(more, np.bool_)])
        return replace(contents, fresh=fresh, fresh_ids=fresh_ids, fresh_alive=alive)

    def without(self, ids: NDArray[np.int64]) -> "Contents":
        """After these were removed."""
        rows = self.bulk.rows_of(ids)
        rows, alive = rows[rows >= 0], self.alive
        if len(rows):
            alive = np.ones(len(self.bulk.ids), np.bool_) if alive is None else alive.copy()
            alive[rows] = False
        fresh_alive = self.fresh_alive & ~np.isin(self.fresh_ids[: self.count], ids)
        return replace(self, alive=alive, fresh_alive=fresh_alive)

    def moved_to(self, bulk: Bulk, since: "Contents") -> "Contents":
        """The same items over a bulk that was built from `since`, earlier contents of the same index."""
        now, n = self, since.count
        bulk_gone = now.bulk.ids[_died(since.alive, now.alive, len(now.bulk.ids))]
        fresh_gone = now.fresh_ids[:n][since.fresh_alive & ~now.fresh_alive[:n]]
        contents = Contents.of(bulk).without(np.concatenate([bulk_gone, fresh_gone]))
        later = np.flatnonzero(now.fresh_alive[n:]) + n
        return contents.with_items(now.fresh_ids[later], now.fresh[later])

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """As `Index.search` says."""
        ids = np.full((len(queries), k), -1)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = self._bulk_rows(queries, k, allowed)
        new, new_ids = self._fresh(allowed)
        # Of many new items only the nearest are put in order.
        near = nearest(new, queries, k) if len(new) > 4 * k else np.tile(np.arange(len(new)), (len(queries), 1))
        for q, query in enumerate(queries):
            found = rows[q][rows[q] >= 0]
            values = np.concatenate([self.bulk.vectors[found] @ query, new[near[q]] @ query])
            which = np.concatenate([self.bulk.ids[found], new_ids[near[q]]])
            if len(values) > 4 * k:
                top = np.flatnonzero(values >= np.partition(values, -k)[-k])
                values, which = values[top], which[top]
            order = np.lexsort((which, -values))[:k]
            ids[q, : len(order)], scores[q, : len(order)] = which[order], values[order]
        return ids, scores

    def _bulk_rows(self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        alive, n = self.alive, len(self.bulk.ids)
        if allowed is not None:
            may = _may(self.bulk.ids, allowed, dense=self.bulk.dense)
            alive = may if alive is None else may & alive
        if alive is not None and not alive.any():
            n = 0
        if not n:
            return np.zeros((len(queries), 0), np.int64)
        return self.bulk.scan.rows(queries, min(k, n), alive)

    def _fresh(self, allowed: NDArray[np.bool_] | None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """New items that may be found."""
        ids, alive = self.fresh_ids[: self.count], self.fresh_alive
        if allowed is not None:
            alive = alive & _may(ids, allowed, dense=False)
        if alive.all():
            return self.fresh[: self.count], ids
        return self.fresh[: self.count][alive], ids[alive]


def _may(ids: NDArray[np.int64], allowed: NDArray[np.bool_], *, dense: bool) -> NDArray[np.bool_]:
    if dense and len(allowed) >= len(ids):
        return allowed[: len(ids)]
    inside = ids < len(allowed)
    if inside.all():
        return allowed[ids]
    may = np.zeros(len(ids), np.bool_)
    may[inside] = allowed[ids[inside]]
    return may


def _died(before: NDArray[np.bool_] | None, now: NDArray[np.bool_] | None, n: int) -> NDArray[np.bool_]:
    """Rows that were alive before and are not now."""
    if now is None:
        return np.zeros(n, np.bool_)
    return ~now if before is None else before & ~now
