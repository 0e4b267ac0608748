"""Gamma mixtures: for walks with steps bounded below (sub-exponential), and for counts (sub-Poisson)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.errors import AnalysisError
from analysis.inference.sequences.mixture import excess, level, positive, solve, stirling
from analysis.inference.sequences.normal import OneSidedNormal, rho_for
from analysis.metrics.metric import Array

# Where the lower incomplete gamma function is summed as a series instead, as a share of its peak.
LOW = -0.5
HALF_LOG_2PI = float(np.log(2 * np.pi) / 2)


@dataclass(frozen=True, slots=True)
class GammaExponential:
    """For sub-exponential walks of scale c, such as centred sums with an empirical variance (Bernstein).

    log E = log of the integral of exp(l S - psi(l) V) over a truncated gamma density of l in [0, 1/c), with
    psi(l) = (-log(1 - c l) - c l) / c^2.

    Source: Howard et al. 2021, gamma-exponential mixture.
    """

    rho: float
    scale: float

    def log_e(self, walk: Array, variance: Array) -> Array:
        prior = self.rho / self.scale**2
        a = (np.asarray(variance) + self.rho) / self.scale**2
        # A walk below -(V + rho) / c has as little evidence as one there: no slope of the mixture fits either.
        step = np.maximum(np.asarray(walk) / (self.scale * a), -1.0)
        y, usual = a * (1 + step), np.maximum(step, LOW)
        with np.errstate(divide="ignore"):
            tail = a * excess(usual) + stirling(a) + np.log(special.gammainc(a, a * (1 + usual))) + HALF_LOG_2PI
        # Far below, the incomplete gamma function has left the range of numbers, and its series is short.
        series = np.log(special.hyp1f1(1.0, a + 1, np.minimum(y, a * (1 + LOW)))) - np.log(a) / 2
        density = np.log(prior / a) / 2 - stirling(prior) - np.log(special.gammainc(prior, prior)) - HALF_LOG_2PI
        return np.asarray(density + np.where(step < LOW, series, tail))

    def highest(self, variance: Array) -> Array:
        return np.full(np.shape(variance), np.inf)


@dataclass(frozen=True, slots=True)
class GammaPoisson:
    """For sub-Poisson walks of scale c: sums whose steps are at most c above their mean, such as centred counts.

    log E = log of the integral of exp(l S - psi(l) V) over a mixture of l >= 0, psi(l) = (e^(c l) - c l - 1) / c^2.

    Source: Howard et al. 2021, gamma-Poisson mixture.
    """

    rho: float
    scale: float

    def log_e(self, walk: Array, variance: Array) -> Array:
        prior = self.rho / self.scale**2
        a = (np.asarray(variance) + self.rho) / self.scale**2
        step = np.maximum(np.asarray(walk) / (self.scale * a), -1 + 1e-15)
        b = a * (1 + step)
        with np.errstate(divide="ignore"):
            tails = np.log(special.gammaincc(b, a)) - np.log(special.gammaincc(prior, prior))
        rise = a * (step * np.log1p(step) - excess(step))
        return np.asarray(rise + np.log(prior / b) / 2 + stirling(b) - stirling(prior) + tails)

    def highest(self, variance: Array) -> Array:
        return np.full(np.shape(variance), np.inf)


def rate_sequence(counts: Array, exposure: Array, alpha: float = 0.05, *, planned_count: float) -> tuple[Array, Array]:
    """Lower and upper ends of the rate of events, at every look together.

    Args:
        counts: events so far, shape (looks,).
        exposure: units, or unit-days, so far, shape (looks,), in the rate's unit.
        alpha: error over all looks.
        planned_count: events at which the sequence shall be narrowest.

    Counts come one by one from a Poisson process, or from units whose counts are Poisson given their past. Users who
    differ in their rates are not: their counts spread more. Use a bounded or the readout's own sequence for those.

    Source: Howard et al. 2021, gamma-Poisson mixture: with rate r, S = N - r t is sub-Poisson with V = r t.
    """
    counts, exposure = np.asarray(counts, float), positive("exposure", exposure)
    if np.any(counts < 0) or np.any(np.diff(counts) < 0):
        raise AnalysisError(f"counts must be 0 or more and may not fall from look to look; got {counts.tolist()}.")
    goal = -np.log(level(alpha) / 2)

    def evidence(expected: Array, count: Array, above: bool) -> Array:
        """How far the count's log e-value against this expectation is beyond the goal, on one side."""
        rho = rho_for(planned_count, alpha / 2, sides=1)
        if above:
            return np.asarray(GammaPoisson(rho, 1.0).log_e(count - expected, expected) - goal)
        # A count that is too low: E exp(l (m - N)) <= exp(l^2 m / 2), so it is sub-Gaussian.
        return np.asarray(OneSidedNormal(rho).log_e(expected - count, expected) - goal)

    # So few events may be no evidence against any rate, however small.
    least = np.full(counts.shape, 1e-12)
    some = evidence(least, np.maximum(counts, 1e-9), True) > 0
    low = solve(lambda e, c: evidence(e, c, True), least, np.where(some, counts, least), counts)
    most = 2 * counts + 4 * goal + 4 * np.sqrt(planned_count * goal) + 10
    for _ in range(60):
        short = evidence(most, counts, False) < 0
        most = np.where(short, 2 * most, most)
    high = solve(lambda e, c: evidence(e, c, False), np.maximum(counts, 1e-12), most, counts)
    return np.where(some, low, 0.0) / exposure, high / exposure
