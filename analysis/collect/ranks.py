"""Quantiles of rows in every (look, segment, arm): rows are sorted once, and looked up by rank."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.collect.cells import Course
from analysis.collect.events import Batch
from analysis.collect.units import Units
from analysis.experiment import Experiment
from analysis.metrics.metric import Array
from analysis.metrics.quantile import Quantile
from analysis.quantiles import QuantileCells, Z
from analysis.variables import Variable

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows in order of value, shape (rows,) each.

    `alone` says that every unit has one row. `unit` is what rows belong together by.
    """

    unit: Ints
    value: Array
    look: NDArray[np.uint16]
    alone: bool

    @classmethod
    def of(cls, unit: NDArray[Any], value: Array, look: NDArray[np.uint16], *, alone: bool) -> "Ranked":
        """The rows sorted."""
        order = np.argsort(value)
        return cls(unit[order].astype(np.int64), value[order], look[order], alone)


def quantiles_of(
    experiment: Experiment, units: Units, rows: dict[Variable, list[Batch]], course: Course
) -> dict[str, QuantileCells]:
    """The cells of each quantile metric, by its id; the rows of a table are its units."""
    wanted: dict[Variable, dict[str, float]] = defaultdict(dict)
    for metric in experiment.metrics:
        if isinstance(metric, Quantile):
            wanted[metric.outcome.numerator][metric.id] = metric.quantile
    arm, dimensions = units.arm, [(labels.codes, len(labels.names)) for labels in units.segments.values()]
    if units.clusters is not None:
        some = np.unique(units.clusters.codes, return_index=True)[1]
        arm, dimensions = arm[some], [(code[some], size) for code, size in dimensions]
    found: dict[str, QuantileCells] = {}
    for variable, metrics in wanted.items():
        if variable in units.columns:
            unit, value, look = np.arange(len(units)), units.columns[variable], course.entry
        else:
            none = (np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.uint16))
            unit, value, look = (np.concatenate(part) for part in zip(none, *rows[variable], strict=True))
        together = unit if units.clusters is None else units.clusters.codes[unit]
        ranked = Ranked.of(together, value, look, alone=variable in units.columns and units.clusters is None)
        cells = quantile_cells(ranked, tuple(metrics.values()), course.looks, arm, len(experiment.arms), dimensions)
        found |= dict(zip(metrics, cells, strict=True))
    return found


def quantile_cells(
    rows: Ranked,
    quantiles: tuple[float, ...],
    looks: int,
    arm: NDArray[Any],
    arms: int,
    dimensions: list[tuple[NDArray[Any], int]],
) -> list[QuantileCells]:
    """For each quantile its cells (looks, 1 + all levels of all dimensions, arms).

    Args:
        arm: arm of each unit, shape (n,).
        dimensions: codes of each unit, shape (n,), and number of levels.
    """
    parts: list[list[Array]] = [[] for _ in quantiles]
    for code, size in [(np.zeros(len(arm), np.int64), 1), *dimensions]:
        ladder = _Ladder(rows, code.astype(np.int64) * arms + arm, size * arms)
        at = map(ladder.at, range(looks))
        cells = np.stack([np.stack([look.quantile(nu) for nu in quantiles]) for look in at], axis=2)
        for part, found in zip(parts, cells, strict=True):
            part.append(found.reshape(len(found), looks, size, arms))
    return [QuantileCells(*np.concatenate(part, axis=2)) for part in parts]


class _Ladder:
    """Rows in order of group and value, so that a group's rows up to a value are a stretch of places."""

    def __init__(self, rows: Ranked, group: Ints, groups: int) -> None:
        self.group, self.alone = group, rows.alone
        self.values, rank = np.unique(rows.value, return_inverse=True)
        of_row = group[rows.unit]
        order = np.argsort(of_row.astype(np.uint16 if groups < 1 << 16 else np.int64), kind="stable")
        self.unit, self.value, self.look = rows.unit[order], rows.value[order], rows.look[order]
        self.base = np.arange(groups + 1) * (len(self.values) + 1)
        self.key = (self.base[of_row] + rank)[order]

    def at(self, k: int) -> "_Look":
        """The rows that are in at look `k`."""
        kept = np.flatnonzero(self.look <= k)
        edges = np.searchsorted(kept, np.searchsorted(self.key, self.base))
        each = np.bincount(self.unit[kept], minlength=len(self.group))
        units = np.bincount(self.group[each > 0], minlength=len(edges) - 1).astype(float)
        return _Look(self, kept, edges[:-1], np.diff(edges), each, units)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a ladder: the places of its rows, where in them each group starts, and its number of rows `n`.

    `each` are the rows of each unit, `units` the units of each group that have any.
    """

    ladder: _Ladder
    kept: Ints
    start: Ints
    n: Ints
    each: Ints
    units: Array

    def quantile(self, nu: float) -> Array:
        """What `QuantileCells` holds for each group, shape (6, groups).

        Source: Deng, Knoblich and Lu, KDD 2018, section 4; Yao, Li and Lu, arXiv 2401.14549.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            value, alike = self._at(np.full(len(self.n), nu))
            error_of_share = self._alone(nu) if self.ladder.alone else self._clustered(value)
            (low, first), (high, last) = (self._at(nu + side * Z * error_of_share) for side in (-1, 1))
            ties = np.max([alike, first, last], axis=0)
            ties = np.where(ties > 1, ties, 0) / self.n
        known = np.where(np.isnan(error_of_share), np.nan, 1.0)
        error = (high - low) / (2 * Z)
        return np.stack([value, error * known, error_of_share, ties * known, self.n.astype(float), self.units])

    def _at(self, share: Array) -> tuple[Array, Ints]:
        """Each group's sample quantile at its share, and how many rows are alike on one side of it.

        Interpolated between the rows below and above, of which those with one value all stand in their middle.
        Source: Ma, Genton and Parzen, Ann. Inst. Stat. Math. 2011 (mid-distribution), so that ties do not make it jump.
        """
        if not len(self.kept):
            return np.full(len(self.n), np.nan), self.n
        place = np.clip(np.nan_to_num(share), 0, 1) * np.maximum(self.n - 1, 0)
        value, low, high = self._alike(np.floor(place).astype(np.int64))
        middle = (low + high) / 2
        beside = np.where(place >= middle, high + 1, low - 1)
        other, other_low, other_high = self._alike(np.clip(beside, 0, self.n - 1))
        apart = (other_low + other_high) / 2 - middle
        slope = np.where(apart == 0, 0.0, (other - value) / apart)
        alike = np.maximum(high - low, other_high - other_low) + 1
        return np.where(self.n > 0, value + (place - middle) * slope, np.nan), alike

    def _alike(self, row: Ints) -> tuple[Array, Ints, Ints]:
        """The value of each group's row (0 its first), and its first and last row with that value."""
        value = self.ladder.value[self.kept[np.clip(self.start + row, 0, len(self.kept) - 1)]]
        return value, self._rows_to(value, "left"), self._rows_to(value, "right") - 1

    def _rows_to(self, value: Array, side: Literal["left", "right"]) -> Ints:
        """How many rows of each group are at most its value, or below it for "left"."""
        rank = np.searchsorted(self.ladder.values, value, side)
        place = np.searchsorted(self.ladder.key, self.ladder.base[:-1] + rank)
        return np.searchsorted(self.kept, place) - self.start

    def _alone(self, nu: float) -> Array:
        """Standard error of the share of independent rows below a quantile."""
        return np.where(self.n > 0, np.sqrt(nu * (1 - nu) / self.n), np.nan)

    def _clustered(self, value: Array) -> Array:
        """Standard error of the share of a group's rows that are at most its value; rows of a unit belong together.

        Source: Deng, Knoblich and Lu, KDD 2018, section 3: a share of rows is a ratio of two sums over units.
        """
        group, below = self.ladder.group, self._rows_to(value, "right")
        first = np.arange(len(self.kept)) < np.repeat(self.start + below, self.n)
        mine = np.bincount(self.ladder.unit[self.kept[first]], minlength=len(group))
        gap = np.nan_to_num(mine - (below / self.n)[group] * self.each)
        square = np.bincount(group, weights=gap**2, minlength=len(self.n))
        error = np.sqrt(square * self.units / (self.units - 1)) / self.n
        return np.where(self.units > 1, error, np.nan)
