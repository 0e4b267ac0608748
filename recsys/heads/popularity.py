"""Popularity: the same ranking for everybody, by how many users acted on an item."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.heads.algebra import signals
from recsys.heads.head import Context, Head
from recsys.interactions import Interactions


class Popularity(Head, name="popularity", random=False):
    """Counts the users of an item under the target action; where there are groups, groups alone."""

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        acts = signals(data, context.target)
        if context.members is not None:
            acts = acts[np.asarray(context.members.sum(axis=1)) > 0]
        self._counts = np.asarray(acts.sum(axis=0), np.float32)
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        return np.tile(self._counts, (len(users), 1))
