"""EASE: each item predicted from all others by ridge regression, in closed form."""

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import HeadError
from recsys.heads.algebra import signals
from recsys.heads.head import Context, Head
from recsys.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PENALTY = 100.0
# The inverse takes 4 bytes a cell: 20,000 of the smaller side are 1.6 GB.
LARGEST = 20_000


class Ease(Head, name="ease", random=False):
    """Scores X B with B = I − P / diag(P), P = (XᵀX + λI)⁻¹.

    Source: Steck, WWW 2019, equation 8. With fewer users than items the same B comes from the smaller matrix
    K = (XXᵀ + λI)⁻¹: X P = K X and diag(P) = (1 − diag(XᵀKX)) / λ.
    """

    def __init__(self, penalty: float = PENALTY) -> None:
        self.penalty = penalty

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        self._history = signals(data, context.target, others=0.3).tocsr()
        users, items = self._history.shape
        if min(users, items) > LARGEST:
            raise HeadError(f"ease: {users:,} users and {items:,} items; it takes at most {LARGEST:,} of one of them.")
        self._by_item: NDArray[np.float32] | None = None
        (self._fit_users if users <= items else self._fit_items)()
        return self

    def _fit_users(self) -> None:
        kernel = _inverse(self._history @ self._history.T, self.penalty)
        self._smooth = kernel @ self._history
        self._diagonal = (1 - np.asarray(self._history.multiply(self._smooth).sum(axis=0))) / self.penalty

    def _fit_items(self) -> None:
        precision = _inverse(self._history.T @ self._history, self.penalty)
        weights = precision / -np.diag(precision)
        np.fill_diagonal(weights, 0)
        self._by_item = weights.astype(np.float32)

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        if self._by_item is not None:
            return np.asarray(self._history[users] @ self._by_item, np.float32)
        dense = self._history[users].toarray()
        return np.asarray(dense - self._smooth[users] / self._diagonal, np.float32)


def _inverse(gram: "csr_array", penalty: float) -> NDArray[np.float32]:
    """Of gram + penalty I, by its Cholesky factor; shape of gram."""
    from scipy.linalg import lapack

    dense = np.asarray(gram.toarray(), np.float32, order="F")
    np.fill_diagonal(dense, dense.diagonal() + np.float32(penalty))
    factor, failed = lapack.spotrf(dense, overwrite_a=True)
    inverse, failed_too = lapack.spotri(factor, overwrite_c=True)
    if failed or failed_too:
        raise HeadError(f"ease: the matrix with penalty {penalty} has no inverse; take a larger penalty.")
    upper = np.triu(inverse, 1)
    whole: NDArray[np.float32] = upper + upper.T + np.diag(inverse.diagonal())
    return whole
