"""What every mixture has: an e-value of a walk, and the bound at which that e-value reaches 1 / alpha."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from analysis.errors import AnalysisError
from analysis.metrics.metric import Array

# A bound is searched between 0 and this many doublings of the variance, or of 1.
DOUBLINGS = 200


class Mixture(Protocol):
    """A mixture of exponential supermartingales, each with a slope of its own.

    A walk S with variance process V (its intrinsic time) has the e-value exp(log_e(S, V)): under the null hypothesis
    that chance exceeds 1 / alpha ever with probability alpha at most (Ville's inequality).
    """

    def log_e(self, walk: Array, variance: Array) -> Array:
        """Log of the e-value, rising in `walk` from 0 on; shapes broadcast."""
        ...

    def highest(self, variance: Array) -> Array:
        """The largest value that the walk can have; inf where there is none."""
        ...


def bound(mixture: Mixture, variance: Array, alpha: float) -> Array:
    """The curve that the walk crosses ever with probability `alpha` at most, shape of `variance`.

    Where even the highest possible walk would not be evidence enough, that highest value.

    Raises:
        AnalysisError: if alpha is not in (0, 1) or a variance is not above 0.

    Source: Howard, Ramdas, McAuliffe and Sekhon, Ann. Stat. 2021, lemma 2 (method of mixtures).
    """
    variance = positive("variance", variance)
    goal = -np.log(level(alpha))
    top = np.minimum(mixture.highest(variance), np.maximum(variance, 1.0))
    for _ in range(DOUBLINGS):
        short = (mixture.log_e(top, variance) < goal) & (top < mixture.highest(variance))
        if not short.any():
            break
        top = np.where(short, np.minimum(2 * top, mixture.highest(variance)), top)
    never = mixture.log_e(top, variance) <= goal
    root = solve(lambda s, v: mixture.log_e(s, v) - goal, np.zeros_like(top), np.where(never, 0.0, top), variance)
    return np.asarray(np.where(never, top, root))


def solve(function: Callable[..., Array], low: Array, high: Array, *more: Array) -> Array:
    """Where a function of arrays is 0 between `low` and `high`, to the last digits; `more` goes to it as it is.

    Where low is high that is the answer. A function that does not change its sign gives nan.
    """
    from scipy.optimize.elementwise import find_root

    low, high, *rest = np.broadcast_arrays(low, high, *more)
    found = find_root(
        function, (low, high), args=tuple(rest), tolerances={"xatol": 0.0, "xrtol": 4e-16, "fatol": 0.0}, maxiter=200
    )
    # Status -3 is a function that is not finite; -2 that no more could be done, at which the bracket has closed.
    closed = np.abs(np.subtract(*found.bracket)) <= 1e-14 * np.abs(found.x)
    return np.asarray(np.where(low == high, low, np.where(found.success | closed, found.x, np.nan)))


def level(alpha: float) -> float:
    """Alpha, checked."""
    if not 0 < alpha < 1:
        raise AnalysisError(f"alpha == {alpha}, must be in (0, 1). Write 0.05 for 5 %.")
    return alpha


def positive(name: str, value: ArrayLike) -> Array:
    """A value or array that must be above 0 and finite, checked."""
    found = np.asarray(value, float)
    wrong = ~(np.isfinite(found) & (found > 0))
    if wrong.any():
        raise AnalysisError(f"{name} holds {found[wrong].flat[0]}, must be above 0 and finite.")
    return found


def bounded(name: str, values: Array) -> Array:
    """Values in time order that must lie between 0 and 1, checked; at least one."""
    values = np.asarray(values, float)
    if values.ndim != 1 or len(values) == 0:
        raise AnalysisError(
            f"{name} has the shape {values.shape}, must be one row of at least one value in time order."
        )
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        raise AnalysisError(
            f"{name} holds {values[wrong][0]} at place {np.flatnonzero(wrong)[0]}, must be in [0, 1]. "
            "Scale by a range that was known beforehand: (x - low) / (high - low)."
        )
    return values


def excess(x: Array) -> Array:
    """x - log(1 + x) without loss of digits near 0, for x > -1."""
    x = np.asarray(x, float)
    near = np.abs(x) < 0.1
    small = np.where(near, x, 0.0)
    series = np.zeros_like(small)
    for power in range(18, 1, -1):
        series = small * series + (1.0 if power % 2 == 0 else -1.0) / power
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(near, small * small * series, x - np.log1p(x)))


def stirling(a: Array | float) -> Array:
    """log Gamma(a) - [(a - 1/2) log a - a + log(2 pi) / 2], to the last digits, for a > 0.

    Source: Abramowitz and Stegun 1964, 6.1.40 and 6.1.42.
    """
    from scipy import special

    a = np.asarray(a, float)
    large = np.maximum(a, 10.0)
    terms = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
    series = sum(term / large ** (2 * k + 1) for k, term in enumerate(terms))
    small = np.minimum(a, 10.0)
    direct = special.gammaln(small) - ((small - 0.5) * np.log(small) - small + 0.5 * np.log(2 * np.pi))
    return np.asarray(np.where(a >= 10, series, direct))
