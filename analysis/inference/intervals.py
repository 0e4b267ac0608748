"""Interval rules: how wide an interval is, and the p-value that goes with it.

Each rule turns a pivot z = difference / standard error into a critical value and a p-value that agree:
the interval leaves out 0 exactly when the p-value is below alpha.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from scipy import special

from analysis.metrics.metric import Array

# The kinds that keep their level at all looks together.
PEEKING = ("confidence_sequence", "group_sequential")


class IntervalRule(Protocol):
    """A way to make intervals; `kind` is the word used in experiment files and readouts."""

    kind: ClassVar[str]

    def critical(self, alpha: float, n: Array, dof: Array) -> Array:
        """Half-width in standard errors, given units n and degrees of freedom (inf for normal)."""
        ...

    def p_value(self, z: Array, n: Array, dof: Array) -> Array:
        """Two-sided p-value of the pivot z."""
        ...


@dataclass(frozen=True, slots=True)
class FixedHorizon:
    """Welch's t (or z where dof is inf): valid at one look that was chosen before the data."""

    kind: ClassVar[str] = "fixed"

    def critical(self, alpha: float, n: Array, dof: Array) -> Array:
        del n
        return -_t_quantile(alpha / 2, np.asarray(dof, float))

    def p_value(self, z: Array, n: Array, dof: Array) -> Array:
        del n
        dof = np.asarray(dof, float)
        finite = np.where(np.isinf(dof), 1.0, dof)
        tail = np.where(np.isinf(dof), special.ndtr(-np.abs(z)), special.stdtr(finite, -np.abs(z)))
        return np.asarray(2 * tail)


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """Asymptotic confidence sequence: valid at every look, tightest near `planned_units`.

    `alpha` is the level that the sequence is tuned for; narrower or wider levels stay valid.
    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Ann. Stat. 2024, theorem 2.2 (arXiv 2103.06476);
    tuning by Howard, Ramdas, McAuliffe and Sekhon 2021, equation 14, in its closed approximation.
    """

    planned_units: float
    alpha: float = 0.05

    kind: ClassVar[str] = "confidence_sequence"

    @property
    def rho_squared(self) -> float:
        """Mixture precision per unit."""
        log = np.log(self.alpha)
        return float((-2 * log + np.log(1 - 2 * log)) / self.planned_units)

    def critical(self, alpha: float, n: Array, dof: Array) -> Array:
        del dof
        information = np.asarray(n, float) * self.rho_squared
        with np.errstate(divide="ignore", invalid="ignore"):
            widths = 2 * (information + 1) / information * (np.log1p(information) / 2 - np.log(alpha))
        return np.asarray(np.sqrt(widths))

    def p_value(self, z: Array, n: Array, dof: Array) -> Array:
        del dof
        information = np.asarray(n, float) * self.rho_squared
        log_e = information * np.square(z) / (2 * (information + 1)) - np.log1p(information) / 2
        return np.asarray(np.exp(-np.maximum(log_e, 0.0)))


def _t_quantile(p: float, dof: Array) -> Array:
    finite = np.where(np.isinf(dof), 1.0, dof)
    return np.asarray(np.where(np.isinf(dof), special.ndtri(p), special.stdtrit(finite, p)))


def fieller(control: Array, treatment: Array, covariance: Array, critical: Array) -> tuple[Array, Array]:
    """Interval of the lift (treatment - control) / |control| from the pivot of the difference.

    Args:
        control, treatment: means, shape (...).
        covariance: of the two means, shape (..., 2, 2), control first.
        critical: half-width in standard errors, shape (...).

    Returns:
        Lower and upper ends, shape (...); nan where the control mean is not clearly different from 0, for then
        the set of lifts that fit the data is unbounded. It leaves out 0 exactly when the difference's own
        interval does.

    Source: Fieller 1954; solved around the estimate, so that tight intervals lose no digits.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = treatment / control
        c2 = np.square(critical)
        v_c, v_t, v_ct = covariance[..., 0, 0], covariance[..., 1, 1], covariance[..., 0, 1]
        spread = v_t - 2 * ratio * v_ct + ratio**2 * v_c
        a = control**2 - c2 * v_c
        b = -c2 * (v_ct - ratio * v_c)
        root = np.sqrt(np.maximum(b**2 + a * c2 * spread, 0.0))
        bounded = a > 0
        ends = np.stack([(b - root) / a, (b + root) / a]) + (treatment - control) / control
        ends = np.sort(np.where(bounded, ends * np.sign(control), np.nan), axis=0)
    return ends[0], ends[1]
