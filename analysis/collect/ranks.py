"""Quantiles of rows in every (look, segment, arm): rows are sorted once, and looked up by rank."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

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
        cells = np.stack([ladder.look(k, quantiles) for k in range(looks)], axis=2)
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
        self.unit, self.value, self.row_look = rows.unit[order], rows.value[order], rows.look[order]
        self.base = np.arange(groups + 1) * (len(self.values) + 1)
        self.key = (self.base[of_row] + rank)[order]

    def look(self, k: int, quantiles: tuple[float, ...]) -> Array:
        """For each quantile, what `QuantileCells` holds for each group at look `k`, shape (quantiles, 6, groups)."""
        kept = np.flatnonzero(self.row_look <= k)
        edges = np.searchsorted(kept, np.searchsorted(self.key, self.base))
        start, n = edges[:-1], np.diff(edges)
        each = np.bincount(self.unit[kept], minlength=len(self.group))
        units = np.bincount(self.group[each > 0], minlength=len(n)).astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([self._quantile(nu, kept, start, n, each, units) for nu in quantiles])

    def _quantile(self, nu: float, kept: Ints, start: Ints, n: Ints, each: Ints, units: Array) -> Array:
        """The rows of `QuantileCells` for one quantile, shape (6, groups).

        Source: Deng, Knoblich and Lu, KDD 2018, section 4; Yao, Li and Lu, arXiv 2401.14549.
        """
        value, alike = self._at(np.full(len(n), nu), kept, start, n)
        if self.alone:
            share_error = np.where(n > 0, np.sqrt(nu * (1 - nu) / n), np.nan)
        else:
            share_error = self._clustered(self._rows_to(value, "right", kept) - start, kept, start, n, each, units)
        (low, first), (high, last) = (self._at(nu + side * Z * share_error, kept, start, n) for side in (-1, 1))
        ties = np.max([alike, first, last], axis=0)
        found = (high - low) / (2 * Z), np.where(ties > 1, ties, 0) / n
        error, ties = (np.where(np.isnan(share_error), np.nan, number) for number in found)
        return np.stack([value, error, share_error, ties, n.astype(float), units])

    def _at(self, share: Array, kept: Ints, start: Ints, n: Ints) -> tuple[Array, Ints]:
        """Each group's sample quantile at its share, and how many rows are alike on one side of it.

        Interpolated between the rows below and above, of which those with one value all stand in their middle.
        Source: Ma, Genton and Parzen, Ann. Inst. Stat. Math. 2011 (mid-distribution), so that ties do not make it jump.
        """
        if not len(kept):
            return np.full(len(n), np.nan), n
        place = np.clip(np.nan_to_num(share), 0, 1) * np.maximum(n - 1, 0)
        value, low, high = self._alike(np.floor(place), kept, start)
        up = place >= (low + high) / 2
        other, other_low, other_high = self._alike(np.clip(np.where(up, high + 1, low - 1), 0, n - 1), kept, start)
        middle, other_middle = (low + high) / 2, (other_low + other_high) / 2
        slope = np.where(middle == other_middle, 0.0, (other - value) / (other_middle - middle))
        alike = np.maximum(high - low, other_high - other_low) + 1
        return np.where(n > 0, value + (place - middle) * slope, np.nan), alike

    def _alike(self, row: Array, kept: Ints, start: Ints) -> tuple[Array, Ints, Ints]:
        """The value of each group's row (0 its first), and its first and last row with that value."""
        value = self.value[kept[np.clip(start + row.astype(np.int64), 0, len(kept) - 1)]]
        low, high = (self._rows_to(value, side, kept) - start for side in ("left", "right"))
        return value, low, high - 1

    def _rows_to(self, value: Array, side: Any, kept: Ints) -> Ints:
        """Place, among the kept rows, up to which the rows of each group are at most ("left": below) its value."""
        rank = np.searchsorted(self.values, value, side)
        return np.searchsorted(kept, np.searchsorted(self.key, self.base[:-1] + rank))

    def _clustered(self, below: Ints, kept: Ints, start: Ints, n: Ints, each: Ints, units: Array) -> Array:
        """Standard error of the share of a group's rows that are its first `below`, rows of a unit belonging together.

        Source: Deng, Knoblich and Lu, KDD 2018, section 3: a share of rows is a ratio of two sums over units.
        """
        first = np.arange(len(kept)) < np.repeat(start + below, n)
        mine = np.bincount(self.unit[kept[first]], minlength=len(self.group))
        gap = mine - (below / n)[self.group] * each
        square = np.bincount(self.group, weights=np.nan_to_num(gap) ** 2, minlength=len(n))
        return np.where(units > 1, np.sqrt(square * units / (units - 1)) / n, np.nan)
