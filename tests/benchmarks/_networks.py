"""Worlds of friends in which the direct effect and what friends pass on are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.network.communities import find_communities
from analysis.network.effects import CONDITIONS, DOSES, RAREST, NetworkContrasts, network_contrasts
from analysis.network.exposure import Exposure, map_exposure
from analysis.network.graph import Graph, Ints

THRESHOLD, SHARE, LARGEST = 0.5, 0.5, 60
DRAWS = 2_000
CIRCLE = 20


@dataclass(frozen=True)
class World:
    """People in circles of twenty, of whose friendships the share `inside` is in the circle.

    What a person does grows with her friends' number and is alike in a circle; treatment adds `direct`, and `spill` times
    the share of friends treated. Assigned by community where `by_unit` is False.
    """

    graph: Graph
    community: Ints
    base: NDArray[np.float64]
    by_unit: bool
    direct: float
    spill: float

    @classmethod
    def draw(
        cls, rng: np.random.Generator, *, by_unit: bool, spill: float, direct: float = 0.5, people: int = 2_000,
        friends: int = 6, inside: float = 0.7,
    ) -> World:  # fmt: skip
        circle, m = np.arange(people) // CIRCLE, people * friends // 2
        one = rng.integers(0, people, m)
        near = circle[one] * CIRCLE + rng.integers(0, CIRCLE, m)
        graph = Graph.of(people, one, np.where(rng.random(m) < inside, near, rng.integers(0, people, m)))
        base = rng.normal(size=circle[-1] + 1)[circle] + rng.normal(size=people) + 0.1 * graph.degree
        return cls(graph, find_communities(graph, rng, LARGEST), base, by_unit, direct, spill)

    @property
    def randomised(self) -> Ints:
        return np.arange(self.graph.n) if self.by_unit else self.community

    def assign(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return (rng.random(int(self.randomised.max()) + 1) < SHARE).astype(np.int64)[self.randomised]

    def share(self, arm: NDArray[np.int64]) -> NDArray[np.float64]:
        unit, friend = self.graph.directed
        return np.bincount(unit, weights=arm[friend], minlength=self.graph.n) / np.maximum(self.graph.degree, 1)

    def outcome(self, arm: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.base + self.direct * arm + self.spill * self.share(arm)

    def exposure(self, arm: NDArray[np.int64]) -> Exposure:
        return map_exposure(self.graph, arm, self.randomised, np.array([1 - SHARE, SHARE]), 1, THRESHOLD)

    def estimate(self, rng: np.random.Generator) -> NetworkContrasts:
        """One experiment in this world."""
        arm = self.assign(rng)
        ones = np.ones(self.graph.n)
        return network_contrasts(self.outcome(arm), ones, self.exposure(arm), self.community, by_unit=self.by_unit)

    def truth(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """The contrasts themselves: mean outcome of a unit in each condition, over the design, by many draws of it."""
        people, degree = np.arange(self.graph.n), self.graph.degree
        seen, shared = np.zeros((2, self.graph.n, 2, 2))
        for arm, share in self._draws(rng):
            high = ((share >= THRESHOLD) & (degree > 0)).astype(int)
            seen[people, arm, high] += 1
            shared[people, arm, high] += share
        usual = np.divide(shared, seen, out=np.zeros_like(seen), where=seen > 0)
        value = self.base[:, None, None] + self.direct * np.arange(2)[:, None] + self.spill * usual
        probability = self.exposure(np.zeros(self.graph.n, np.int64)).probability
        found = []
        for name, (base, other) in CONDITIONS.items():
            able = (degree == 0) if name == "without_friends" else degree > 0
            able &= np.minimum(probability[:, *base], probability[:, *other]) >= RAREST
            found.append((value[able][:, *other] - value[able][:, *base]).mean() if able.any() else np.nan)
        return np.array(found + [self.spill] * (len(DOSES) if self.by_unit else 0))

    def _draws(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        for _ in range(DRAWS):
            arm = self.assign(rng)
            yield arm, self.share(arm)
