"""What is popular, for everybody and by country and platform: the fallback that needs no model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.engine.people import People
from recsys.interactions import ACTIONS, DAY

# An act's weight in the charts, and for how many days it counts.
WEIGHTS = {"view": 1.0, "wishlist": 2.0, "cart": 3.0, "purchase": 5.0, "gift": 5.0}
DAYS = 28
KEPT = 400
# What everybody does counts a little in every segment, so that a small one has full charts.
EVERYBODY = 0.05


@dataclass(frozen=True, slots=True)
class Charts:
    """The best items of each segment.

    Attributes:
        best: places of items, best first, shape (segments, at most KEPT).
        score: of all items for everybody, in [0, 1], shape (items,).
    """

    best: NDArray[np.int64]
    score: NDArray[np.float64]

    @classmethod
    def of(cls, people: People, released: NDArray[np.int64]) -> "Charts":
        """From the acts of the DAYS up to the last one.

        Items that nobody touched follow by release, the newest first.
        """
        return cls.counting(people, released)()

    @classmethod
    def counting(cls, people: People, released: NDArray[np.int64]) -> "Callable[[], Charts]":
        """What makes the charts of the acts as they are now; may be called on any thread, while others are observed."""
        until = people.last + 1
        people.forget(until - DAYS * DAY)
        return partial(cls._of, people, released, until, people.observed())

    @classmethod
    def _of(cls, people: People, released: NDArray[np.int64], end: int, observed: Sequence[NDArray[np.int64]]) -> Self:
        n = len(released)
        weight = np.array([WEIGHTS[name] for name in ACTIONS])
        # Flat, segment after segment: numpy has a quick way of adding only for one dimension.
        counts = np.empty(len(people.segments) * n)
        # Here the memory is first touched, without the lock.
        counts.fill(0.0)
        # In parts, so that no other thread waits for more than one, some .2 ms: each holds Python's lock.
        for user, item, action in people.since(end - DAYS * DAY, observed):
            np.add.at(counts, people.segments_of(user).astype(np.int64) * n + item, weight[action])
        newest = np.empty(n)
        newest[np.argsort(released, kind="stable")] = np.arange(n) / max(n, 1)
        of_segment = counts.reshape(len(people.segments), n)
        everybody = of_segment.sum(axis=0)
        score = everybody / max(everybody.max(initial=0.0), 1.0)
        best = [_best(everybody + 1e-6 * newest)]
        best += [_best(own + EVERYBODY * everybody + 1e-6 * newest) for own in of_segment[1:]]
        return cls(np.stack(best), score)


def _best(score: NDArray[np.float64]) -> NDArray[np.int64]:
    if len(score) <= KEPT:
        return np.argsort(-score, kind="stable")
    some = np.argpartition(-score, KEPT)[:KEPT]
    return some[np.argsort(-score[some], kind="stable")]
