"""Quantiles of rows cell by cell, as plain as can be: the reference of `analysis.collect.ranks`."""

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.experiment import Experiment
from analysis.metrics.metric import Array
from analysis.metrics.quantile import Quantile
from analysis.quantiles import QuantileCells, Z
from analysis.readout import Segment

if TYPE_CHECKING:
    from ibis.expr.types import Table


def plain_quantiles(
    experiment: Experiment, metric: Quantile, rows: "Table", segments: tuple[Segment | None, ...], looks: int
) -> QuantileCells:
    """The cells of one metric.

    Args:
        rows: one row for each look and row in it: unit (or what belongs together), arm, segment_k, value.
    """
    data = rows.to_pyarrow().to_pydict()
    columns = {name: np.array(values, object) for name, values in data.items()}
    alone = metric.outcome.numerator.aggregation is None and experiment.cluster is None
    cells = np.full((6, looks, len(segments), len(experiment.arms)), np.nan)
    for k, s, a in np.ndindex(cells.shape[1:]):
        kept = (columns["look"] == k) & (columns["arm"] == experiment.arms[a])
        segment = segments[s]
        if segment is not None:
            kept &= columns[f"segment_{experiment.segments.index(segment.dimension)}"] == segment.value
        cells[:, k, s, a] = _cell(metric.quantile, columns["unit"][kept], columns["value"][kept].astype(float), alone)
    return QuantileCells(*cells)


def _cell(nu: float, unit: Any, value: Array, alone: bool) -> tuple[float, ...]:
    n = len(value)
    if n == 0:
        return np.nan, np.nan, np.nan, np.nan, 0.0, 0.0
    distinct, alike = np.unique(value, return_counts=True)
    middle = np.cumsum(alike) - (alike + 1) / 2
    estimate = float(np.interp(nu * (n - 1), middle, distinct))
    names = sorted(set(unit))
    below = [float((value[unit == name] <= estimate).sum()) for name in names]
    each = [float((unit == name).sum()) for name in names]
    share_error = np.nan
    if alone:
        share_error = (nu * (1 - nu) / n) ** 0.5
    elif len(names) > 1:
        gaps = np.array(below) - np.array(each) * sum(below) / n
        share_error = float((gaps.var(ddof=1) * len(names)) ** 0.5 / n)
    if np.isnan(share_error):
        return estimate, np.nan, np.nan, np.nan, float(n), float(len(names))
    places = np.clip([nu - Z * share_error, nu, nu + Z * share_error], 0, 1) * (n - 1)
    low, _, high = np.interp(places, middle, distinct)
    blocks = [int(np.searchsorted(middle, place, "right")) - 1 for place in places]
    near = [int(alike[np.clip(k, 0, len(alike) - 1)]) for block in blocks for k in (block, block + 1)]
    ties = max(near) / n if max(near) > 1 else 0.0
    return estimate, float(high - low) / (2 * Z), share_error, ties, float(n), float(len(names))
