"""What is popular, for everybody and by country and platform: the fallback that needs no model."""

from dataclasses import dataclass

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
    def of(cls, people: People, released: NDArray[np.int64], *, until: int | None = None) -> "Charts":
        """From the acts of the DAYS before `until` (microseconds since 1970; after the last act by default).

        Items that nobody touched follow by release, the newest first.
        """
        n, end = len(released), until if until is not None else int(people.acts.time.max(initial=0)) + 1
        user, item, action, time = people.since(end - DAYS * DAY)
        user, item, action = (array[time < end] for array in (user, item, action))
        weight = np.array([WEIGHTS[name] for name in ACTIONS])[action]
        segment = people.segments_of(user)
        newest = np.empty(n)
        newest[np.argsort(released, kind="stable")] = np.arange(n) / max(n, 1)
        everybody = np.bincount(item, weight, n)
        score = everybody / max(everybody.max(initial=0.0), 1.0)
        best = [_best(everybody + 1e-6 * newest)]
        for k in range(1, len(people.segments)):
            own = np.bincount(item[segment == k], weight[segment == k], n)
            best.append(_best(own + EVERYBODY * everybody + 1e-6 * newest))
        return cls(np.stack(best), score)


def _best(score: NDArray[np.float64]) -> NDArray[np.int64]:
    if len(score) <= KEPT:
        return np.argsort(-score, kind="stable")
    some = np.argpartition(-score, KEPT)[:KEPT]
    return some[np.argsort(-score[some], kind="stable")]
