"""The graph of friends: who can pass something on to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.metric import Array
from analysis.variables import Variable

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Graph:
    """Friendships among units 0 … n - 1, without direction; `pairs` has shape (m, 2), each pair once."""

    n: int
    pairs: Ints

    @classmethod
    def of(cls, n: int, one: Ints, other: Ints) -> Graph:
        """The graph of these pairs of units, whichever way round and however often; nobody befriends himself."""
        low, high = np.minimum(one, other).astype(np.int64), np.maximum(one, other).astype(np.int64)
        distinct = np.unique(low[low < high] * n + high[low < high])
        return cls(n, np.stack([distinct // max(n, 1), distinct % max(n, 1)], axis=-1))

    @property
    def directed(self) -> tuple[Ints, Ints]:
        """Every friendship from both ends: units and their friends, shape (2m,), sorted by unit."""
        unit = np.concatenate([self.pairs[:, 0], self.pairs[:, 1]])
        order = np.argsort(unit, kind="stable")
        return unit[order], np.concatenate([self.pairs[:, 1], self.pairs[:, 0]])[order]

    @property
    def degree(self) -> Ints:
        """Friends of each unit, shape (n,)."""
        return np.bincount(self.pairs.ravel(), minlength=self.n)

    def share_inside(self, community: NDArray[Any]) -> float:
        """Share of the friendships whose two ends are in one community; nan without any."""
        if not len(self.pairs):
            return float("nan")
        return float((community[self.pairs[:, 0]] == community[self.pairs[:, 1]]).mean())


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The units of the last look and their friends: what effects among friends need, and Moments do not hold.

    Attributes:
        community: of each unit, shape (n,); None where nobody found them yet among so many friendships.
        arm: index of each unit's arm, 0 for control, shape (n,).
        values: by variable, after caps, shape (n,).
    """

    graph: Graph
    community: Ints | None
    arm: NDArray[np.int32]
    values: Mapping[Variable, Array]
