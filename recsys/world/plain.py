"""The policy of the first weeks: what is popular, what is popular in a category, and chance; without any model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recsys.world.catalogue import RATINGS, Assortment
from recsys.world.draws import Draws, Flags, Floats, Ints
from recsys.world.policy import SIZES, Requests, ShownSlates
from recsys.world.words import CATEGORIES

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "plain-1"
# Weights of the charts, of the charts in the category of the request, and of a fair draw over all.
MIX = {"homepage": (0.7, 0.0, 0.3), "cart": (0.25, 0.55, 0.2), "post_purchase": (0.25, 0.55, 0.2)}
# Somebody whose age is not known sees what is fit from this age on.
UNKNOWN_AGE_SEES = 12


@dataclass(frozen=True, slots=True)
class PlainPolicy:
    """Charts come from outside the shop: what is shown to one never depends on what others do here.

    Attributes:
        stated_age: of each person, -1 where it is not known, shape (people,).
    """

    catalogue: Assortment
    stated_age: Ints
    draws: Draws
    mix: dict[str, tuple[float, float, float]] = field(default_factory=lambda: MIX)

    def show(self, ask: Requests) -> ShownSlates:
        """Slates drawn place after place without repetition; nothing owned, nothing above the person's age.

        At each place the chance of an item is the mixture of three draws over what may still stand there: in
        proportion to the charts, the same in the category of the request's first item, and uniform. A category that
        has nothing left gives its weight to the charts. On the wishlist, the wished items in a fair order.
        """
        return self._reorder(ask) if ask.surface == "wishlist" else _Board(self, ask).fill(SIZES[ask.surface])

    def learn(self, tables: Mapping[str, "pa.Table"]) -> None:
        """It learns nothing."""

    def _reorder(self, ask: Requests) -> ShownSlates:
        order = np.lexsort((self.draws.uniform("wishlist order", ask.day, ask.person[ask.about_row], ask.about_item),
                            ask.about_row))  # fmt: skip
        row, item = ask.about_row[order], ask.about_item[order]
        count = np.bincount(row, minlength=len(ask.person))
        place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        short = place < SIZES["wishlist"]
        shape = len(ask.person), SIZES["wishlist"]
        shown, left = np.full(shape, -1), np.maximum(count[:, None] - np.arange(shape[1]), 0)
        shown[row[short], place[short]] = item[short]
        return ShownSlates(NAME, shown, np.where(left > 0, 1 / np.maximum(left, 1), 0.0), left)


class _Board:
    """Slates half filled: what may still stand there, as sums of weights that shrink with every place."""

    def __init__(self, policy: PlainPolicy, ask: Requests) -> None:
        self.draws, self.ask, self.mix = policy.draws, ask, policy.mix[ask.surface]
        catalogue, n = policy.catalogue, len(ask.person)
        sold = np.flatnonzero(catalogue.sold_on(ask.day))
        # In order of category, so that one running sum serves the charts and the charts of a category.
        self.items = sold[np.argsort(catalogue.category[sold], kind="stable")]
        self.at = np.full(len(catalogue), -1)
        self.at[self.items] = np.arange(len(self.items))
        self.category = catalogue.category[self.items]
        self.weight = catalogue.chart[self.items]
        self.edges = np.concatenate([[0.0], np.cumsum(self.weight)])
        self.bounds = np.searchsorted(self.category, np.arange(len(CATEGORIES) + 1))
        age = policy.stated_age[ask.person]
        self.level = np.searchsorted(RATINGS, np.where(age < 0, UNKNOWN_AGE_SEES, age), side="right") - 1
        self.fit = catalogue.rating[self.items] <= np.array(RATINGS)[:, None]
        self.focus = np.full(n, -1)
        self.focus[ask.about_row[::-1]] = catalogue.category[ask.about_item[::-1]]
        self.out = self._excluded(len(self.items))
        self._sums(n)

    def _excluded(self, items: int) -> Ints:
        """Sorted keys row * items + place of what a person owns or the request is about."""
        rows = np.concatenate([self.ask.owned_row, self.ask.about_row])
        at = self.at[np.concatenate([self.ask.owned_item, self.ask.about_item])]
        return np.unique((rows * items + at)[at >= 0])

    def _sums(self, n: int) -> None:
        """Of what may stand there: the sum of weights, that of the category in focus, and the numbers of both."""
        size = len(self.items)
        group = np.eye(len(CATEGORIES), dtype=bool)[self.category]
        mass, number = (self.fit * self.weight) @ group, self.fit.astype(np.float64) @ group
        focused, place = self.focus >= 0, np.maximum(self.focus, 0)
        self.mass, self.count = mass.sum(axis=1)[self.level], number.sum(axis=1)[self.level]
        self.near = np.where(focused, mass[self.level, place], 0.0)
        self.near_count = np.where(focused, number[self.level, place], 0.0)
        row, at = self.out // size, self.out % size
        here = self.fit[self.level[row], at]
        self._take(row[here], at[here], n)

    def _take(self, row: Ints, at: Ints, n: int) -> None:
        weight, focus = self.weight[at], self.category[at] == self.focus[row]
        self.mass = self.mass - np.bincount(row, weight, n)
        self.count = self.count - np.bincount(row, minlength=n)
        self.near = self.near - np.bincount(row, weight * focus, n)
        self.near_count = self.near_count - np.bincount(row, focus, n)

    def fill(self, size: int) -> ShownSlates:
        n = len(self.ask.person)
        placed, propensity = np.full((n, size), -1), np.zeros((n, size))
        candidates = np.zeros((n, size), np.int64)
        for place in range(size):
            candidates[:, place] = np.rint(self.count)
            at = self._draw(place, placed)
            there = np.flatnonzero(at >= 0)
            placed[:, place] = at
            propensity[there, place] = self._chance(there, at[there])
            self._take(there, at[there], n)
        shown = np.where(placed >= 0, self.items[np.maximum(placed, 0)], -1)
        return ShownSlates(NAME, shown, propensity, candidates)

    def _shares(self, rows: Ints) -> tuple[Floats, Floats, Floats]:
        """The weights of the three draws for these rows."""
        charts, near, fair = self.mix
        near_here = np.where(self.near_count[rows] > 0.5, near, 0.0)
        return charts + near - near_here, near_here, np.full(len(rows), fair)

    def _chance(self, rows: Ints, at: Ints) -> Floats:
        charts, near, fair = self._shares(rows)
        focus = self.category[at] == self.focus[rows]
        weight = self.weight[at]
        # A sum that shrank by subtraction may err in the last digits: never below the item's own weight.
        return np.asarray(
            charts * weight / np.maximum(self.mass[rows], weight)
            + near * focus * weight / np.maximum(self.near[rows], weight)
            + fair / np.maximum(self.count[rows], 1.0)
        )

    def _draw(self, place: int, placed: Ints) -> Ints:
        """A place in `items` for each row, -1 where nothing may stand: draws that do not fit are drawn again."""
        at = np.full(len(self.ask.person), -1)
        waiting = np.flatnonzero(self.count > 0.5)
        part = self.draws.uniform(f"{self.ask.surface} part", self.ask.day, self.ask.person, place)
        attempt = 0
        while len(waiting):
            found = self._once(waiting, part[waiting], place, attempt)
            good = self._fits(waiting, found, placed[waiting])
            at[waiting[good]] = found[good]
            waiting, attempt = waiting[~good], attempt + 1
        return at

    def _once(self, rows: Ints, part: Floats, place: int, attempt: int) -> Ints:
        charts, near, _ = self._shares(rows)
        purpose = f"{self.ask.surface} item {attempt}"
        u = self.draws.uniform(purpose, self.ask.day, self.ask.person[rows], place)
        focus = np.maximum(self.focus[rows], 0)
        nearby = (part >= charts) & (part < charts + near)
        low = np.where(nearby, self.edges[self.bounds[focus]], 0.0)
        high = np.where(nearby, self.edges[self.bounds[focus + 1]], self.edges[-1])
        by_weight = np.searchsorted(self.edges, low + u * (high - low), side="right") - 1
        fairly = (u * len(self.items)).astype(np.int64)
        return np.minimum(np.where(part < charts + near, by_weight, fairly), len(self.items) - 1)

    def _fits(self, rows: Ints, at: Ints, placed: Ints) -> Flags:
        key = rows * len(self.items) + at
        place = np.minimum(np.searchsorted(self.out, key), max(len(self.out) - 1, 0))
        out = self.out[place] == key if len(self.out) else np.zeros(len(key), bool)
        return np.asarray(self.fit[self.level[rows], at] & ~out & ~(placed == at[:, None]).any(axis=1))
