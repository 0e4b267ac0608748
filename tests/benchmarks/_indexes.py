"""One index in a process of its own: built, searched query by query on one thread, and weighed.

python -m tests.benchmarks._indexes DIR COUNT KIND NAME   prints one JSON object
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recsys.retrieval import Index
from tests.benchmarks._vectors import K, recall, vectors

Search = Callable[[np.ndarray], np.ndarray]
SETTINGS = {
    "faiss Flat": ("Flat", [""]),
    "faiss IVF, Flat": ("IVF{lists},Flat", ["nprobe=64", "nprobe=128", "nprobe=256"]),
    "faiss IVF, SQ8": ("IVF{lists},SQ8", ["nprobe=256"]),
    "faiss IVF, PQ32x4fs, RFlat": ("IVF{lists},PQ32x4fs,RFlat", ["nprobe=256,k_factor_rf=20"]),
    "faiss HNSW16": ("HNSW16", ["efSearch=200", "efSearch=400", "efSearch=800"]),
    "faiss HNSW32": ("HNSW32", ["efSearch=200", "efSearch=400"]),
}
HNSWLIB = "hnswlib M16"
OURS, BUILD = "Index", "build"


def memory() -> tuple[float, float]:
    """Megabytes of this process that are its own, and those that are files mapped into it."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(said[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))


def timed(search: Search, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is found, and the CPU milliseconds of each query alone; twenty before them are not counted."""
    for query in queries[:20]:
        search(query[None])
    found, spent = [], []
    for query in queries:
        before = time.process_time()
        found.append(search(query[None])[0])
        spent.append((time.process_time() - before) * 1e3)
    return np.array(found), np.array(spent)


def row(name: str, setting: str, found: np.ndarray, spent: np.ndarray, nearest: np.ndarray) -> dict[str, Any]:
    mean, middle, p99 = spent.mean(), np.median(spent), np.percentile(spent, 99)
    shown = {"mean_ms": mean, "p50_ms": middle, "p99_ms": p99}
    return {"index": name, "setting": setting, "recall": recall(found, nearest), **shown}


def of_faiss(name: str, items: np.ndarray, queries: np.ndarray, nearest: np.ndarray) -> list[dict[str, Any]]:
    import faiss

    faiss.omp_set_num_threads(1)
    factory, settings = SETTINGS[name]
    lists = 1 << round(np.log2(4 * np.sqrt(len(items))))
    own, begun = memory()[0], time.process_time()
    index = faiss.index_factory(items.shape[1], factory.format(lists=lists), faiss.METRIC_INNER_PRODUCT)
    if name.startswith("faiss HNSW"):
        index.hnsw.efConstruction = 120
    index.train(np.array(items[np.sort(np.random.default_rng(0).permutation(len(items))[: 50 * lists])]))
    for start in range(0, len(items), 100_000):
        index.add(np.array(items[start : start + 100_000]))
    built, weight = time.process_time() - begun, memory()[0] - own
    rows = []
    for setting in settings:
        if setting:
            faiss.ParameterSpace().set_index_parameters(index, setting)
        found, spent = timed(lambda query: index.search(query, K)[1], queries)
        rows.append(row(name, setting, found, spent, nearest) | {"build_s": built, "own_mb": weight, "mapped_mb": 0})
    return rows


def of_hnswlib(items: np.ndarray, queries: np.ndarray, nearest: np.ndarray) -> list[dict[str, Any]]:
    import hnswlib

    own, begun = memory()[0], time.process_time()
    index = hnswlib.Index("ip", items.shape[1])
    index.init_index(len(items), ef_construction=120, M=16)
    index.add_items(items, num_threads=1)
    built, weight = time.process_time() - begun, memory()[0] - own
    rows = []
    for ef in (200, 400, 800):
        index.set_ef(ef)
        found, spent = timed(lambda query: index.knn_query(query, K, num_threads=1)[0], queries)
        about = {"build_s": built, "own_mb": weight, "mapped_mb": 0}
        rows.append(row(HNSWLIB, f"ef={ef}", found.astype(np.int64), spent, nearest) | about)
    return rows


def of_ours(items: np.ndarray, queries: np.ndarray, nearest: np.ndarray) -> list[dict[str, Any]]:
    """Built by another process; as a server has it, loaded from disk; then while it changes."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "tests.benchmarks._indexes", *sys.argv[1:4], BUILD, folder]
        built = float(subprocess.run(build, capture_output=True, text=True, check=True).stdout)
        before = memory()
        index = Index.load(folder)
        found, spent = timed(lambda query: index.search(query, K)[0], queries)
        own, mapped = (now - then for now, then in zip(memory(), before, strict=True))
        about = {"build_s": built, "own_mb": own, "mapped_mb": mapped}
        rows = [row(OURS, "loaded from disk", found, spent, nearest) | about]
        rng = np.random.default_rng(1)
        for share in (0.5, 0.1, 0.01):
            may = rng.random(len(items)) < share
            true = _nearest_of(items, queries[:100], may)
            found, spent = timed(lambda query, may=may: index.search(query, K, allowed=may)[0], queries[:100])
            rows.append(row(OURS, f"{share:.0%} of the items allowed", found, spent, true))
        return rows + _changing(index, items, queries, nearest)


def build(items: np.ndarray, folder: str) -> None:
    """Saves our index; prints its CPU seconds."""
    begun = time.process_time()
    Index.build(np.arange(len(items)), items).save(folder)
    print(time.process_time() - begun)


def _nearest_of(items: np.ndarray, queries: np.ndarray, may: np.ndarray) -> np.ndarray:
    places = np.flatnonzero(may)
    chosen = items[places]
    return np.array([places[np.argpartition(-(chosen @ query), K)[:K]] for query in queries])


def _changing(index: Index, items: np.ndarray, queries: np.ndarray, nearest: np.ndarray) -> list[dict[str, Any]]:
    """4.9 % of the items added anew, one by one at first: the longest wait for a change, and searches after it."""
    waits, rng = [], np.random.default_rng(2)
    for place in rng.permutation(len(items))[:200]:
        begun = time.perf_counter()
        index.remove(np.array([place]))
        gone = place not in index.search(items[place], 1)[0]
        index.add(np.array([place]), items[place : place + 1])
        there = index.search(items[place], 1)[0][0, 0] == place
        waits.append((time.perf_counter() - begun) * 1e3)
        if not (gone and there):
            raise SystemExit(f"item {place}: a change was not seen by the next search")
    some = rng.permutation(len(items))[: int(0.02 * len(items))]
    index.add(some, items[np.sort(some)][np.argsort(np.argsort(some))])
    found, spent = timed(lambda query: index.search(query, K)[0], queries)
    setting = f"{index.changed:.1%} changed; a removal and an addition, each seen: {max(waits):.1f} ms at most"
    return [row(OURS, setting, found, spent, nearest)]


def main() -> None:
    folder, count, kind, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    items, queries, nearest = vectors(folder, count, kind)
    if name == BUILD:
        return build(items, sys.argv[5])
    if name == OURS:
        rows = of_ours(items, queries, nearest)
    elif name == HNSWLIB:
        rows = of_hnswlib(items, queries, nearest)
    else:
        rows = of_faiss(name, items, queries, nearest)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
