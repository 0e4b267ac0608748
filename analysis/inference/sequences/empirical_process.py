"""The whole distribution at once: a band around the empirical distribution function that holds at every n."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from analysis.errors import AnalysisError
from analysis.inference.sequences.mixture import level, positive
from analysis.metrics.metric import Array


def distribution_radius(n: Array, alpha: float = 0.05, *, start: float, leading: float = 0.85) -> Array:
    """How far the share of values at or below any x may be from its chance, for all x and all n >= `start` together.

    inf before `start`. `leading` above 1 / sqrt(2) trades early width for late.

    Source: Howard and Ramdas, Bernoulli 2022, theorem 2: A sqrt((log(1 + log(n / start)) + C) / n).
    """
    n = positive("n", n)
    if positive("start", start) < 1 or leading <= np.sqrt(0.5):
        raise AnalysisError(f"start == {start} must be 1 or more, and leading == {leading} above 1 / sqrt(2).")
    constant = _constant(level(alpha), leading)
    with np.errstate(invalid="ignore", divide="ignore"):
        radius = leading * np.sqrt((np.log1p(np.log(np.maximum(n / start, 1.0))) + constant) / n)
    return np.asarray(np.where(n >= start, radius, np.inf))


@lru_cache(maxsize=256)
def _constant(alpha: float, leading: float) -> float:
    """The C at which the best epoch keeps the error at alpha."""
    from scipy.optimize import brentq

    low, high = 1.0, 2.0
    while _error(high, leading) > alpha:
        low, high = high, 2 * high
    return float(brentq(lambda c: np.log(_error(c, leading) / alpha), low, high, xtol=1e-13, rtol=1e-14))


def _error(constant: float, leading: float) -> float:
    """The probability that the band misses ever, by the best of all epochs eta."""
    from scipy.optimize import brentq, minimize_scalar

    def room(eta: float) -> float:
        return float(np.sqrt(eta / 2) + np.sqrt(2 * (eta - 1) / constant) - leading)

    last = brentq(room, 1.0, 2 * leading**2, xtol=1e-15)

    def error(eta: float) -> float:
        gamma = 2 / eta * (leading - np.sqrt(2 * (eta - 1) / constant)) ** 2
        return float(np.log(4) - gamma * constant + np.log1p(1 / ((gamma - 1) * np.log(eta)))) if gamma > 1 else np.inf

    inside = 1e-12 * (last - 1)
    best = minimize_scalar(error, bounds=(1 + inside, last - inside), method="bounded", options={"xatol": 1e-10})
    return float(np.exp(best.fun))
