"""Where the items' own vectors begin: near to the items that the same people act on."""

import numpy as np
from numpy.typing import NDArray

from recsys.interactions import Interactions

# Length of what the acts say of an item at the start, and of the noise added to it: measured in docs/encoder.md.
LENGTH, NOISE = 0.8, 0.03


def spectral_vectors(data: Interactions, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The best low-rank picture of who acted on what, float32 (items, width); noise alone for untouched items.

    Item factors of the matrix with each act divided by the roots of its user's and its item's acts, times the root of
    the singular values. Source: Shen et al., CIKM 2021 (GF-CF), equations 5 and 9: its low-pass filter has the same
    factors.
    """
    noise = (NOISE * rng.standard_normal((len(data.items), width))).astype(np.float32)
    acts = data.matrix()
    rank = min(width, min(acts.shape) - 1)
    if rank < 1 or not acts.nnz:
        return noise
    factors = _factors(data, rank, rng)
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    unit = np.divide(factors, lengths, out=np.zeros_like(factors), where=lengths > 1e-6)
    noise[:, :rank] += (LENGTH * unit).astype(np.float32)
    return noise


def _factors(data: Interactions, rank: int, rng: np.random.Generator) -> NDArray[np.float64]:
    from scipy.sparse.linalg import svds

    acts = data.matrix().astype(np.float64)
    rows, columns = (np.maximum(np.asarray(acts.sum(axis=axis)).ravel(), 1) for axis in (1, 0))
    acts.data /= np.sqrt(np.repeat(rows, np.diff(acts.indptr)) * columns[acts.indices])
    _, sizes, items = svds(acts, k=rank, v0=rng.random(min(acts.shape)), return_singular_vectors="vh")
    # A factor's sign is arbitrary: the largest entry is made positive, so that every machine has the same.
    items *= np.sign(items[np.arange(rank), np.abs(items).argmax(axis=1)])[:, None]
    factors: NDArray[np.float64] = items.T * np.sqrt(sizes)
    return factors
