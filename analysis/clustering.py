"""What randomising clusters cost: how alike the units of one cluster are, and how much that widens an interval."""

from __future__ import annotations

import numpy as np

from analysis.collected import Collected
from analysis.effects import unadjusted_contrast
from analysis.inference.estimates import number
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.readout import Clustering
from analysis.variables import SIZE


def clustering(metric: Metric, collected: Collected) -> Clustering:
    """Design effect and intraclass correlation of a metric at the last look, inside the arms, all arms together.

    The design effect is the variance as it is over the variance had the same units been randomised one by one. With
    sizes m it is 1 + (sum m² / sum m - 1) ICC, the familiar 1 + (m - 1) ICC where all are alike; the ICC is what
    solves that, so it is one of the linearised metric where this is a ratio, and by chance may be below 0.

    Source: Kish, Survey Sampling 1965; sizes as in Kerry and Bland, Statistics in Medicine 2001.
    """
    clusters, units = collected.moments[-1, 0], collected.inside
    assert units is not None
    as_is, one_by_one = _spread(metric, clusters, units.n), _spread(metric, units, units.n)
    size = clusters.select((SIZE,))
    squares = (size.cross[..., 0, 0] + size.n * np.square(size.mean[..., 0])).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = as_is / one_by_one
        icc = (effect - 1) / (squares / units.n.sum() - 1)
    return Clustering(metric.id, int(clusters.n.sum()), int(units.n.sum()), number(icc), number(effect))


def _spread(metric: Metric, arms: Moments, units: Array) -> Array:
    """Variance of the sum of the linearised metric over all units of all arms."""
    variance = unadjusted_contrast(metric, arms, arms).covariance[..., 0, 0]
    return np.asarray((variance * np.square(units)).sum())
