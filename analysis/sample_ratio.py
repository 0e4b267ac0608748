"""Sample ratio: did each arm get the share of units that was planned?"""

import numpy as np
from scipy import special

from analysis.metrics.metric import Array

# Prior weight of the planned shares, in units: suits shifts of about 1 % among 10,000 to 1,000,000 units.
CONCENTRATION = 10_000.0
SMALLEST_EXPECTED = 5.0


def fixed_p_value(counts: Array, shares: Array) -> Array:
    """p-value of the units by arm against the planned shares, for one look.

    Args:
        counts: units, shape (..., arms).
        shares: planned weights, shape (arms,), of any sum; an arm with weight 0 must have no units.

    Returns:
        Chi-square with one degree of freedom fewer than arms of weight above 0; exact binomial for two arms
        where fewer than 5 units were expected in one. Shape (...); nan without units, 0 where an arm of
        weight 0 has units.
    """
    counts, shares = np.asarray(counts, float), np.asarray(shares, float)
    used = shares > 0
    total = counts.sum(axis=-1, keepdims=True)
    expected = total * shares[used] / shares.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (np.square(counts[..., used] - expected) / expected).sum(axis=-1)
    p = np.asarray(special.gammaincc((used.sum() - 1) / 2, statistic / 2))
    few = (expected.min(axis=-1) < SMALLEST_EXPECTED) & (total[..., 0] > 0)
    if used.sum() == 2 and few.any():
        p[few] = [_binomial_p(pair, shares[used][0] / shares.sum()) for pair in counts[..., used][few]]
    p = np.where(total[..., 0] > 0, p, np.nan)
    return np.where(counts[..., ~used].sum(axis=-1) > 0, 0.0, p)


def _binomial_p(pair: Array, share: float) -> float:
    from scipy import stats

    return float(stats.binomtest(int(pair[0]), int(pair.sum()), share).pvalue)


def sequential_p_value(counts: Array, shares: Array, concentration: float = CONCENTRATION) -> Array:
    """Always-valid p-value of the units by arm, look by look: may be read as often as one likes.

    Args:
        counts: running units, shape (looks, arms).
        shares: planned weights, shape (arms,), all above 0.
        concentration: weight of the Dirichlet prior around the planned shares.

    Returns:
        Running minimum of 1 / Bayes factor, at most 1, shape (looks,).

    Source: Lindon and Malek, NeurIPS 2022, equation 5 (multinomial against Dirichlet mixture).
    """
    counts = np.asarray(counts, float)
    theta = np.asarray(shares, float) / np.sum(shares)
    prior = concentration * theta
    log_factor = (
        (special.gammaln(prior + counts) - special.gammaln(prior)).sum(axis=-1)
        - (special.gammaln(concentration + counts.sum(axis=-1)) - special.gammaln(concentration))
        - special.xlogy(counts, theta).sum(axis=-1)
    )
    return np.minimum.accumulate(np.exp(-np.maximum(log_factor, 0.0)))
