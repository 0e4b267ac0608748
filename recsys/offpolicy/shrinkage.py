"""Weights made smaller, for less variance at the price of a bias; and by how much."""

import numpy as np

from recsys.offpolicy.logged import Array, Logged

GRID = 30


def clipped(weight: Array, limit: float) -> Array:
    """min(w, limit)."""
    return np.minimum(weight, limit)


def switched(weight: Array, limit: float) -> Array:
    """w where it is at most the limit, else 0: there only the model speaks (Wang, Agarwal and Dudik 2017)."""
    return np.where(weight <= limit, weight, 0.0)


def shrunk(weight: Array, strength: float) -> Array:
    """strength w / (w^2 + strength): optimistic shrinkage (Su et al. 2020, equation 4); infinite strength keeps w."""
    return weight if np.isinf(strength) else strength * weight / (weight**2 + strength)


def threshold(log: Logged) -> float:
    """The limit for clipping and switching: (decisions)^(1/2) mean weights, a bias that vanishes as the log grows.

    Source: Ionides, Truncated importance sampling, 2008, section 2. It does not look at the rewards, so the interval
    needs no correction for having chosen it.
    """
    return float(np.sqrt(len(log)) * log.weight.mean())


def strength(log: Logged) -> float:
    """The shrinkage of least variance plus squared bias, among a grid and none at all.

    Bias and variance as in Su et al. 2020, section 5; the bias is estimated from weights and residuals at hand.
    """
    weight, residual = log.weight, log.reward - log.fitted
    top = max(float(weight.max()), 1e-6) ** 2
    grid = [*(top * np.logspace(-4, 4, GRID)), np.inf]

    def loss(at: float) -> float:
        kept = shrunk(weight, float(at))
        bias = float(((weight - kept) * residual).mean())
        return bias**2 + float(np.var(kept * residual)) / len(log)

    return float(min(grid, key=loss))
