"""What the engine retrieves with: the linear heads and the encoder, one sum, the share of each by validation."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.heads.choice import quality, sample
from recsys.heads.head import Context, Head
from recsys.heads.linear import Linear, standard
from recsys.heads.sequence import Held, Sequence
from recsys.interactions import Interactions

# Of the encoder; the linear part has the rest. The ends let either serve alone.
SHARES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)
# Where there is nothing to choose by.
SHARE = 0.5


class Hybrid(Head, name="hybrid", linear=False):
    """Scores of `linear` and of `sequence`, each with mean 0 and deviation 1 over a user's items, added in the shares
    that have the best NDCG@20 on validation acts."""

    def __init__(self) -> None:
        self.share = SHARE

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        self._linear = Linear().fit(data, context, rng)
        self._sequence = Sequence().fit(data, context, rng)
        if context.validation is not None:
            self.share = self._choose(data, context)
        return self

    def refit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        self._linear.refit(data, context, rng)
        self._sequence.refit(data, context, rng)
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        return _mixed(standard(self._linear.scores(users)), standard(self._sequence.scores(users)), self.share)

    def _choose(self, data: Interactions, context: Context) -> float:
        stage = sample(data, context)
        users = np.unique(stage.wanted.user)
        linear, sequence = (standard(part.scores(users)) for part in (self._linear, self._sequence))
        reached = {share: quality(Held(_mixed(linear, sequence, share), users), stage) for share in SHARES}
        best = max(SHARES, key=lambda share: reached[share])
        context.progress(f"hybrid: validation NDCG@20 by the encoder's share {reached}, taken: {best}")
        return best


def _mixed(linear: NDArray[np.float32], sequence: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    return np.float32(1 - share) * linear + np.float32(share) * sequence
