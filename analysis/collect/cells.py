"""Moments of every (look, segment, arm) from per-unit values that only ever move on a unit's active days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.collect.events import Increment, apply, opening, settled
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.variables import Variable

# Joint cells beyond this cost more than a pass for each dimension.
JOINT = 4096
# Up to this ratio of squared mean to variance, sums of squares keep twelve digits of the variance.
SAFE = 1e4
# Values that a column's shift is taken from.
SAMPLE = 1001
# Rows that are filled together: few enough to stay in the cache.
BLOCK = 8192


@dataclass(frozen=True, slots=True)
class Course:
    """How the n units' values move: fixed columns, and columns that grow by increments.

    Attributes:
        looks: number of looks.
        entry: look at which each unit is first in, shape (n,).
        values: final value of every variable, by unit.
        moving: increments by variable and look; variables that are not here keep `values` throughout.
        caps: upper limits that moving values get at every look.
    """

    looks: int
    entry: NDArray[np.uint16]
    values: dict[Variable, Array]
    moving: dict[Variable, dict[int, list[Increment]]]
    caps: dict[Variable, float]


def tally(
    course: Course, arm: NDArray[np.int32], arms: int, dimensions: list[tuple[NDArray[np.int32], int]]
) -> Moments:
    """Moments in cells (looks, 1 + all levels of all dimensions, arms).

    Args:
        arm: arm of each unit, shape (n,).
        dimensions: codes of each unit, shape (n,), and number of levels.
    """
    groups = [dimensions] if np.prod([float(size) for _, size in dimensions]) <= JOINT else [[d] for d in dimensions]
    sheets = [_Sheet(course, arm, arms, group) for group in groups]
    looks = [_glue([sheet.moments(look) for sheet in sheets]) for look in replay(course, sheets)]
    return Moments.stack(looks, len(looks))


def _glue(parts: list[Moments]) -> Moments:
    """All units from the first part, then the levels of every part."""
    first, *rest = parts
    return Moments(
        first.variables,
        np.concatenate([first.n, *(p.n[1:] for p in rest)]),
        np.concatenate([first.mean, *(p.mean[1:] for p in rest)]),
        np.concatenate([first.cross, *(p.cross[1:] for p in rest)]),
    )


class Board(Protocol):
    """What a replay writes the moving values to."""

    def write(self, variable: Variable, units: NDArray[np.int32], values: Array) -> None:
        """Sets the present values of some units, which may repeat."""
        ...


def replay(course: Course, boards: Sequence[Board]) -> Iterator[int]:
    """Brings the boards to each look in turn."""
    totals = {variable: opening(variable, len(course.entry)) for variable in course.moving}
    for look in range(course.looks):
        for variable, total in totals.items():
            for units, amounts in course.moving[variable].get(look, ()):
                apply(variable, total, units, amounts)
                now = np.minimum(settled(variable, total.take(units)), course.caps.get(variable, np.inf))
                for board in boards:
                    board.write(variable, units, now)
        yield look


def typical(values: Array) -> float:
    """The median of some: a mean would let one huge value in an arm take the digits of the other arm."""
    return float(np.median(values[:: max(1, len(values) // SAMPLE)]))


class _Sheet:
    """Units as rows, sorted by cell and look of entry, so that those in at a look are the first rows of each cell."""

    def __init__(
        self, course: Course, arm: NDArray[np.int32], arms: int, group: list[tuple[NDArray[Any], int]]
    ) -> None:
        self.variables = tuple(course.values)
        self.arms = arms
        self.sizes = [size for _, size in group]
        joint = np.ravel_multi_index([c for c, _ in group], self.sizes) if group else np.uint16(0)
        levels = int(np.prod(self.sizes, dtype=np.int64))
        self.cells = arms * levels
        # numpy sorts 16-bit numbers by radix, ten times faster.
        size = np.uint16 if self.cells * course.looks < 1 << 16 else np.int64
        key: NDArray[Any] = arm.astype(size)
        for base, digit in ((levels, joint), (course.looks, course.entry)):
            key *= size(base)
            key += digit.astype(size)
        self.order = np.argsort(key, kind="stable")
        counts = np.bincount(key, minlength=self.cells * course.looks).reshape(self.cells, course.looks)
        self.start = np.append(0, np.cumsum(counts.sum(axis=1)))[:-1]
        self.end = self.start[:, None] + np.cumsum(counts, axis=1)
        self.shift = np.array([0.0 if v in course.moving else typical(course.values[v]) for v in self.variables])
        self.columns = [
            min(0.0, course.caps.get(v, np.inf)) if v in course.moving else course.values[v] for v in self.variables
        ]
        self.rows: Array | None = None
        if course.looks > 1 or course.moving:
            self.place = np.empty(len(arm), np.int64)
            self.place[self.order] = np.arange(len(arm))
            self.rows = np.empty((len(arm), len(self.columns) + 1))
            for low in range(0, len(arm), BLOCK):
                self._fill(low, self.rows[low : low + BLOCK])

    def _fill(self, low: int, out: Array) -> Array:
        """Writes the opening values of the rows from `low` on."""
        units = self.order[low : low + len(out)]
        for k, column in enumerate(self.columns):
            out[:, k] = column if isinstance(column, float) else column.take(units) - self.shift[k]
        # A last column of ones makes one product give counts, sums and cross-products.
        out[:, -1] = 1.0
        return out

    def _blocks(self, cell: int, look: int) -> Iterator[Array]:
        """The rows of a cell's units that are in at `look`; those of an only look are never all in memory."""
        low, high = int(self.start[cell]), int(self.end[cell, look])
        if self.rows is not None:
            yield self.rows[low:high]
        else:
            space = np.empty((BLOCK, len(self.columns) + 1))
            for start in range(low, high, BLOCK):
                yield self._fill(start, space[: min(BLOCK, high - start)])

    def write(self, variable: Variable, units: NDArray[np.int32], values: Array) -> None:
        """Sets the present values of some units."""
        assert self.rows is not None
        self.rows[self.place.take(units), self.variables.index(variable)] = values

    def moments(self, look: int) -> Moments:
        """Moments (1 + levels, arms) of the units that are in at `look`."""
        p = len(self.variables)
        products = np.zeros((self.cells, p + 1, p + 1))
        for cell in range(self.cells):
            for block in self._blocks(cell, look):
                products[cell] += block.T @ block
        n, total = products[:, p, p], products[:, p, :p]
        mean = np.divide(total, n[:, None], out=np.zeros_like(total), where=n[:, None] > 0)
        cross = products[:, :p, :p] - total[:, :, None] * mean[:, None, :]
        self._repair(look, n, mean, cross)
        return self._merge(n, mean, cross)

    def _repair(self, look: int, n: Array, mean: Array, cross: Array) -> None:
        """Computes the cells anew, in two passes, where a mean is so far from 0 that digits were lost."""
        variance = np.diagonal(cross, axis1=1, axis2=2)
        lost = (n[:, None] * mean**2 > SAFE * variance).any(axis=1)
        for cell in np.flatnonzero(lost & (n > 0)).tolist():
            rows = np.concatenate([block[:, :-1].copy() for block in self._blocks(cell, look)])
            exact = Moments.of(rows, self.variables)
            mean[cell], cross[cell] = exact.mean, exact.cross

    def _merge(self, n: Array, mean: Array, cross: Array) -> Moments:
        """All units and each level, from joint cells (arms x levels)."""
        p = len(self.variables)
        joint = self.cells // self.arms
        of_level = np.unravel_index(np.arange(joint), self.sizes) if self.sizes else ()
        member = np.vstack(
            [np.ones((1, joint)), *(np.eye(size)[:, code] for size, code in zip(self.sizes, of_level, strict=True))]
        )
        n, mean, cross = (
            n.reshape(self.arms, joint),
            mean.reshape(self.arms, joint, p),
            cross.reshape(self.arms, joint, p * p),
        )
        out_n, out_mean, out_cross = [], [], []
        for a in range(self.arms):
            units = member @ n[a]
            centre = np.divide(
                member @ (n[a][:, None] * mean[a]),
                units[:, None],
                out=np.zeros((len(member), p)),
                where=units[:, None] > 0,
            )
            spread = member @ cross[a]
            for row in range(len(member)):
                inside = np.flatnonzero(member[row] * n[a])
                gap = mean[a][inside] - centre[row]
                spread[row] += ((gap * n[a][inside, None]).T @ gap).ravel()
            out_n.append(units)
            out_mean.append(centre + self.shift * (units > 0)[:, None])
            out_cross.append(spread.reshape(len(member), p, p))
        return Moments(self.variables, np.stack(out_n, 1), np.stack(out_mean, 1), np.stack(out_cross, 1))
