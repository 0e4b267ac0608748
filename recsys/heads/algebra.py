"""Sparse matrices that several heads share."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def signals(data: Interactions, target: str | None, others: float = 0.0) -> "csr_array":
    """1 where a user did the target action with an item, `others` where only another; float32, (users, items).

    With no target every action counts as 1.
    """
    if target is None:
        return data.matrix()
    is_target = data.are(target)
    matrix = data.keep(is_target).matrix()
    if others:
        matrix = matrix.maximum(data.keep(~is_target).matrix() * np.float32(others))
    return matrix


def scaled(matrix: "csr_array", rows: NDArray[np.float32], columns: NDArray[np.float32]) -> "csr_array":
    """Row i times rows[i], column j times columns[j]."""
    scaled_ = matrix.copy()
    scaled_.data *= np.repeat(rows, np.diff(matrix.indptr)) * columns[matrix.indices]
    return scaled_


def power(sums: NDArray[np.floating], exponent: float) -> NDArray[np.float32]:
    """sums ** exponent, 0 where the sum is 0."""
    with np.errstate(divide="ignore"):
        return np.where(sums > 0, np.asarray(sums, np.float64) ** exponent, 0.0).astype(np.float32)


def strongest(matrix: "csr_array", count: int) -> "csr_array":
    """Only the `count` largest entries of each row."""
    from scipy.sparse import csr_array

    order = np.lexsort((-matrix.data, np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))))
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    keep = np.zeros(matrix.nnz, bool)
    keep[order[place < count]] = True
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[keep]
    return csr_array((matrix.data[keep], (row, matrix.indices[keep])), shape=matrix.shape)


def smoothest(graph: "csr_array", count: int) -> NDArray[np.float32]:
    """The right singular vectors of the `count` largest singular values, shape (count or fewer, columns).

    Always the same ones: the search starts from a fixed vector.
    """
    from scipy.sparse.linalg import svds

    start = np.random.default_rng(0).normal(size=min(graph.shape)).astype(np.float32)
    _, _, directions = svds(graph, k=max(1, min(count, min(graph.shape) - 1)), v0=start)
    return np.asarray(directions, np.float32)
