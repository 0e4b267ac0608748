"""What a model is asked: to find acts again among all items, knowing others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.interactions import Interactions


@dataclass(frozen=True, slots=True)
class Question:
    """Which acts are to be found, and by what.

    Attributes:
        known: the acts that the model may learn from.
        seen: past acts of the target action; their items are left out of their user's ranking.
        wanted: the acts to be found, each (user, item) once, none of them in `seen`.
        candidates: which items may be recommended, shape (items,); None for all.
    """

    known: Interactions
    seen: Interactions
    wanted: Interactions
    candidates: NDArray[np.bool_] | None = None


def asked(
    known: Interactions,
    past: Interactions,
    part: Interactions,
    target: str | None,
    candidates: NDArray[np.bool_] | None = None,
) -> Question:
    """To find the target acts of `part` again, with the items left out that `past` has under the target action."""
    seen = past.keep(past.are(target))
    return Question(known, seen, _new(part.keep(part.are(target)), seen), candidates)


def _new(wanted: Interactions, seen: Interactions) -> Interactions:
    """Each (user, item) of `wanted` once, without those in `seen`: those could not be recommended."""
    first = np.zeros(len(wanted), bool)
    first[np.unique(wanted.pair, return_index=True)[1]] = True
    return wanted.keep(first & ~np.isin(wanted.pair, seen.pair))
