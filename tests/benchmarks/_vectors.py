"""Unit vectors as trained models have them, and the true nearest of each query, kept on disk between runs."""

from pathlib import Path

import numpy as np

DIMENSIONS, CLUSTERS, QUERIES, K = 64, 2_000, 500, 100
# How far vectors lie from their cluster's centre, in the centres' own spread.
SPREADS = {"overlapping": 1.0, "separate": 0.6}


def vectors(folder: Path, count: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items (mapped, shape (count, 64)), queries drawn alike, shape (500, 64), and the places of the 100 nearest."""
    name = f"vectors-{kind}-{count}"
    files = [folder / f"{name}.{part}.npy" for part in ("items", "queries", "nearest")]
    if not all(file.exists() for file in files):
        folder.mkdir(parents=True, exist_ok=True)
        items, queries = _draw(count, SPREADS[kind], np.random.default_rng(7))
        for file, array in zip(files, (items, queries, _nearest(items, queries)), strict=True):
            np.save(file, array)
    items, queries, nearest = (np.load(file, mmap_mode="r") for file in files)
    return items, np.array(queries), np.array(nearest)


def recall(found: np.ndarray, nearest: np.ndarray) -> float:
    """The share of the true nearest that were found."""
    return float(np.mean([np.isin(true, some).mean() for true, some in zip(nearest, found, strict=True)]))


def _draw(count: int, spread: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of unlike sizes, variances that decay over the dimensions, length 1."""
    spectrum = np.arange(1, DIMENSIONS + 1) ** -0.5
    centres = rng.standard_normal((CLUSTERS, DIMENSIONS)) * spectrum
    weights = (np.arange(CLUSTERS) + 10.0) ** -0.8
    drawn = np.empty((count + QUERIES, DIMENSIONS), np.float32)
    for start in range(0, len(drawn), 100_000):
        part = drawn[start : start + 100_000]
        which = rng.choice(CLUSTERS, len(part), p=weights / weights.sum())
        part[:] = centres[which] + spread * rng.standard_normal(part.shape) * spectrum
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return drawn[:count], drawn[count:]


def _nearest(items: np.ndarray, queries: np.ndarray) -> np.ndarray:
    places = np.empty((len(queries), K), np.int64)
    for start in range(0, len(queries), 20):
        scores = queries[start : start + 20] @ items.T
        top = np.argpartition(scores, -K, axis=1)[:, -K:]
        places[start : start + 20] = top
    return places
