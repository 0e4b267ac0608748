"""What the engine retrieves with: the linear heads and the encoder, one sum, the share of each by validation."""

import time
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.recipe import Recipe
from recsys.heads.choice import Held, quality, sample
from recsys.heads.head import Context, Head
from recsys.heads.linear import Linear, standard
from recsys.heads.sequence import RECIPE, Sequence
from recsys.interactions import Interactions

# Of the encoder; the linear part has the rest. The ends let either serve alone.
SHARES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)
# The power of the encoder's chances that is added up; 0 stands for the cosines themselves. Linear scores have a few
# items far above all others, as chances have; cosines have not, and beside linear scores they would not be heard.
POWERS = (0.0, 0.5, 1.0)
# Where there is nothing to choose by.
SHARE, POWER = 0.5, 0.5


class Hybrid(Head, name="hybrid", linear=False):
    """Scores of `linear` and of `sequence`, each with mean 0 and deviation 1 over a user's items, added in the shares
    that have the best NDCG@20 on validation acts."""

    def __init__(self, recipe: Recipe = RECIPE) -> None:
        self.recipe = recipe
        self.share, self.power = SHARE, POWER

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        begun = time.process_time()
        self._linear = Linear().fit(data, context, rng)
        self._sequence = Sequence(recipe=self.recipe).fit(data, _since(begun, context), rng)
        if context.validation is not None:
            self.share, self.power = self._choose(data, context)
        return self

    def refit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        begun = time.process_time()
        self._linear.refit(data, context, rng)
        self._sequence.refit(data, _since(begun, context), rng)
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        encoded = shaped(self._sequence.scores(users), self._sequence.heat, self.power)
        return _mixed(standard(self._linear.scores(users)), encoded, self.share)

    def _choose(self, data: Interactions, context: Context) -> tuple[float, float]:
        question = sample(data, context)
        users = np.unique(question.wanted.user)
        linear, cosines = standard(self._linear.scores(users)), self._sequence.scores(users)
        reached = {}
        for power in POWERS:
            encoded = shaped(cosines, self._sequence.heat, power)
            for share in SHARES:
                reached[share, power] = quality(Held(_mixed(linear, encoded, share), users), question)
        best = max(reached, key=lambda each: reached[each])
        context.progress(f"hybrid: encoder's share {best[0]}, power {best[1]}, validation NDCG@20 {reached[best]:.4f}")
        return best


def _since(begun: float, context: Context) -> Context:
    """With the CPU seconds that are left of those that there were when the clock stood at `begun`."""
    return replace(context, seconds=max(0.0, context.seconds - (time.process_time() - begun)))


def shaped(cosines: NDArray[np.float32], heat: float, power: float) -> NDArray[np.float32]:
    """The encoder's scores as they are added, each row with mean 0 and deviation 1: its chances to a power."""
    if not power:
        return standard(cosines)
    return standard(np.exp(np.float32(power * heat) * (cosines - cosines.max(axis=1, keepdims=True))))


def _mixed(linear: NDArray[np.float32], encoded: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    return np.float32(1 - share) * linear + np.float32(share) * encoded
