"""Candidates: what could be shown, from every source that a surface names, each item once and with its best reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.engine.charts import Charts
from recsys.engine.neighbours import Neighbours
from recsys.retrieval.index import Index
from recsys.surfaces.surface import SOURCES

Ints = NDArray[np.int64]
SOURCE_NAMES = tuple(SOURCES)
# How many of the latest acts lead to items that are alike.
LATEST = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests of one surface as arrays.

    Attributes:
        items: what each is about, places in the catalogue, -1 where there are fewer, shape (requests, items).
        history: the latest items of each person, -1 on the left where there are fewer, shape (requests, acts).
        vectors: of the people, unit rows, shape (requests, dimensions); None without an encoder.
        segment: of each person, for the charts.
        time: microseconds since 1970, shape (requests,).
        friends: items that friends own, -1 on the right where there are fewer, shape (requests, items).
    """

    items: Ints
    history: Ints
    vectors: NDArray[np.float32] | None
    segment: NDArray[np.int32]
    time: Ints
    friends: Ints

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates of each request, shape (requests, candidates), -1 where there are fewer.

    Attributes:
        item: places in the catalogue, each once a row.
        source: places in SOURCE_NAMES.
        partner: the item that led to it, -1 if none did.
    """

    item: Ints
    source: NDArray[np.int8]
    partner: Ints

    def take(self, columns: Ints) -> "Found":
        """Those in `columns`, shape (requests, fewer candidates), -1 for none."""
        rows, there = np.arange(len(columns))[:, None], columns >= 0
        item, partner = np.where(there, self.item[rows, columns], -1), np.where(there, self.partner[rows, columns], -1)
        return Found(item, self.source[rows, columns], partner)


def first_of(keep: NDArray[np.bool_], most: int) -> Ints:
    """Columns of the first `most` of those to keep in each row, -1 where there are fewer."""
    width = min(most, int(keep.sum(axis=1).max(initial=0)))
    # Stable: what comes first stays first.
    columns = np.argsort(~keep, axis=1, kind="stable")[:, :width]
    return np.where(np.take_along_axis(keep, columns, 1), columns, -1)


@dataclass(frozen=True, slots=True)
class Sources:
    """What candidates are found with; items are places in the catalogue.

    `newest` are items by release, the last first, and `out` is when each of them came out.
    """

    charts: Charts
    neighbours: Neighbours
    newest: Ints
    out: Ints
    index: Index | None

    def find(self, asked: Asked, wanted: Mapping[str, int]) -> Found:
        """Candidates from the wanted sources; the first source that has an item is its reason.

        The best of every source come first, each source in proportion to what is wanted of it: however few
        candidates are ranked in the end, they are from all sources.
        """
        parts = [self._from(name, asked, most) for name, most in wanted.items()]
        item = np.concatenate([part[0] for part in parts], axis=1)
        partner = np.concatenate([part[1] for part in parts], axis=1)
        widths = [part[0].shape[1] for part in parts]
        source = np.repeat(np.array([SOURCE_NAMES.index(name) for name in wanted], np.int8), widths)
        depth = [(np.arange(width) + 0.5) / most for width, most in zip(widths, wanted.values(), strict=True)]
        order = np.argsort(np.concatenate(depth), kind="stable")
        once = _once(item)
        return Found(once[:, order], np.broadcast_to(source[order], item.shape), partner[:, order])

    def _from(self, name: str, asked: Asked, most: int) -> tuple[Ints, Ints]:
        """Items and partners of one source, each shape (requests, at most `most`), -1 where there are fewer."""
        if name == "asked":
            return _without_partner(asked.items[:, :most])
        if name == "friends":
            return _without_partner(asked.friends[:, :most])
        if name == "together":
            return self._near("together", asked.items, most)
        if name == "alike":
            return self._near("alike", asked.history[:, -LATEST:], most)
        if name == "popular":
            return _without_partner(self.charts.best[asked.segment][:, : 2 * most])
        if name == "new":
            return _without_partner(self._new(asked, most))
        if name == "taste" and self.index is not None and asked.vectors is not None and len(self.index):
            return _without_partner(self.index.search(asked.vectors, most)[0])
        return _without_partner(np.zeros((len(asked), 0), np.int64))

    def _near(self, kind: str, items: Ints, most: int) -> tuple[Ints, Ints]:
        """The items that most go with these, by the sum of their weights; the partner adds the most."""
        near, weight = self.neighbours.near[kind](items)
        requests, partners, kept = near.shape
        partner = np.repeat(items[:, :, None], kept, axis=2)
        shape = requests, partners * kept
        return _summed(near.reshape(shape).astype(np.int64), weight.reshape(shape), partner.reshape(shape), most)

    def _new(self, asked: Asked, most: int) -> Ints:
        """Those that came out last before the request."""
        out = self.out
        first = len(out) - np.searchsorted(out[::-1], asked.time, side="right")
        rank = first[:, None] + np.arange(most)
        there = rank < len(out)
        return np.where(there, self.newest[np.minimum(rank, len(out) - 1)], -1) if len(out) else rank[:, :0]


def newest_first(released: Ints, delisted: Ints, time: int) -> Ints:
    """Items that are or will be for sale at a time or later, the last released first; undated ones are left out."""
    dated = np.flatnonzero((released > np.iinfo(np.int64).min) & (delisted > time))
    return dated[np.argsort(-released[dated], kind="stable")]


def _without_partner(items: Ints) -> tuple[Ints, Ints]:
    return items, np.full(items.shape, -1)


def _summed(near: Ints, weight: NDArray[np.floating], partner: Ints, most: int) -> tuple[Ints, Ints]:
    # Most items have few neighbours: columns in which nobody has one are left out.
    there = (near >= 0).any(axis=0)
    near, weight, partner = near[:, there], weight[:, there], partner[:, there]
    requests, width = near.shape
    if not width:
        return _without_partner(near)
    order = np.lexsort((-weight, near), axis=1)
    item, w, who = (np.take_along_axis(each, order, 1) for each in (near, weight, partner))
    first = np.diff(item, axis=1, prepend=-2) != 0
    group = np.cumsum(first, axis=1) - 1 + width * np.arange(requests)[:, None]
    total = np.bincount(group.ravel(), w.ravel(), requests * width).reshape(requests, width)
    # A group's place in `total` is its rank in the row; its item is where the group begins.
    row, column = np.nonzero(first)
    items, partners = np.full((requests, width), -1), np.full((requests, width), -1)
    rank = group[row, column] - width * row
    items[row, rank], partners[row, rank] = item[row, column], who[row, column]
    best = np.argsort(-np.where(items >= 0, total, -1.0), axis=1, kind="stable")[:, :most]
    return np.take_along_axis(items, best, 1), np.take_along_axis(partners, best, 1)


def _once(item: Ints) -> Ints:
    """The same with -1 where an item stands further left in its row already."""
    order = np.argsort(item, axis=1, kind="stable")
    ranked = np.take_along_axis(item, order, 1)
    again = np.zeros(item.shape, bool)
    np.put_along_axis(again, order[:, 1:], ranked[:, 1:] == ranked[:, :-1], 1)
    return np.where(again, -1, item)


def places_of(items: Sequence[Sequence[int]]) -> Ints:
    """Lists as an array with -1 on the right, at least one column."""
    width = max((len(row) for row in items), default=0) or 1
    made = np.full((len(items), width), -1)
    for at, row in enumerate(items):
        made[at, : len(row)] = row
    return made
