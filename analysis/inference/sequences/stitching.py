"""Stitched bounds: closed formulas that grow as slowly as the law of the iterated logarithm allows."""

from __future__ import annotations

import numpy as np
from scipy import special

from analysis.errors import AnalysisError
from analysis.inference.sequences.mixture import level, positive
from analysis.metrics.metric import Array

# Howard et al. 2021, example after theorem 1: epochs that double, with weights that fall as 1 / k^1.4.
EPOCH, WEIGHT = 2.0, 1.4


def stitched_bound(variance: Array, alpha: float, *, start: float, scale: float = 0.0) -> Array:
    """The curve that a sub-gamma walk of this scale crosses with probability `alpha` at most, once V >= `start`.

    Before `start` it is what it is there. A scale of 0 is for sub-Gaussian walks.

    Source: Howard et al. 2021, theorem 1, with the weights of its example.
    """
    variance = np.maximum(positive("variance", variance), positive("start", start))
    if scale < 0:
        raise AnalysisError(f"scale == {scale}, must be 0 or more: the size of a step beyond its mean.")
    k1, k2 = _factors()
    rate = WEIGHT * np.log(np.log(EPOCH * variance / start)) + np.log(special.zeta(WEIGHT) / np.log(EPOCH) ** WEIGHT)
    rate = rate - np.log(level(alpha))
    linear = k2 * scale * rate
    return np.asarray(np.sqrt(k1**2 * variance * rate + linear**2) + linear)


def quantile_uniform_bound(quantile: float, n: Array, alpha: float, *, start: float, step: float = 0.5) -> Array:
    """How far the count of values at or below any quantile may be above its mean, for all quantiles and n together.

    Args:
        quantile: in (0, 1); the bound holds for all of them at once, with this shape.
        n: values so far, shape (looks,).
        alpha: error over all quantiles and looks.
        start: the n from which on it is narrow; before it is what it is there.
        step: of the grid of quantiles that is stitched, in log odds, at `start`.

    Source: Howard and Ramdas, Bernoulli 2022, theorem 3 (double stitching).
    """
    if not 0 < quantile < 1:
        raise AnalysisError(f"quantile == {quantile}, must be in (0, 1).")
    n = np.maximum(positive("n", n), positive("start", start))
    odds = special.logit(quantile)
    towards: Array | float = quantile
    if quantile < 0.5:
        towards = np.minimum(0.5, special.expit(odds + 2 * step * np.sqrt(start * EPOCH / n)))
    spread = towards * (1 - towards)
    places = np.sqrt(n / start) * abs(odds) / (2 * step) + 1
    zeta = special.zeta(WEIGHT)
    rate = WEIGHT * (np.log(np.log(EPOCH * n / start)) + np.log(places))
    rate = rate + np.log(2 * zeta * (2 * zeta + 1) / (level(alpha) * np.log(EPOCH) ** WEIGHT))
    k1, k2 = _factors()
    linear = k2 * (1 - 2 * quantile) / 3 * rate
    grid = step * np.sqrt(EPOCH * n * spread / start)
    return np.asarray(grid + np.sqrt(k1**2 * spread * n * rate + linear**2) + linear)


def _factors() -> tuple[float, float]:
    return (EPOCH**0.25 + EPOCH**-0.25) / np.sqrt(2), (np.sqrt(EPOCH) + 1) / 2
