"""Communities of friends: groups to randomise as a whole, so that few friendships cross between arms."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.errors import AnalysisError
from analysis.network.graph import Graph, Ints

LARGEST = 200
# Any fixed number: the same friends always give the same communities.
SEED = 2026
# Most nodes settle in the first rounds; the rest costs time and brings little.
ROUNDS, FEW_MOVES = 20, 0.005


def find_communities(graph: Graph, rng: np.random.Generator, largest: int = LARGEST) -> Ints:
    """The community of each unit, shape (n,), numbered from 0; none has more than `largest` units.

    Modularity is raised by moving one node at a time, then communities become nodes and the same is done again. A move
    that would make a community larger than `largest` is not made. A unit without friends is a community of its own.

    Raises:
        AnalysisError: if `largest` is below 2.

    Source: Blondel, Guillaume, Lambiotte and Lefebvre, J. Stat. Mech. 2008; the cap as in Meyerhenke, Sanders and
    Schulz, SEA 2014, section 3.
    """
    if largest < 2:
        raise AnalysisError(f"largest: found {largest}, expected 2 or more units in a community, such as {LARGEST}.")
    from scipy import sparse

    community, size = np.arange(graph.n), np.ones(graph.n, np.int64)
    one, other = graph.directed
    links = sparse.csr_array((np.ones(len(one)), (one, other)), shape=(graph.n, graph.n))
    while True:
        moved = _move(links, size, largest, rng)
        merged, label = np.unique(moved, return_inverse=True)
        if len(merged) == len(size):
            return community
        community = label[community]
        member = sparse.csr_array(
            (np.ones(len(label)), (np.arange(len(label)), label)), shape=(len(label), len(merged))
        )
        links, size = (member.T @ links @ member).tocsr(), np.bincount(label, weights=size).astype(np.int64)


def _move(links: Any, sizes: Ints, largest: int, rng: np.random.Generator) -> Ints:
    """The community of each node after nodes moved one at a time to where modularity gains most."""
    n = len(sizes)
    # Plain lists: numpy's cost for each access is ten times that of a list's.
    start, to, weight = (getattr(links, name).tolist() for name in ("indptr", "indices", "data"))
    volume = np.asarray(links.sum(axis=1)).tolist()
    whole = sum(volume)
    label, total, own, size = list(range(n)), volume.copy(), sizes.tolist(), sizes.tolist()
    for _ in range(ROUNDS):
        moves = 0
        for node in rng.permutation(n).tolist():
            home = label[node]
            near: dict[int, float] = {home: 0.0}
            for k in range(start[node], start[node + 1]):
                if to[k] != node:
                    there = label[to[k]]
                    near[there] = near.get(there, 0.0) + weight[k]
            mine, pull = own[node], volume[node] / max(whole, 1.0)
            total[home] -= volume[node]
            size[home] -= mine
            best, gain = home, near[home] - pull * total[home]
            for there, strength in near.items():
                found = strength - pull * total[there]
                if found > gain + 1e-12 and size[there] + mine <= largest:
                    best, gain = there, found
            total[best] += volume[node]
            size[best] += mine
            label[node] = best
            moves += best != home
        if moves <= FEW_MOVES * n:
            break
    return np.array(label, np.int64)
