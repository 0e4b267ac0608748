"""What a model is asked: to find acts again among all items, knowing others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.interactions import ACTIONS, Interactions


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
    seen = _of_action(past, target)
    return Question(known, seen, _new(_of_action(part, target), seen), candidates)


def _of_action(acts: Interactions, action: str | None) -> Interactions:
    return acts if action is None else acts.keep(acts.action == ACTIONS.index(action))


def _new(wanted: Interactions, seen: Interactions) -> Interactions:
    """Each (user, item) of `wanted` once, without those in `seen`: those could not be recommended."""
    pairs = wanted.user.astype(np.int64) * len(wanted.items) + wanted.item
    first = np.zeros(len(pairs), bool)
    first[np.unique(pairs, return_index=True)[1]] = True
    return wanted.keep(first & ~np.isin(pairs, seen.user.astype(np.int64) * len(seen.items) + seen.item))
