"""Sets of (person, item), such as what people own, kept as sorted numbers: small, fast, easily saved."""

from dataclasses import dataclass

import numpy as np

from recsys.world.draws import Flags, Ints


@dataclass(frozen=True, slots=True)
class Pairs:
    """Each pair once, in order of person and item; shape (pairs,).

    Attributes:
        items: how many items there are, so that key = person * items + item.
        slate: the slate that it followed from, -1 for none.
        day: since when.
    """

    items: int
    key: Ints
    slate: Ints
    day: Ints

    @classmethod
    def none(cls, items: int) -> "Pairs":
        empty = np.zeros(0, np.int64)
        return cls(items, empty, empty, empty)

    def __len__(self) -> int:
        return len(self.key)

    @property
    def person(self) -> Ints:
        return self.key // self.items

    @property
    def item(self) -> Ints:
        return self.key % self.items

    def has(self, person: Ints, item: Ints) -> Flags:
        """Broadcast together."""
        key = np.asarray(person) * self.items + item
        if not len(self.key):
            return np.zeros(key.shape, bool)
        place = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return np.asarray(self.key[place] == key)

    def of(self, persons: Ints) -> tuple[Ints, Ints]:
        """For each pair of these people: the place in `persons`, and the row here."""
        return ranges(
            np.searchsorted(self.key, persons * self.items), np.searchsorted(self.key, (persons + 1) * self.items)
        )

    def add(self, person: Ints, item: Ints, slate: Ints, day: int) -> "Pairs":
        """With these pairs, each once; one that is there stays as it is."""
        key, first = np.unique(person * self.items + item, return_index=True)
        fresh = ~self.has(key // self.items, key % self.items)
        key, slate = key[fresh], slate[first][fresh]
        at = np.searchsorted(self.key, key)
        return Pairs(
            self.items,
            np.insert(self.key, at, key),
            np.insert(self.slate, at, slate),
            np.insert(self.day, at, day),
        )

    def drop(self, person: Ints, item: Ints) -> "Pairs":
        """Without these pairs."""
        return self.keep(~np.isin(self.key, person * self.items + item))

    def keep(self, rows: Flags) -> "Pairs":
        return self if rows.all() else Pairs(self.items, self.key[rows], self.slate[rows], self.day[rows])


def ranges(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All numbers from low to high (not included) of each pair, with the pair's place: (places, numbers)."""
    count = high - low
    place = np.repeat(np.arange(len(low)), count)
    return place, np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count) + low[place]


def first_of_each(*columns: Ints) -> Flags:
    """Where a combination of the columns occurs for the first time, shape of a column."""
    order = np.lexsort(columns[::-1])
    same = np.ones(max(len(order) - 1, 0), bool)
    for column in columns:
        same &= column[order][1:] == column[order][:-1]
    first = np.ones(len(order), bool)
    first[order[1:]] = ~same
    return first
