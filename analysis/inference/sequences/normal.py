"""Normal mixtures: for sub-Gaussian walks exactly, and for sums of many values in the limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.inference.sequences.mixture import bound, level, positive
from analysis.metrics.metric import Array


def rho_for(variance: float, alpha: float, *, sides: int = 2) -> float:
    """The mixture's precision with which its bound is narrowest near `variance`.

    v / (2 log(1/a) + log(1 + 2 log(1/a))), with a = alpha for two sides and 2 alpha for one.

    Source: Howard et al. 2021, section 3.5 on tuning, in its closed approximation.
    """
    log = -2 * np.log(level(alpha if sides == 2 else 2 * alpha))
    return float(positive("variance", variance) / (log + np.log1p(log)))


@dataclass(frozen=True, slots=True)
class TwoSidedNormal:
    """Mixture over slopes of both signs: N(0, 1 / rho).

    Source: Howard et al. 2021, two-sided normal mixture (equation 14); Robbins 1970.
    """

    rho: float

    def log_e(self, walk: Array, variance: Array) -> Array:
        total = np.asarray(variance) + self.rho
        return np.asarray(np.square(walk) / (2 * total) - np.log1p(np.asarray(variance) / self.rho) / 2)

    def highest(self, variance: Array) -> Array:
        return np.full(np.shape(variance), np.inf)


@dataclass(frozen=True, slots=True)
class OneSidedNormal:
    """Mixture over positive slopes only: a half normal. It says when a walk is too high, never when it is too low.

    A little wider than one side of `TwoSidedNormal` at level 2 alpha, which keeps alpha / (1 - alpha) only.

    Source: Howard et al. 2021, one-sided normal mixture.
    """

    rho: float

    def log_e(self, walk: Array, variance: Array) -> Array:
        total = np.asarray(variance) + self.rho
        square = np.square(walk) / (2 * total) - np.log1p(np.asarray(variance) / self.rho) / 2
        return np.asarray(square + np.log(2) + special.log_ndtr(np.asarray(walk) / np.sqrt(total)))

    def highest(self, variance: Array) -> Array:
        return np.full(np.shape(variance), np.inf)


def one_sided_critical(n: Array, alpha: float, planned_units: float, *, closed: bool = False) -> Array:
    """Distance in standard errors of a one-sided sequence's end, at any number n of units so far.

    `closed` takes the formula sqrt(2 (m + 1) / m log(1 + sqrt(m + 1) / (2 alpha))), m = n rho^2, that other programs
    print; it is a little wider than the mixture's own bound, never narrower.

    For a guardrail: with d and SE the difference from the margin, d - SE x critical > 0 says that the margin is kept,
    whenever one looks. Asymptotic, as the readout's own sequence is.

    Source: Howard et al. 2021, one-sided normal mixture; closed: Waudby-Smith et al., Ann. Stat. 2024.
    """
    n = positive("n", n)
    rho = rho_for(planned_units, alpha, sides=1)
    if not closed:
        return bound(OneSidedNormal(rho), n, alpha) / np.sqrt(n)
    information = n / rho
    return np.sqrt(2 * (information + 1) / information * np.log1p(np.sqrt(information + 1) / (2 * alpha)))


def one_sided_p_value(z: Array, n: Array, planned_units: float, *, alpha: float = 0.05, closed: bool = False) -> Array:
    """Always-valid p-value of "not above 0" from the pivot z; the mixture is tuned to `planned_units` and `alpha`.

    `closed` gives that of the closed formula for the end: at most 1, a little larger.
    """
    n, z = positive("n", n), np.asarray(z, float)
    rho = rho_for(planned_units, alpha, sides=1)
    if not closed:
        return np.exp(-np.maximum(OneSidedNormal(rho).log_e(z * np.sqrt(n), n), 0.0))
    information = n / rho
    rise = np.expm1(np.square(np.maximum(z, 0.0)) * information / (2 * (information + 1)))
    return np.asarray(np.minimum(1.0, np.sqrt(information + 1) / np.maximum(2 * rise, 0.5)))
