"""Moments under arms that are drawn again and again: all draws at once, from what each look has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from analysis.collect.cells import SAFE, Course, replay, typical
from analysis.collect.clusters import moments_of_sums, running_sums
from analysis.collect.units import Labels
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.variables import SIZE, Variable

Codes = NDArray[np.uint8]
# Units that are multiplied at once stay in the cache, in pieces so small that BLAS does not hand them to other threads,
# which cost more than they do.
BLOCK, PIECE, FEATURES = 1024, 64, 32
# What is left of a sum of squares when nothing is left but rounding.
NOTHING = 1e-12


def draw_arms(rng: np.random.Generator, n: int, shares: Array, runs: int) -> Iterator[Codes]:
    """Arms of n units in each of the runs by planned shares, in blocks of units, shape (units, runs) each."""
    bounds = np.cumsum(shares / np.sum(shares))[:-1] * 2.0**32
    for low in range(0, n, BLOCK):
        draws = rng.integers(0, 1 << 32, (min(BLOCK, n - low), runs), np.uint32)
        yield np.sum([draws >= bound for bound in bounds], axis=0, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Draws:
    """Which of n units are in each treatment arm in each run, as bits: shape (arms - 1, n, runs / 8)."""

    bits: NDArray[np.uint8]
    runs: int

    @classmethod
    def of(cls, blocks: Iterator[Codes], arms: int, runs: int) -> Draws:
        """Draws from blocks of codes, 0 for control."""
        parts = [np.stack([np.packbits(codes == a, axis=1) for a in range(1, arms)]) for codes in blocks]
        return cls(np.concatenate(parts, axis=1), runs)

    def sums(self, units: NDArray[np.int64], values: Array) -> Array:
        """Sums of `values` (q, units) over those of `units` that are in each arm, shape (arms - 1, q, runs)."""
        q, spare = len(values), -len(units) % PIECE
        units, values = np.pad(units, (0, spare)), np.pad(values, ((0, 0), (0, spare)))
        total = np.zeros((len(self.bits), q, self.runs))
        for low in range(0, len(units), BLOCK):
            rows = units[low : low + BLOCK]
            pieces = values[:, low : low + BLOCK].reshape(q, -1, PIECE).swapaxes(0, 1)
            for arm, bits in zip(total, self.bits, strict=True):
                inside = np.unpackbits(bits[rows], axis=1, count=self.runs).astype(float).reshape(-1, PIECE, self.runs)
                for some in range(0, q, FEATURES):
                    arm[some : some + FEATURES] += (pieces[:, some : some + FEATURES] @ inside).sum(axis=0)
        return total


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over units of 1, of variables less their `shift`, and of products of pairs of them.

    `values` has the shape (looks, arms, 1 + variables + pairs, runs).
    """

    variables: tuple[Variable, ...]
    pairs: tuple[tuple[int, int], ...]
    shift: Array
    values: Array

    def moments(self, variables: tuple[Variable, ...]) -> Moments:
        """Moments of variables of which all pairs were summed up, in cells (looks, 1, arms, runs)."""
        place = [self.variables.index(v) for v in variables]
        n, total = self.values[:, None, :, 0], np.moveaxis(self.values[:, None, :, [1 + k for k in place]], 3, -1)
        mean = np.divide(total, n[..., None], out=np.zeros_like(total), where=n[..., None] > 0)
        pair = {pair: 1 + len(self.variables) + k for k, pair in enumerate(self.pairs)}
        which = [[pair[min(i, j), max(i, j)] for j in place] for i in place]
        products = np.moveaxis(self.values[:, None, :, which], (3, 4), (-2, -1))
        cross = products - total[..., :, None] * mean[..., None, :]
        return Moments(variables, n, mean + self.shift[place] * (n > 0)[..., None], cross)


class _Changes:
    """Units' present values less their shift, and which of them a look has changed."""

    def __init__(self, course: Course) -> None:
        self.course, self.place = course, {v: k for k, v in enumerate(course.values)}
        self.shift = np.array([_shift(course, v) for v in course.values])
        start = [
            min(0.0, course.caps.get(v, np.inf)) if v in course.moving else course.values[v] for v in course.values
        ]
        self.now = np.stack([np.broadcast_to(s, len(course.entry)) for s in start]) - self.shift[:, None]
        self.before = self.now.copy()
        self.entering = np.argsort(course.entry, kind="stable")
        self.edges = np.searchsorted(course.entry[self.entering], np.arange(course.looks + 1))
        self.touched: list[NDArray[np.int32]] = []

    def write(self, variable: Variable, units: NDArray[np.int32], values: Array) -> None:
        k = self.place[variable]
        self.now[k, units] = values - self.shift[k]
        self.touched.append(units)

    def take(self, look: int, pairs: tuple[tuple[int, int], ...]) -> tuple[NDArray[np.int64], Array]:
        """Units that a look brought or changed, and by how much 1, values and products of pairs grew, (q, units)."""
        entered = self.entering[self.edges[look] : self.edges[look + 1]]
        changed = np.zeros(self.now.shape[1], bool)
        changed[np.concatenate([entered, *self.touched])] = True
        self.touched.clear()
        units = np.flatnonzero(changed)
        now = self.now[:, units]
        grown = _features(now, pairs)
        grown -= _features(self.before[:, units], pairs) * (self.course.entry[units] < look)
        self.before[:, units] = now
        return units, grown


def relabelled(course: Course, draws: Draws, groups: list[tuple[Variable, ...]]) -> Sums:
    """Sums of each look in each arm and run; pairs are those within each of the groups of variables."""
    changes = _Changes(course)
    places = [sorted(changes.place[v] for v in group) for group in groups]
    pairs = tuple(sorted({pair for some in places for pair in combinations_with_replacement(some, 2)}))
    arms, size = len(draws.bits) + 1, 1 + len(changes.place) + len(pairs)
    values = np.zeros((course.looks, arms, size, draws.runs))
    whole, treated = np.zeros((size, 1)), np.zeros((arms - 1, size, draws.runs))
    for look in replay(course, [changes]):
        units, grown = changes.take(look, pairs)
        whole += grown.sum(axis=1)[:, None]
        treated += draws.sums(units, grown)
        rest = whole - treated.sum(axis=0)
        values[look, 0], values[look, 1:] = np.where(np.abs(rest) > NOTHING * np.abs(whole), rest, 0.0), treated
    return Sums(tuple(course.values), pairs, changes.shift, values)


def relabelled_clusters(course: Course, clusters: Labels, codes: Codes, arms: int) -> Moments:
    """Moments of clusters in cells (looks, 1, arms, runs), from the arm of each, shape (clusters, runs)."""
    variables, looks = tuple(course.values), []
    for sums in running_sums(course, clusters):
        here = np.flatnonzero(sums[:, variables.index(SIZE)])
        inside, drawn = sums[here], codes[here]
        cells = [moments_of_sums(inside[one == a], variables) for a in range(arms) for one in drawn.T]
        looks.append(Moments.stack(cells, 1, arms, codes.shape[1]))
    return Moments.stack(looks, len(looks))


def _shift(course: Course, variable: Variable) -> float:
    """0 for what moves from there, so that whole numbers stay whole, unless it ends so far that digits are lost."""
    found = course.values[variable]
    near = variable in course.moving and float(np.mean(found)) ** 2 <= SAFE * float(np.var(found))
    return 0.0 if near else typical(found)


def _features(values: Array, pairs: tuple[tuple[int, int], ...]) -> Array:
    """1, the values (p, units) and the products of pairs, shape (1 + p + pairs, units)."""
    first, second = np.array(pairs).T
    return np.concatenate([np.ones((1, values.shape[1])), values, values[first] * values[second]])
