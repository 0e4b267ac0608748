"""Which contrast a metric gets: from Moments, or from quantiles of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.collected import Collected
from analysis.effects import Contrast, unadjusted_contrast
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.metrics.quantile import Quantile
from analysis.quantiles import QuantileCells


def contrast_of(metric: Metric, collected: Collected, a: int) -> Contrast:
    """The metric as observed in control and in arm `a`, over (looks, segments)."""
    if isinstance(metric, Quantile):
        return _quantile_contrast(metric, collected.quantiles[metric.id], collected.moments.n, a)
    return unadjusted_contrast(metric, collected.moments[:, :, 0], collected.moments[:, :, a])


def _quantile_contrast(metric: Quantile, cells: QuantileCells, n: Array, a: int) -> Contrast:
    """Two sample quantiles with a normal pivot; nan, and a reason, where an arm allows none.

    Source: Deng, Knoblich and Lu, KDD 2018, section 4 (outer confidence interval of a clustered quantile).
    """
    few, atom = cells.few(metric.quantile), cells.atom(metric.quantile)
    value, error = (np.where(few | atom, np.nan, found) for found in (cells.value, cells.standard_error))
    covariance = np.zeros((*n.shape[:-1], 2, 2))
    covariance[..., 0, 0], covariance[..., 1, 1] = (np.square(error[..., k]) for k in (0, a))
    refused: NDArray[np.object_] = np.full(n.shape[:-1], None, object)
    for k, side in ((a, "treatment"), (0, "control")):
        for cell in zip(*np.nonzero(atom[..., k]), strict=True):
            refused[cell] = (
                f"{100 * cells.ties[..., k][cell]:.2g}% of the rows of {side} share one value at the quantile, so it "
                "can only jump; compare a mean or a proportion"
            )
        for cell in zip(*np.nonzero(few[..., k]), strict=True):
            refused[cell] = (
                f"{side} has {cells.rows[..., k][cell]:,.0f} rows of {cells.units[..., k][cell]:,.0f} units, too few "
                f"on one side of the {metric.quantile:g} quantile"
            )
    return Contrast(
        control=value[..., 0],
        treatment=value[..., a],
        covariance=covariance,
        n_control=n[..., 0],
        n_treatment=n[..., a],
        dof=np.full(n.shape[:-1], np.inf),
        slopes=np.zeros((*n.shape[:-1], 1, 0)),
        refused=refused,
    )
