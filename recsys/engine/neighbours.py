"""Which items go with which: the linear part of retrieval, from who acted on both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.interactions import ACTIONS, Interactions

WEIGHTS = "neighbours.safetensors"
KINDS: Mapping[str, tuple[str, ...]] = {"alike": ACTIONS, "together": ("purchase", "gift")}
# Nearest items that are kept of each; more were never among the candidates that were shown.
KEPT = 30
# A pair that a few people made by chance must not look like a law: cosines are shrunk by so many people.
SHRINK = 5.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Of each item the items that most often go with it, of two kinds: KINDS.

    Attributes:
        items: ids, in the order of the rows.
        near: places in `items`, nearest first, -1 where there are fewer, int32 (items, KEPT) a kind.
        weight: shrunk cosines, 0 where there are fewer, float32 (items, KEPT) a kind.
    """

    items: tuple[str, ...]
    near: Mapping[str, NDArray[np.int32]]
    weight: Mapping[str, NDArray[np.float32]]

    @classmethod
    def of(cls, acts: Interactions) -> "Neighbours":
        """From all acts (alike) and from purchases and gifts alone (together)."""
        near, weight = {}, {}
        for kind, actions in KINDS.items():
            chosen = np.isin(acts.action, [ACTIONS.index(action) for action in actions])
            near[kind], weight[kind] = _nearest(acts.keep(chosen))
        return cls(tuple(acts.items), near, weight)

    @classmethod
    def empty(cls, items: Sequence[str]) -> "Neighbours":
        """Where nothing is known."""
        none = {kind: np.full((len(items), KEPT), -1, np.int32) for kind in KINDS}
        return cls(tuple(items), none, {kind: np.zeros((len(items), KEPT), np.float32) for kind in KINDS})

    def renumbered(self, items: Sequence[str]) -> "Neighbours":
        """The same in another order of items; items that are new have none, items that are gone are left out."""
        if tuple(items) == self.items:
            return self
        new = {item: place for place, item in enumerate(items)}
        moved = np.array([new.get(item, -1) for item in self.items] + [-1], np.int32)
        made = Neighbours.empty(items)
        there = np.flatnonzero(moved[:-1] >= 0)
        for kind in KINDS:
            made.near[kind][moved[there]] = moved[self.near[kind][there]]
            made.weight[kind][moved[there]] = np.where(made.near[kind][moved[there]] >= 0, self.weight[kind][there], 0)
        return made

    def save(self, folder: Path) -> None:
        """Write into `folder`, which appears complete or not at all and must not be there yet."""
        from safetensors.numpy import save_file

        beside = folder.with_name(f".{folder.name}-{uuid4().hex}")
        beside.mkdir(parents=True)
        arrays: dict[str, NDArray[Any]] = {"ids": np.frombuffer("\n".join(self.items).encode(), np.uint8)}
        for kind in KINDS:
            arrays |= {f"{kind}.near": self.near[kind], f"{kind}.weight": self.weight[kind]}
        save_file(arrays, beside / WEIGHTS)
        beside.rename(folder)

    @classmethod
    def load(cls, folder: Path) -> "Neighbours":
        """What `save` wrote.

        Raises:
            ModelError: if the folder holds none.
        """
        from safetensors.numpy import load_file

        try:
            arrays = load_file(folder / WEIGHTS)
        except OSError:
            raise ModelError(f"{folder} holds no neighbours: {WEIGHTS} is missing. Train: holdout train.") from None
        ids = tuple(arrays["ids"].tobytes().decode().split("\n")) if arrays["ids"].size else ()
        near = {kind: arrays[f"{kind}.near"] for kind in KINDS}
        return cls(ids, near, {kind: arrays[f"{kind}.weight"] for kind in KINDS})


def _nearest(acts: Interactions) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Cosines of the items' columns of users, a block of items at a time so that memory stays bounded."""
    matrix = acts.matrix()
    n = matrix.shape[1]
    near, weight = np.full((n, KEPT), -1, np.int32), np.zeros((n, KEPT), np.float32)
    people = np.asarray(matrix.sum(axis=0)).ravel()
    columns = matrix.T.tocsr()
    for start in range(0, n, 2_000):
        both = (columns[start : start + 2_000] @ matrix).tocsr()
        for row in range(both.shape[0]):
            part = slice(both.indptr[row], both.indptr[row + 1])
            item, place = start + row, both.indices[part]
            count = both.data[part] * (place != item)
            cosine = count / (np.sqrt(people[item] * people[place]) + SHRINK)
            best = np.argsort(-cosine, kind="stable")[:KEPT]
            best = best[cosine[best] > 0]
            near[item, : len(best)], weight[item, : len(best)] = place[best], cosine[best]
    return near, weight
