"""The t mixture: a coefficient of a regression with normal errors, exactly, at every n."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.errors import AnalysisError
from analysis.inference.sequences.mixture import level, positive, solve
from analysis.metrics.metric import Array


@dataclass(frozen=True, slots=True)
class StudentMixture:
    """Normal mixture over the coefficient in units of the unknown error: the variance needs no estimate.

    Exact for normal errors of one variance, where `TwoSidedNormal` treats an estimated variance as known; in the limit
    of large n the two agree, with g the mixture's rho.

    Source: Lindon, Ham, Tingley and Bojinov, JASA 2026 (arXiv 2210.08589), with weight g / (g + n).
    """

    g: float

    @classmethod
    def tuned(cls, n: float, coefficients: int, alpha: float) -> StudentMixture:
        """The mixture that is narrowest at n units.

        With w = (alpha^2 r)^(1 / (dof + 1)) and r = g / (g + n), half the width squared is (1 - w) / (w - r) up to
        constants; its slope is 0 where 1 - w = (1 - r) w / ((dof + 1) r).
        """
        power = 1 / (_dof(n, coefficients) + 1)
        log = 2 * np.log(level(alpha))

        def slope(log_r: Array) -> Array:
            r, log_w = np.exp(log_r), (log + log_r) * power
            return np.asarray(-np.expm1(log_w) + np.expm1(log_r) * np.exp(log_w) * power / r)

        r = float(np.exp(solve(slope, np.array(-40.0), np.array(np.log(0.5)))))
        return cls(n * r / (1 - r))

    def critical(self, n: Array, coefficients: int, alpha: float) -> Array:
        """Distance of the ends in standard errors; inf while n is too small for any."""
        n, dof = np.asarray(n, float), _dof(n, coefficients)
        r = self.g / (self.g + n)
        log_w = (2 * np.log(level(alpha)) + np.log(r)) / (dof + 1)
        room = np.exp(log_w) - r
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(room > 0, np.sqrt(-dof * np.expm1(log_w) / room), np.inf))

    def log_e(self, t: Array, n: Array, coefficients: int) -> Array:
        """Log e-value of a t statistic after n units."""
        n, dof = np.asarray(n, float), _dof(n, coefficients)
        r, square = self.g / (self.g + n), np.square(t) / dof
        return np.asarray(np.log(r) / 2 + (dof + 1) / 2 * (np.log1p(square) - np.log1p(r * square)))

    def p_value(self, t: Array, n: Array, coefficients: int) -> Array:
        """Always-valid p-value of "the coefficient is 0"."""
        return np.exp(-np.maximum(self.log_e(t, n, coefficients), 0.0))


def _dof(n: Array | float, coefficients: int) -> Array:
    dof = positive("n", n) - coefficients
    if np.any(dof <= 0):
        raise AnalysisError(f"n must be larger than the {coefficients} coefficients of the regression; got {n}.")
    return dof
