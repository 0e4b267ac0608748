"""Recall, hit rate and NDCG of each user, and their means with intervals over users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError

DEPTHS = (5, 10, 20, 50)
KINDS = ("recall", "hit_rate", "ndcg")


class Measure(NamedTuple):
    """A metric at a depth, such as NDCG at 10; its text is `ndcg@10`."""

    kind: str
    depth: int

    def __str__(self) -> str:
        return f"{self.kind}@{self.depth}"

    @classmethod
    def parse(cls, text: str) -> "Measure":
        kind, _, depth = text.partition("@")
        if kind not in KINDS or not depth.isdigit() or depth == "0":
            raise DataError(f"metric {text!r} is not known; write one of {', '.join(KINDS)} with a depth: ndcg@10.")
        return cls(kind, int(depth))


MEASURES = tuple(Measure(kind, depth) for depth in DEPTHS for kind in KINDS)


SAMPLED = tuple(Measure(kind, depth) for depth in (5, 10) for kind in ("hit_rate", "ndcg"))


@dataclass(frozen=True, slots=True)
class MeanOverUsers:
    """A mean over users with its normal 95 % interval."""

    mean: float
    lower: float
    upper: float
    users: int

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "MeanOverUsers":
        """From one value a user, shape (users,); the interval is infinite where there is one user."""
        mean, count = float(values.mean()), len(values)
        half = 1.959964 * float(values.std(ddof=1)) / count**0.5 if count > 1 else np.inf
        return cls(mean, mean - half, mean + half, count)


def per_user(
    user: NDArray[np.integer], place: NDArray[np.integer], measures: Sequence[Measure] = MEASURES
) -> Mapping[Measure, NDArray[np.float64]]:
    """Each user's value of each measure, users sorted, shape (users with a wanted item,).

    Args:
        user: of each wanted item, shape (wanted,).
        place: its place in the ranking from 1; 0 where it was not among the deepest, same shape.

    recall = hits / wanted items of the user; hit rate = 1 with at least one hit; NDCG = DCG / the DCG of a ranking
    that has min(depth, wanted) hits on top, gain 1, discount log2(1 + place). Source: Wang et al., SIGIR 2019, as in
    LightGCN's published code; with one wanted item it is the NDCG of SASRec, 1 / log2(1 + place).
    """
    _, index, wanted = np.unique(user, return_inverse=True, return_counts=True)
    values: dict[Measure, NDArray[np.float64]] = {}
    for measure in measures:
        hit = (place > 0) & (place <= measure.depth)
        hits = np.bincount(index, hit, len(wanted))
        if measure.kind == "recall":
            values[measure] = hits / wanted
        elif measure.kind == "hit_rate":
            values[measure] = (hits > 0).astype(np.float64)
        else:
            gains = np.where(hit, 1 / np.log2(1.0 + np.maximum(place, 1)), 0.0)
            values[measure] = (
                np.bincount(index, gains, len(wanted)) / _ideal(measure.depth)[np.minimum(wanted, measure.depth)]
            )
    return values


def _ideal(depth: int) -> NDArray[np.float64]:
    """The DCG of n hits on top, for n = 0 ... depth."""
    return np.append(0.0, np.cumsum(1 / np.log2(np.arange(2.0, depth + 2))))
