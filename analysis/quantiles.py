"""Quantiles of rows: what a scan says of them in each cell, and when a cell allows no interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.metric import Array

# The order statistics at nu ± Z x (error of the share) give the standard error: those of a 95 % interval.
Z = 1.959963984540054
# Of the rows on the thinner side of the quantile, the share that may have one value: with more it can only jump. In
# small samples that is a pair of rows, so there they may be as many as the quantile's place is uncertain by.
ATOM = 0.1


@dataclass(frozen=True, slots=True)
class QuantileCells:
    """Sample quantiles, shape (looks, segments, arms) each; nan where a cell has no rows.

    Attributes:
        value: sample quantile, interpolated between neighbouring rows; rows with one value all stand in their middle.
        standard_error: of `value`, from the order statistics beside it.
        share_error: standard error of the share of rows at or below `value`, clustered by unit; nan with one unit.
        ties: of the values at the quantile and at both ends of its 95 % interval, the largest share of the rows that
            hold one; 0 where no two rows share any.
        rows, units: rows, and units that have any.
    """

    value: Array
    standard_error: Array
    share_error: Array
    ties: Array
    rows: Array
    units: Array

    def few(self, quantile: float) -> NDArray[np.bool_]:
        """Cells with too few rows or units: two errors from the quantile, there is no row any more.

        For independent rows that is n <= 4 nu / (1 - nu), and for nu below a half n <= 4 (1 - nu) / nu.
        """
        return np.asarray(~(2 * self.share_error < min(quantile, 1 - quantile)))

    def atom(self, quantile: float) -> NDArray[np.bool_]:
        """Cells in which so many rows share one value at the quantile that it can only jump."""
        most = np.maximum(ATOM * min(quantile, 1 - quantile), self.share_error)
        return np.asarray((self.ties > most) | (self.standard_error == 0))
