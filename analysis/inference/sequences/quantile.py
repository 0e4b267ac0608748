"""Quantiles of independent values: sequences, and p-values of two arms, without any assumption on the distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.errors import AnalysisError
from analysis.inference.sequences.binomial import BetaBinomial
from analysis.inference.sequences.mixture import level, positive, solve
from analysis.metrics.metric import Array


def quantile_sequence(
    values: Array, quantile: float, alpha: float = 0.05, *, looks: NDArray[np.int64], planned: float
) -> tuple[Array, Array]:
    """Ends of a quantile, at every look together, shape (looks,) each; infinite where values are still too few.

    Args:
        values: independent, in time order, shape (n,).
        quantile: in (0, 1).
        alpha: error over all looks.
        looks: how many values each look has seen.
        planned: values at which the sequence shall be narrowest.

    The ends are values that were seen. Ties need no care: a value is left out only if too many lie below it, or too
    few at or below it.

    Source: Howard and Ramdas, Bernoulli 2022, theorem 1 (b), with the beta-binomial mixture.
    """
    values, seen = np.asarray(values, float), np.asarray(looks)
    if np.any((seen < 1) | (seen > len(values))):
        raise AnalysisError(f"looks must be between 1 and the {len(values)} values; got {seen.tolist()}.")
    if np.isnan(values).any():
        raise AnalysisError(f"values holds nan at place {np.flatnonzero(np.isnan(values))[0]}; leave such units out.")
    first, last = quantile_ranks(seen, quantile, alpha, planned=planned)
    lower, upper = np.full(len(seen), -np.inf), np.full(len(seen), np.inf)
    for k, n in enumerate(seen):
        ranked = np.sort(values[:n])
        if first[k] >= 1:
            lower[k] = ranked[first[k] - 1]
        if last[k] <= n:
            upper[k] = ranked[last[k] - 1]
    return lower, upper


def quantile_ranks(
    looks: NDArray[np.int64], quantile: float, alpha: float = 0.05, *, planned: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks of the values that are the ends of `quantile_sequence`, from 1; below 1 or above n where there is none."""
    mixture, goal = _mixture(quantile, alpha, planned), -np.log(level(alpha))
    n, q = np.asarray(looks, float), quantile

    def gap(walk: Array, n: Array) -> Array:
        return np.asarray(mixture.log_e(walk, q * (1 - q) * n) - goal)

    least, low, high = lowest_evidence(mixture, q, n), -q * n, (1 - q) * n
    sure_low, sure_high = gap(low, n) > 0, gap(high, n) > 0
    down = np.where(sure_low, solve(gap, np.where(sure_low, low, least), least, n), low)
    up = np.where(sure_high, solve(gap, least, np.where(sure_high, high, least), n), high)
    return np.ceil(q * n + down).astype(int), np.floor(q * n + up).astype(int) + 1


def compare_quantiles(
    control: Array, treatment: Array, quantile: float, *, planned: float, alpha: float = 0.05
) -> float:
    """Always-valid p-value of "both arms have the same quantile", from the values of each arm so far.

    `planned` is the number of values in one arm at which, and `alpha` the level for which, it shall be most powerful.
    If the quantile is q in both arms, two independent walks count the values at or below q; the e-value is their
    product at the q that fits best. Arms may be of any size, and one may look after any value.

    Source: Howard and Ramdas, Bernoulli 2022, theorem 5.
    """
    arms = [np.sort(np.asarray(arm, float)) for arm in (control, treatment)]
    for arm, side in zip(arms, ("control", "treatment"), strict=True):
        if len(arm) == 0 or not np.isfinite(arm).all():
            raise AnalysisError(f"{side} must have at least one value, and only finite ones; it has {len(arm)}.")
    mixture = _mixture(quantile, level(alpha), planned)
    candidates = np.unique(np.concatenate(arms))
    log_e = sum(_least_log_e(mixture, quantile, arm, candidates) for arm in arms)
    return float(np.exp(-max(np.min(log_e), 0.0)))


def _least_log_e(mixture: BetaBinomial, quantile: float, ranked: Array, candidates: Array) -> Array:
    """The least evidence of an arm against each candidate: its share below lies between those without and with ties."""
    n = np.asarray(float(len(ranked)))
    below, to = (np.searchsorted(ranked, candidates, side) - quantile * n for side in ("left", "right"))
    walk = np.clip(lowest_evidence(mixture, quantile, n), below, to)
    return mixture.log_e(walk, quantile * (1 - quantile) * n)


def lowest_evidence(mixture: BetaBinomial, quantile: float, n: Array) -> Array:
    """The walk at which the mixture's e-value is smallest, near 0: where its slope is 0."""
    g, h = quantile, 1 - quantile
    a, b = mixture.prior / g, mixture.prior / h

    def slope(walk: Array, n: Array) -> Array:
        ups, downs = g * n + walk, h * n - walk
        return np.asarray(special.digamma(b + ups) - special.digamma(a + downs) - np.log(g / h))

    return solve(slope, -g * np.asarray(n), h * np.asarray(n), n)


def _mixture(quantile: float, alpha: float, planned: float) -> BetaBinomial:
    if not 0 < quantile < 1:
        raise AnalysisError(f"quantile == {quantile}, must be in (0, 1).")
    variance = float(positive("planned", planned)) * quantile * (1 - quantile)
    return BetaBinomial.tuned(variance, level(alpha), below=quantile, above=1 - quantile)
