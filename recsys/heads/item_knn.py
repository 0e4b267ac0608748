"""Item-kNN: a user is shown what is like the items that they had, by cosine of the items' users."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.heads.algebra import power, scaled, signals, strongest
from recsys.heads.head import Context, Head
from recsys.interactions import Interactions

NEIGHBOURS = 100


class ItemKnn(Head, name="item_knn", random=False):
    """Scores are the sum over the user's items of the cosine with each item's nearest neighbours.

    Acts other than the target count a third as much in the history; only the target's are counted as users of an item
    that is scored. Source: Deshpande and Karypis, ACM TOIS 2004, section 4.
    """

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        self._history = signals(data, context.target, others=1 / 3)
        aimed = signals(data, context.target)
        one = np.ones(self._history.shape[0], np.float32)
        left = scaled(self._history, one, power(self._history.multiply(self._history).sum(axis=0), -0.5))
        right = scaled(aimed, one, power(aimed.sum(axis=0), -0.5))
        likeness = (left.T @ right).tocsr()
        likeness.setdiag(0)
        likeness.eliminate_zeros()
        self._likeness = strongest(likeness, NEIGHBOURS)
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        return np.asarray((self._history[users] @ self._likeness).toarray(), np.float32)
