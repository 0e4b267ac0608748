"""Graph filter: a user's items smoothed over the graph of items and users; nothing is learnt step by step."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.heads.algebra import power, scaled, signals, smoothest
from recsys.heads.head import Context, Head
from recsys.interactions import Interactions


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """How much busy users and popular items are held back, and how smooth the scores are.

    Attributes:
        reader: exponent of the number of users of an item that the user had.
        between: exponent of the number of items of a user who connects two items.
        scored: exponent of the number of users of an item that is scored.
        factors: of the low-pass part: that many of the graph's smoothest directions.
        low_pass: its weight beside the neighbours.
        others: how much an act that is not of the target action weighs.
    """

    reader: float = 0.5
    between: float = 0.65
    scored: float = 0.4
    factors: int = 256
    low_pass: float = 0.3
    others: float = 0.3


class GraphFilter(Head, name="graph_filter", random=False):
    """Two steps over the graph of users and items, plus the projection on its smoothest directions.

    Source: Shen et al., CIKM 2021 (GF-CF), which has exponents 0.5, 1, 0.5. Differs from it by: the exponents and the
    weight are settings; both were chosen on Gowalla's validation acts, where they raise recall@20 from 0.205 to 0.21.
    """

    def __init__(self, settings: GraphSettings = GraphSettings()) -> None:
        self.settings = settings

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        settings = self.settings
        self._history = signals(data, context.target, settings.others).tocsr()
        per_user = np.asarray(self._history.sum(axis=1))
        per_item = np.asarray(self._history.sum(axis=0))
        half = power(per_user, -settings.between / 2)
        read = scaled(self._history, half, power(per_item, -settings.reader))
        scored = scaled(self._history, half, power(per_item, -settings.scored))
        self._neighbours = (read.T @ scored).tocsr()
        symmetric = scaled(self._history, power(per_user, -0.5), power(per_item, -0.5))
        directions = smoothest(symmetric, settings.factors)
        self._into = power(per_item, -0.5)[:, None] * directions.T
        self._out = power(per_item, 0.5) * directions
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        history = self._history[users]
        near = np.asarray((history @ self._neighbours).toarray(), np.float32)
        near += np.float32(self.settings.low_pass) * ((history @ self._into) @ self._out)
        return near
