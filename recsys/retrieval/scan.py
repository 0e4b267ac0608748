"""How the bulk of an index is searched: every vector, or the lists of vectors that lie near the query."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# Measured in tests/benchmarks/results/retrieval.md and serving_latency.md: the fewest lists with recall@100 above 0.985
# on a million vectors in overlapping clusters, also for people's vectors, which lie between clusters; and how many
# times more where only a share of the vectors is allowed: the share to this power.
LISTS_PER_ROOT = 4
SHARE_OF_LISTS = 0.07
MORE_LISTS = -0.3
MOST_LISTS = 16_384
POINTS_PER_LIST = 50
# Candidates are found among one-byte numbers and put in order by the vectors themselves: so many times
# as many, and some.
CANDIDATES, MORE_CANDIDATES = 1.25, 16
# Where no more than these are allowed all of them are compared.
ONE_BY_ONE = 20_000
# With this share allowed or more it is faster to search among all and to leave out afterwards (1.6 -> 0.8 ms).
FILTER_AFTER = 0.2


class Scan(Protocol):
    """Rows of the bulk in any order; -1 where there are fewer or where one is left out."""

    def rows(self, queries: NDArray[np.float32], k: int, alive: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """The nearest `k` or more rows of each query among those `alive` (at least one), shape (queries, k or more)."""
        ...


class Exact:
    """Every vector is compared."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._flat = library().IndexFlatIP(vectors.shape[1])
        self._flat.add(vectors)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors where they lie, so that they are in memory once, shape (rows, dimensions)."""
        n, d = self._flat.ntotal, self._flat.d
        if not n:
            return np.zeros((0, d), np.float32)
        found: NDArray[np.float32] = library().rev_swig_ptr(self._flat.get_xb(), n * d).reshape(n, d)
        return found

    def rows(self, queries: NDArray[np.float32], k: int, alive: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        found: NDArray[np.int64]
        if alive is not None and (share := np.count_nonzero(alive) / len(alive)) >= FILTER_AFTER:
            found = self._flat.search(queries, min(round(1.2 * k / share) + 16, len(alive)))[1]
            found = np.where(alive[found], found, -1)
            if np.count_nonzero(found >= 0, axis=1).min() >= min(k, np.count_nonzero(alive)):
                return found
        found = self._flat.search(queries, k, params=_parameters(alive, None))[1]
        return found


class Lists:
    """Vectors lie in lists around centres; the lists nearest to the query are compared, one byte a number."""

    def __init__(self, lists: Any) -> None:
        self.lists = lists
        self._probes = max(1, round(SHARE_OF_LISTS * lists.nlist))

    @classmethod
    def build(cls, vectors: NDArray[np.float32], seed: int = 0) -> "Lists":
        """Lists of about equal length, their centres found by k-means on a sample drawn with `seed`."""
        faiss = library()
        n, d = vectors.shape
        count = min(MOST_LISTS, 1 << round(np.log2(LISTS_PER_ROOT * np.sqrt(n))))
        lists = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(d), d, count, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        lists.cp.seed, lists.cp.max_points_per_centroid, lists.cp.min_points_per_centroid = seed + 1, POINTS_PER_LIST, 1
        # Centres of length 1, as the vectors are: else the lists that most queries go to are by far the longest.
        lists.cp.spherical = True
        sample = np.random.default_rng(seed).permutation(n)[: POINTS_PER_LIST * count]
        lists.train(np.ascontiguousarray(vectors[np.sort(sample)]))
        for start in range(0, n, 65_536):
            lists.add(np.ascontiguousarray(vectors[start : start + 65_536]))
        return cls(lists)

    def rows(self, queries: NDArray[np.float32], k: int, alive: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        there = self.lists.ntotal if alive is None else np.count_nonzero(alive)
        if there <= ONE_BY_ONE and alive is not None:
            return np.tile(np.flatnonzero(alive), (len(queries), 1))
        probes = min(self.lists.nlist, round(self._probes * (there / self.lists.ntotal) ** MORE_LISTS))
        wanted = min(round(CANDIDATES * k) + MORE_CANDIDATES, self.lists.ntotal)
        found: NDArray[np.int64] = self.lists.search(queries, wanted, params=_parameters(alive, probes))[1]
        if probes < self.lists.nlist and np.any(np.count_nonzero(found >= 0, axis=1) < min(k, there)):
            found = self.lists.search(queries, wanted, params=_parameters(alive, self.lists.nlist))[1]
        return found


def library() -> Any:
    """faiss, held to one thread: a server has a process a core."""
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss


def nearest(vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Rows of `vectors` nearest to each query, shape (queries, k); at least k vectors."""
    found: NDArray[np.int64] = library().knn(queries, vectors, k, metric=library().METRIC_INNER_PRODUCT)[1]
    return found


def _parameters(alive: NDArray[np.bool_] | None, probes: int | None) -> Any:
    faiss, given = library(), {}
    if alive is not None:
        given["sel"] = faiss.IDSelectorBitmap(np.packbits(alive, bitorder="little"))
    if probes is not None:
        return faiss.SearchParametersIVF(nprobe=probes, **given)
    return faiss.SearchParameters(**given) if given else None
