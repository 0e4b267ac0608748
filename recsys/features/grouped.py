"""Acts in order of group and time, in which those of one group before a time are a stretch found by bisection."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.interactions import ACTIONS


@dataclass(frozen=True, slots=True)
class Clock:
    """The distinct times of all acts, ascending: a time's rank is how many of them are before it."""

    times: NDArray[np.int64]

    @classmethod
    def of(cls, times: NDArray[np.int64]) -> "Clock":
        return cls(np.unique(times))

    def rank(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many distinct times lie strictly before each of these."""
        return np.searchsorted(self.times, time)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Acts of groups, sorted.

    Attributes:
        groups: the distinct groups that have acts, ascending.
        keys: place of the group times (distinct times + 1) plus the rank of the time, ascending, shape (acts,).
        time: of each act, shape (acts,).
        summed: how many acts of each action lie before a place in this order, shape (acts + 1, actions).
        ranks: distinct times + 1.
    """

    groups: NDArray[np.int64]
    keys: NDArray[np.int64]
    time: NDArray[np.int64]
    summed: NDArray[np.int32]
    ranks: int

    @classmethod
    def of(cls, clock: Clock, group: NDArray[np.int64], time: NDArray[np.int64], action: NDArray[np.int8]) -> "Grouped":
        groups, place = np.unique(group, return_inverse=True)
        ranks = len(clock.times) + 1
        key = place * ranks + clock.rank(time)
        order = np.argsort(key, kind="stable")
        summed = np.zeros((len(group) + 1, len(ACTIONS)), np.int32)
        for kind in range(len(ACTIONS)):
            np.cumsum(action[order] == kind, out=summed[1:, kind])
        return cls(groups, key[order], time[order], summed, ranks)

    def span(self, group: NDArray[np.int64], rank: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the acts of each group before the time of this rank lie: from the first place to before the second."""
        place = np.searchsorted(self.groups, group)
        there = place < len(self.groups)
        there[there] = self.groups[place[there]] == group[there]
        low = np.searchsorted(self.keys, place * self.ranks)
        high = np.searchsorted(self.keys, place * self.ranks + rank)
        return low, np.where(there, high, low)

    def until(self, group: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
        """The second of `span` for groups that are there; anything for others."""
        return np.searchsorted(self.keys, np.searchsorted(self.groups, group) * self.ranks + rank)

    def counts(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
        """Acts by action in each stretch, shape (rows, actions)."""
        return (self.summed[high] - self.summed[np.minimum(low, high)]).astype(np.int64)
