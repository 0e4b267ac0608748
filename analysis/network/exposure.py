"""Exposure mapping: what reached a unit through its own arm and those of its friends, and how likely that was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.metric import Array
from analysis.network.graph import Graph, Ints

# Numbers held at once while probabilities are computed: 32 MB.
HELD = 4_000_000


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one treatment arm does to each of n units, directly and through friends.

    Attributes:
        own: whether the unit is treated itself, shape (n,); meaningless where `used` is False.
        used: whether the unit is in one of the two arms compared, shape (n,).
        degree: friends of the unit who take part, shape (n,).
        share: of its friends, those treated, shape (n,); nan without friends.
        high: whether `share` is at or above the threshold, shape (n,); False without friends.
        probability: of (own arm, high) under the design, shape (n, 2, 2): untreated first, not high first. A unit
            without friends is never high.
    """

    own: NDArray[np.bool_]
    used: NDArray[np.bool_]
    degree: Ints
    share: Array
    high: NDArray[np.bool_]
    probability: Array


def map_exposure(
    graph: Graph, arm: NDArray[Any], randomised: NDArray[Any], shares: Array, treatment: int, threshold: float
) -> Exposure:
    """The exposure of every unit to one treatment arm.

    Args:
        arm: index of each unit's arm, 0 for control, shape (n,).
        randomised: index of what was randomised: the unit itself, or its community, shape (n,). Each was drawn
            independently of all others.
        shares: planned share of each arm, of any sum.
        treatment: index of the treatment arm.
        threshold: share of friends from which a unit counts as highly exposed, above 0 and at most 1.

    Source: Aronow and Samii, Ann. Appl. Stat. 2017, section 3 (exposure mapping) and equation 3 (probabilities, here
    exact instead of by replicates of the design).
    """
    unit, friend = graph.directed
    degree = graph.degree
    treated = (arm == treatment).astype(float)
    with np.errstate(invalid="ignore"):
        share = np.bincount(unit, weights=treated[friend], minlength=graph.n) / degree
    needed = np.ceil(threshold * degree - 1e-9).astype(np.int64)
    chance = shares / shares.sum()
    group = randomised[friend]
    within = np.bincount(unit, weights=group == randomised[unit], minlength=graph.n).astype(np.int64)
    outside = group != randomised[unit]
    reached = _at_least(
        graph.n, unit[outside], group[outside], float(chance[treatment]), np.stack([needed, needed - within], axis=-1)
    )
    high = np.where((degree > 0)[:, None], reached, 0.0)
    return Exposure(
        own=treated > 0,
        used=(arm == 0) | (arm == treatment),
        degree=degree,
        share=share,
        high=np.where(degree > 0, share * degree >= needed - 0.5, False),
        probability=np.stack([1 - high, high], axis=-1) * chance[[0, treatment]][:, None],
    )


def _at_least(n: int, unit: Ints, group: NDArray[Any], chance: float, needed: Ints) -> Array:
    """Probability that at least `needed` (n, k) friends are treated, where each group of friends is with `chance`.

    Args:
        unit, group: of each friendship, from the unit's side, shape (m,).
    """
    span = int(group.max(initial=0)) + 1
    key, size = np.unique(unit * span + group, return_counts=True)
    groups, friends = np.bincount(key // span, minlength=n), np.bincount(unit, minlength=n)
    begin = np.cumsum(groups) - groups
    result = np.empty(needed.shape)
    # Units of like degree together, so that little of a block is empty.
    order = np.argsort(friends, kind="stable")[::-1]
    done = 0
    while done < n:
        width = int(friends[order[done]]) + 1
        rows = order[done : done + max(1, HELD // width)]
        counts = np.zeros((len(rows), width))
        counts[:, 0] = 1.0
        for k in range(int(groups[rows].max())):
            more = np.flatnonzero(groups[rows] > k)
            source = np.arange(width) - size[begin[rows[more]] + k][:, None]
            joined = np.take_along_axis(counts[more], np.maximum(source, 0), axis=1)
            counts[more] = (1 - chance) * counts[more] + chance * np.where(source >= 0, joined, 0.0)
        # Summed from the far end, where the chances are small; column c holds that of c or more, the last one none.
        tail = np.pad(np.cumsum(counts[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))
        result[rows] = np.take_along_axis(tail, np.clip(needed[rows], 0, width), axis=1)
        done += len(rows)
    return result
