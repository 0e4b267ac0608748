"""Random numbers by name: each is a function of the seed, its purpose, the day and whom it is for.

Nothing is drawn in order, so that whatever is left out of a shop leaves every other number as it was.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from recsys.splitmix import STEP, mixed

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Draws:
    """All random numbers of one shop; `places` say for whom (person, item, place in a slate) and are broadcast."""

    seed: int

    def uniform(self, purpose: str, day: int, *places: NDArray[np.integer] | int) -> Floats:
        """In (0, 1), never an end; shape of the places broadcast together."""
        bits = np.full((), _key(self.seed, purpose, day), np.uint64)
        with np.errstate(over="ignore"):
            for place in places:
                bits = mixed(bits ^ ((np.asarray(place).astype(np.uint64) + np.uint64(1)) * STEP))
            bits = mixed(bits + STEP)
        return fraction(bits)

    def normal(self, purpose: str, day: int, *places: NDArray[np.integer] | int) -> Floats:
        """Standard normal, by Box and Muller."""
        radius = np.sqrt(-2 * np.log(self.uniform(purpose + "/radius", day, *places)))
        return np.asarray(radius * np.cos(2 * np.pi * self.uniform(purpose + "/angle", day, *places)))

    def happens(self, chance: Floats | float, purpose: str, day: int, *places: NDArray[np.integer] | int) -> Flags:
        return np.asarray(self.uniform(purpose, day, *places) < chance)

    def generator(self, purpose: str) -> np.random.Generator:
        """For what is drawn once, before the first day."""
        return np.random.default_rng(_key(self.seed, purpose, -1))


def fraction(bits: NDArray[np.uint64]) -> Floats:
    """The first 53 bits of each number in (0, 1): in the middle of one of 2^53 steps; that of the last rounds to 1."""
    middles = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.asarray(np.minimum(middles, 1 - 2.0**-53))


@lru_cache(maxsize=4096)
def _key(seed: int, purpose: str, day: int) -> int:
    return int.from_bytes(sha256(f"{seed}:{purpose}:{day}".encode()).digest()[:8], "big")
