"""Batches of histories: which acts stand in which row, the same for every process and after every restart."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.forward import bucket
from recsys.encoder.recipe import Recipe
from recsys.encoder.shape import Shape
from recsys.interactions import ACTIONS, Interactions

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of acts, padded on the right; the act at place t is predicted from those before it.

    Attributes:
        number: of the batch since training began; with the recipe's seed it says all that is random in a step.
        items: places in `local`, shape (rows, n); padding is 0.
        actions, gaps: of the acts, and the bucket of the time since the act before; gaps[:, 0] is 0.
        surfaces, targets: what the model is told of the act to come.
        wanted: whether the act is to be predicted, bool (rows, n).
        local: the items that the batch needs, in order, shape (some,); the first `negatives` are the negatives.
        negatives: how many of `local` are negatives.
        corrections: log of how often each negative stands in the draw less log of how often it was to be expected.
    """

    number: int
    items: Numbers
    actions: Numbers
    gaps: Numbers
    surfaces: Numbers
    targets: Numbers
    wanted: NDArray[np.bool_]
    local: Numbers
    negatives: int
    corrections: NDArray[np.float32]


@dataclass(frozen=True)
class Batches:
    """All batches of a training set, round after round.

    Attributes:
        surface: place in SURFACES where each act came from, shape (acts,); None where it is not known.
        wanted: acts that are to be predicted at all, bool (acts,); None for every one.
    """

    data: Interactions
    shape: Shape
    recipe: Recipe
    surface: NDArray[np.int8] | None = None
    wanted: NDArray[np.bool_] | None = None

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Of each item in all acts, shape (items,)."""
        return np.bincount(self.data.item, minlength=len(self.data.items)) / max(len(self.data), 1)

    @cached_property
    def touched(self) -> Numbers:
        """Items with an act. Only they are negatives: of the others nobody has said that they do not want them."""
        return np.flatnonzero(self.shares > 0)

    def round(self, number: int, first: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of one epoch but for the first `skip`; `first` is the number of the epoch's first one."""
        rng = np.random.default_rng([self.recipe.seed, 1, number])
        acts, begins, lengths = self._windows(rng)
        for place, rows in enumerate(self._plan(lengths, rng)):
            if place >= skip:
                yield self._batch(first + place, acts, begins[rows], lengths[rows])

    @cached_property
    def per_round(self) -> int:
        """Batches in an epoch; every epoch has as many."""
        rng = np.random.default_rng(0)
        return len(self._plan(self._windows(rng)[2], rng))

    def _windows(self, rng: np.random.Generator) -> tuple[Numbers, Numbers, Numbers]:
        """Rows of the data in reading order, and where in it each window begins and how long it is."""
        acts = np.arange(len(self.data))
        if not self.shape.ordered:
            acts = np.lexsort((rng.random(len(acts)), self.data.user))
        starts = self.data.starts
        most = self.shape.length + 1
        counts = -(-np.diff(starts) // most)
        owner = np.repeat(np.arange(len(counts)), counts)
        # Windows are cut from the end of a history, so that the latest acts stand in a full one.
        from_end = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        ends = starts[owner + 1] - from_end * most
        begins = np.maximum(ends - most, starts[owner])
        return acts, begins, ends - begins

    def _plan(self, lengths: Numbers, rng: np.random.Generator) -> list[Numbers]:
        """Windows of like length together, as many as `tokens` allow, the batches in random order."""
        order = np.lexsort((rng.random(len(lengths)), -lengths))
        plan, at = [], 0
        while at < len(order):
            rows = max(1, self.recipe.tokens // int(lengths[order[at]]))
            plan.append(order[at : at + rows])
            at += rows
        return [plan[place] for place in rng.permutation(len(plan))]

    def _batch(self, number: int, acts: Numbers, begins: Numbers, lengths: Numbers) -> Batch:
        rng = np.random.default_rng([self.recipe.seed, 2, number])
        n = int(lengths.max())
        there = np.arange(n) < lengths[:, None]
        rows = acts[np.where(there, begins[:, None] + np.arange(n), 0)]
        items = np.where(there, self.data.item[rows], -1).astype(np.int64)
        wanted = there if self.wanted is None else there & self.wanted[rows]
        if not self.recipe.repeats:
            wanted = wanted & ~_seen_before(items)
        negatives, corrections = self._negatives(items[wanted], rng)
        inputs = items[there]
        local = np.concatenate([negatives, np.setdiff1d(inputs, negatives)])
        where = np.zeros(len(self.data.items), np.int64)
        where[local] = np.arange(len(local))
        gaps = bucket(np.diff(self.data.time[rows], axis=1, prepend=self.data.time[rows[:, :1]]))
        surfaces, targets = self._told(rows, rng)
        return Batch(
            number,
            np.where(there, where[np.where(there, items, 0)], 0),
            self.data.action[rows].astype(np.int64),
            gaps if self.shape.ordered else np.zeros_like(gaps),
            surfaces,
            targets,
            wanted,
            local,
            len(negatives),
            corrections,
        )

    def _negatives(self, wanted: Numbers, rng: np.random.Generator) -> tuple[Numbers, NDArray[np.float32]]:
        """What answers are told from: items, each once, with the correction for how often it was to be drawn."""
        recipe, known = self.recipe, self.touched
        if recipe.uniform >= len(known):
            return known, np.zeros(len(known), np.float32)
        drawn = rng.choice(known, recipe.uniform)
        in_batch = recipe.in_batch if len(wanted) else 0
        if in_batch:
            drawn = np.concatenate([drawn, rng.choice(wanted, in_batch)])
        found, times = np.unique(drawn, return_counts=True)
        expected = recipe.uniform / len(known) + in_batch * self.shares[found]
        return found, np.log(times / expected).astype(np.float32)

    def _told(self, rows: Numbers, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Surface and action of the act to come, each left untold for a share of the acts."""
        untold = rng.random((2, *rows.shape)) < self.recipe.query_dropout
        surfaces = np.zeros(rows.shape, np.int64) if self.surface is None else self.surface[rows].astype(np.int64)
        return np.where(untold[0], 0, surfaces), np.where(
            untold[1], len(ACTIONS), self.data.action[rows].astype(np.int64)
        )


def _seen_before(items: Numbers) -> NDArray[np.bool_]:
    """Whether the row holds the same item at an earlier place; shape of `items`."""
    order = np.argsort(items, axis=1, kind="stable")
    sorted_items = np.take_along_axis(items, order, axis=1)
    again = np.zeros(items.shape, bool)
    np.put_along_axis(again, order[:, 1:], sorted_items[:, 1:] == sorted_items[:, :-1], axis=1)
    return again
