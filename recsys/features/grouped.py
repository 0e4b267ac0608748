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
        return places(self.times, time)


def places(ascending: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """`np.searchsorted`, asked in ascending order: with millions of both that is several times as fast."""
    order = np.argsort(wanted)
    found = np.empty(len(wanted), np.int64)
    found[order] = np.searchsorted(ascending, wanted[order])
    return found


@dataclass(frozen=True, slots=True)
class Grouped:
    """Acts of groups, sorted.

    Attributes:
        groups: the distinct groups that have acts, ascending.
        first: where the acts of each group begin, shape (groups + 1,).
        keys: place of the group times (distinct times + 1) plus the rank of the time, ascending, shape (acts,).
        time: of each act, shape (acts,).
        summed: how many acts of each action lie before a place in this order, shape (acts + 1, actions).
        ranks: distinct times + 1.
    """

    groups: NDArray[np.int64]
    first: NDArray[np.int64]
    keys: NDArray[np.int64]
    time: NDArray[np.int64]
    summed: NDArray[np.int32]
    ranks: int

    @classmethod
    def of(cls, clock: Clock, group: NDArray[np.int64], rank: NDArray[np.int64], action: NDArray[np.int8]) -> "Grouped":
        """Acts, each of a group at the time of a rank."""
        groups, place = np.unique(group, return_inverse=True)
        ranks = len(clock.times) + 1
        key = place * ranks + rank
        order = np.argsort(key, kind="stable")
        summed = np.zeros((len(group) + 1, len(ACTIONS)), np.int32)
        for kind in range(len(ACTIONS)):
            np.cumsum(action[order] == kind, out=summed[1:, kind])
        first = np.searchsorted(place[order], np.arange(len(groups) + 1))
        return cls(groups, first, key[order], clock.times[rank[order]], summed, ranks)

    def span(self, group: NDArray[np.int64], rank: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the acts of each group before the time of this rank lie: from the first place to before the second."""
        place = places(self.groups, group)
        there = place < len(self.groups)
        there[there] = self.groups[place[there]] == group[there]
        low = self.first[place]
        return low, np.where(there, places(self.keys, place * self.ranks + rank), low)

    def until(self, group: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
        """The second of `span` for groups that are there; anything for others."""
        return places(self.keys, places(self.groups, group) * self.ranks + rank)

    def counts(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
        """Acts by action in each stretch, shape (rows, actions)."""
        return (self.summed[high] - self.summed[np.minimum(low, high)]).astype(np.int64)
