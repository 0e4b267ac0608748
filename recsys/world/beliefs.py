"""What people learn from the prices that they see: a reference price, how often deals come, and when waiting pays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.world.draws import Flags, Floats, Ints

# How much of what was known before is kept at a slate.
KEEP_REFERENCE, KEEP_DEALS = 0.9, 0.93
FIRST_SHARE, FIRST_DEPTH = 0.05, 0.3
DEAL_DAYS = 7.0


@dataclass(slots=True)
class Beliefs:
    """Attributes:
    reference: what people expect to pay, over the list price; shape (people,).
    share, depth: of each category, how much they believe to be discounted at a time, and how deeply;
        shape (people, categories).
    """

    reference: NDArray[np.float32]
    share: NDArray[np.float32]
    depth: NDArray[np.float32]

    @classmethod
    def first(cls, people: int, categories: int) -> "Beliefs":
        shape = people, categories
        return cls(
            np.ones(people, np.float32),
            np.full(shape, FIRST_SHARE, np.float32),
            np.full(shape, FIRST_DEPTH, np.float32),
        )

    def learn(self, person: Ints, category: Ints, ratio: Floats, seen: Flags) -> None:
        """From one slate of each person: category and price over list price of what was shown, and what of it was seen.

        `person` has shape (slates,), the others (slates, places). The reference price moves by the recursion
        r <- zeta r + (1 - zeta) p / list with the mean of the slate (Popescu and Wu, Operations Research 2007).
        """
        count = seen.sum(axis=1)
        some = count > 0
        mean = np.where(seen, ratio, 0.0).sum(axis=1)[some] / count[some]
        who = person[some]
        self.reference[who] = KEEP_REFERENCE * self.reference[who] + (1 - KEEP_REFERENCE) * mean
        row, place = np.nonzero(seen)
        cell = person[row] * self.share.shape[1] + category[row, place]
        cells, back = np.unique(cell, return_inverse=True)
        off = 1 - ratio[row, place]
        here, deals = np.bincount(back), np.bincount(back, off > 0)
        share, depth = self.share.reshape(-1), self.depth.reshape(-1)
        share[cells] = KEEP_DEALS * share[cells] + (1 - KEEP_DEALS) * deals / here
        on = deals > 0
        deep = np.bincount(back, np.maximum(off, 0))[on] / deals[on]
        depth[cells[on]] = KEEP_DEALS * depth[cells[on]] + (1 - KEEP_DEALS) * deep

    def loss(self, person: Ints, ratio: Floats) -> Floats:
        """How far a price lies above what the person expects to pay, over the list price."""
        return np.maximum(ratio - self.reference[person], 0.0)

    def waiting(self, person: Ints, category: Ints, worth: Floats, patience: Floats, strength: float) -> Floats:
        """The expected surplus of waiting for a deal on an item worth `worth` list prices, discounted to today.

        A deal is believed to come on each day with the hazard of a process that is on for the believed share of
        time and for DEAL_DAYS at a time, times `strength`: sum over days t of patience^t h (1 - h)^(t - 1) times the
        surplus at the believed depth.
        """
        share = self.share[person, category].astype(np.float64)
        hazard = np.minimum(strength * share / (DEAL_DAYS * np.maximum(1 - share, 0.3)), 1.0)
        soon = patience * hazard / (1 - patience * (1 - hazard))
        return np.asarray(soon * np.maximum(worth - (1 - self.depth[person, category]), 0.0))
