"""Which items go with which: the linear part of retrieval, from who acted on both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.files import whole_folder
from recsys.interactions import ACTIONS, Interactions

WEIGHTS = "neighbours.safetensors"
PARTS = ("near", "weight")
KINDS: Mapping[str, tuple[str, ...]] = {"alike": ACTIONS, "together": ("purchase", "gift")}
# Nearest items that are kept of each; more were never among the candidates that were shown.
KEPT = 30
# A pair that a few people made by chance must not look like a law: cosines are shrunk by so many people.
SHRINK = 5.0


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest items of each item, packed: of a million items most have none.

    Attributes:
        starts: item k has the entries starts[k]:starts[k + 1], shape (items + 1,).
        item: places of items, nearest first, shape (entries,).
        weight: shrunk cosines, above 0, shape (entries,).
    """

    starts: NDArray[np.int64]
    item: NDArray[np.int32]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, near: NDArray[np.int32], weight: NDArray[np.float32]) -> "Near":
        """From arrays of shape (items, KEPT) with -1 where there are fewer."""
        there = near >= 0
        return cls(np.concatenate([[0], np.cumsum(there.sum(axis=1))]), near[there], weight[there])

    def __call__(self, items: NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Places and weights of any array of items, shape (*items.shape, KEPT); -1 and 0 where there are fewer, and for
        the item -1."""
        first = self.starts[items]
        count = np.where(items >= 0, self.starts[np.maximum(items, -1) + 1] - first, 0)
        place = first[..., None] + np.arange(KEPT)
        there = np.arange(KEPT) < count[..., None]
        if not len(self.item):
            return np.full(place.shape, -1, np.int32), np.zeros(place.shape, np.float32)
        place = np.where(there, place, 0)
        return np.where(there, self.item[place], np.int32(-1)), np.where(there, self.weight[place], np.float32(0))

    def moved(self, new: NDArray[np.int32], items: int) -> "Near":
        """With the places `new` of the items, of `items` in all; those that are gone, at -1, are left out."""
        owner = new[np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))]
        item = new[self.item]
        kept = np.flatnonzero((owner >= 0) & (item >= 0))
        kept = kept[np.argsort(owner[kept], kind="stable")]
        counts = np.bincount(owner[kept], minlength=items)
        return Near(np.concatenate([[0], np.cumsum(counts)]), item[kept], self.weight[kept])

    def spread(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """What `of` was made from."""
        return self(np.arange(len(self.starts) - 1))


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Of each item the items that most often go with it, of two kinds: KINDS.

    Attributes:
        items: ids, in the order of the rows.
        near: the nearest items of each, one Near a kind.
    """

    items: tuple[str, ...]
    near: Mapping[str, Near]

    @classmethod
    def of(cls, acts: Interactions) -> "Neighbours":
        """From all acts (alike) and from purchases and gifts alone (together)."""
        near = {}
        for kind, actions in KINDS.items():
            chosen = np.isin(acts.action, [ACTIONS.index(action) for action in actions])
            near[kind] = Near.of(*_nearest(acts.keep(chosen)))
        return cls(tuple(acts.items), near)

    @classmethod
    def empty(cls, items: Sequence[str]) -> "Neighbours":
        """Where nothing is known."""
        none = Near(np.zeros(len(items) + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
        return cls(tuple(items), dict.fromkeys(KINDS, none))

    def renumbered(self, items: Sequence[str]) -> "Neighbours":
        """The same in another order of items; items that are new have none, items that are gone are left out."""
        if tuple(items) == self.items:
            return Neighbours(tuple(items), self.near)
        place = {item: number for number, item in enumerate(items)}
        new = np.array([place.get(item, -1) for item in self.items], np.int32)
        return Neighbours(tuple(items), {kind: near.moved(new, len(items)) for kind, near in self.near.items()})

    def save(self, folder: Path) -> None:
        """Write into `folder`, which appears complete or not at all and must not be there yet."""
        from safetensors.numpy import save_file

        arrays: dict[str, NDArray[Any]] = {"ids": np.frombuffer("\n".join(self.items).encode(), np.uint8)}
        for kind in KINDS:
            arrays[f"{kind}.near"], arrays[f"{kind}.weight"] = self.near[kind].spread()
        with whole_folder(folder) as beside:
            save_file(arrays, beside / WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> "Neighbours":
        """What `save` wrote.

        Raises:
            ModelError: if the folder holds none.
        """
        from safetensors import safe_open

        try:
            with safe_open(folder / WEIGHTS, "numpy") as file:
                text = file.get_tensor("ids")
                # One kind after the other: as they lie in the file they take five times the memory that they take here.
                near = {kind: Near.of(*(file.get_tensor(f"{kind}.{each}") for each in PARTS)) for kind in KINDS}
        except OSError:
            raise ModelError(f"{folder} holds no neighbours: {WEIGHTS} is missing. Train: holdout train.") from None
        return cls(tuple(text.tobytes().decode().split("\n")) if text.size else (), near)


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
