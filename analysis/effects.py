"""Effects: from the Moments of two arms to the two values, their covariance, and what covariates save.

Everything here works over any leading cells at once (looks, segments); nothing touches rows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import Metric, Quantity
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.variables import SIZE, Variable

# A standard deviation this small beside the mean is the rounding of a constant, not variation.
ROUNDING = 1e-14
# Fewer units than this for each fitted number, and a slope of an arm's own makes its error too small.
UNITS_A_SLOPE = 20


@dataclass(frozen=True, slots=True)
class Contrast:
    """A quantity in two arms, over cells of shape (...).

    Attributes:
        control, treatment: values, shape (...).
        covariance: of the two values, shape (..., 2, 2), control first; nan where it cannot be known.
        n_control, n_treatment: units, shape (...).
        dof: Welch's degrees of freedom, shape (...); inf for a normal pivot.
        slopes: of the covariates, shape (..., 1, k) for one pooled slope or (..., 2, k), control first; k may be 0.
        refused: why a cell has no value, shape (...), None where it has one; None where that goes without saying.
    """

    control: Array
    treatment: Array
    covariance: Array
    n_control: Array
    n_treatment: Array
    dof: Array
    slopes: Array
    refused: NDArray[np.object_] | None = None

    def __getitem__(self, cells: Any) -> Contrast:
        """The contrast of some cells, indexed like an array over the leading axes."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        parts: dict[str, Any] = {name: None if value is None else value[cells] for name, value in values.items()}
        return Contrast(**parts)

    @property
    def difference(self) -> Array:
        """Treatment minus control."""
        return self.treatment - self.control

    @property
    def standard_error(self) -> Array:
        """Of the difference; 0 where neither arm varies, nan where a variance is not known."""
        v = self.covariance
        return np.sqrt(np.maximum(v[..., 0, 0] + v[..., 1, 1] - 2 * v[..., 0, 1], 0.0))

    def against_margin(self, ratio: float | Array) -> tuple[Array, Array]:
        """Treatment - R x control, with R = 1 + ratio x sign(control), and its standard error.

        Above 0 exactly where the lift is above `ratio`. It has bounds also where the lift itself has none.
        """
        r = 1 + ratio * np.sign(self.control)
        v = self.covariance
        spread = v[..., 1, 1] - 2 * r * v[..., 0, 1] + r**2 * v[..., 0, 0]
        return self.treatment - r * self.control, np.sqrt(np.maximum(spread, 0.0))

    @property
    def relative_standard_error(self) -> Array:
        """Of treatment / control, by the delta method."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.treatment / self.control
            v = self.covariance
            spread = v[..., 1, 1] - 2 * ratio * v[..., 0, 1] + ratio**2 * v[..., 0, 0]
            return np.sqrt(np.maximum(spread, 0.0)) / np.abs(self.control)


@dataclass(frozen=True, slots=True)
class _Linear:
    """Linearised quantities of one arm: n, values (..., q) and covariance (..., q, q) of one unit.

    `effective` is n, or of clusters of unequal size how many of one size would weigh as much; `counted` is n without
    those whose window is still open, where the metric waits for it.
    """

    n: Array
    counted: Array
    effective: Array
    value: Array
    covariance: Array


def unadjusted_contrast(metric: Metric, control: Moments, treatment: Moments) -> Contrast:
    """The metric in both arms as observed, with Welch's degrees of freedom."""
    arms = [_linearise((metric.outcome,), arm) for arm in (control, treatment)]
    # What a kind knows of its variance holds for a mean over units, not for sums over clusters.
    per_unit = [
        arm.covariance[..., 0, 0]
        if metric.outcome.denominator
        else metric.unit_variance(arm.value[..., 0], arm.covariance[..., 0, 0])
        for arm in arms
    ]
    none = np.zeros((*arms[0].n.shape, 1, 0))
    return _independent(metric, arms, [arm.value[..., 0] for arm in arms], per_unit, none)


def pooled_contrast(metric: Metric, control: Moments, treatment: Moments, slope: Array | None = None) -> Contrast:
    """The metric in both arms, adjusted for its covariates (CUPED) with one slope for both arms.

    Args:
        metric: has at least one covariate; ratios are linearised, covariates too.
        control, treatment: Moments that hold the metric's variables, and companions for missing covariates.
        slope: shape (..., k); from the two arms together where it is not given. Segments share the slope of all
            units, so that a small segment adds no noise of its own.

    Source: Deng, Xu, Kohavi and Walker, WSDM 2013, equation 4; its version for ratios in Deng and Shi, KDD 2016.
    """
    quantities = (metric.outcome, *covariates_of(metric, control))
    arms = [_linearise(quantities, arm) for arm in (control, treatment)]
    centre = _linearise(quantities, control, treatment).value[..., 1:]
    return _pooled(metric, arms, pooled_slope(metric, control, treatment) if slope is None else slope, centre)


def pooled_slope(metric: Metric, control: Moments, treatment: Moments) -> Array:
    """Slope of the metric on its covariates among the units of both arms, shape (..., k)."""
    return slopes(_linearise((metric.outcome, *covariates_of(metric, control)), control, treatment).covariance)


def lin_contrast(metric: Metric, control: Moments, treatment: Moments, share: float) -> Contrast:
    """The metric in both arms, adjusted with a slope in each arm (Lin 2013).

    `share` is the planned share of the treatment among the two arms: the standard error is that of the influence
    function, which knows it.
    """
    quantities = (metric.outcome, *covariates_of(metric, control))
    arms = [_linearise(quantities, arm) for arm in (control, treatment)]
    centre = _linearise(quantities, control, treatment).value[..., 1:]
    return _lin(arms, centre, share)


def slopes(covariance: Array) -> Array:
    """Least-squares slopes of the first variable on the others, shape (..., k), from (..., 1 + k, 1 + k).

    Covariates are scaled first; a constant or duplicated one gets the slope of least norm, so 0 for a constant.
    """
    within, cross = covariance[..., 1:, 1:], covariance[..., 1:, 0]
    spread = np.sqrt(np.maximum(np.diagonal(within, axis1=-2, axis2=-1), 0.0))
    inverse = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    correlation = within * inverse[..., :, None] * inverse[..., None, :]
    known = np.asarray(np.isfinite(correlation).all(axis=(-2, -1)))
    solved = np.linalg.pinv(np.where(known[..., None, None], correlation, 0.0), rcond=1e-10, hermitian=True)
    slope = np.einsum("...ij,...j->...i", solved, cross * inverse) * inverse
    return np.where(known[..., None], slope, np.nan)


def covariates_of(metric: Metric, moments: Moments) -> tuple[Quantity, ...]:
    """The metric's covariates, each followed by its missing marker where the data had nulls."""
    found: list[Quantity] = []
    for quantity in metric.covariates:
        found.append(quantity)
        for variable in quantity.variables:
            marker = Variable(variable.value, missing=True)
            if marker in moments.variables:
                found.append(Quantity(marker, SIZE if SIZE in moments.variables else None))
    return tuple(found)


def _linearise(quantities: tuple[Quantity, ...], *arms: Moments) -> _Linear:
    """The quantities of arms together, the metric's first; a covariate with a denominator of 0 explains nothing."""
    variables = tuple(dict.fromkeys(v for quantity in quantities for v in quantity.variables))
    size = (SIZE,) if SIZE in arms[0].variables else ()
    arm = reduce(add, (each.select(tuple(dict.fromkeys((*variables, *size)))) for each in arms))
    effective, counted = arm.kish(SIZE) if SIZE in arm.variables else arm.n, _counted(quantities[0], arm)
    arm = arm.select(variables)
    value = np.empty((*arm.n.shape, len(quantities)))
    gradient = np.zeros((*arm.n.shape, len(quantities), len(variables)))
    for k, quantity in enumerate(quantities):
        place = [variables.index(v) for v in quantity.variables]
        point, slope = quantity.linearise(arm.mean[..., place])
        empty = np.isnan(point) & (k > 0)
        value[..., k] = np.where(empty, 0.0, point)
        for j, column in enumerate(place):
            gradient[..., k, column] += np.where(empty, 0.0, slope[..., j])
    value = np.where((arm.n > 0)[..., None], value, np.nan)
    return _Linear(arm.n, counted, effective, value, gradient @ arm.covariance @ np.swapaxes(gradient, -1, -2))


def _counted(quantity: Quantity, arm: Moments) -> Array:
    if quantity.denominator is None or quantity.denominator.aggregation != "unit":
        return arm.n
    over = arm.select((quantity.denominator,)).mean[..., 0]
    size = np.maximum(arm.select((SIZE,)).mean[..., 0], 1.0) if SIZE in arm.variables else 1.0
    return np.asarray(np.rint(arm.n * over / size))


def _pooled(metric: Metric, arms: list[_Linear], slope: Array, centre: Array) -> Contrast:
    values, residual, shared = [], [], []
    n = arms[0].n + arms[1].n
    for arm in arms:
        drift = np.einsum("...k,...k->...", slope, arm.value[..., 1:] - centre)
        values.append(arm.value[..., 0] - drift)
        cross = np.einsum("...k,...k->...", slope, arm.covariance[..., 0, 1:])
        spread = np.einsum("...k,...kj,...j->...", slope, arm.covariance[..., 1:, 1:], slope)
        residual.append(arm.covariance[..., 0, 0] - 2 * cross + spread)
        shared.append((cross - spread, spread * arm.n))
    plain = _independent(metric, arms, values, residual, slope[..., None, :])
    # Both values carry the shared covariate mean: it cancels in the difference, not in the ratio.
    with np.errstate(divide="ignore", invalid="ignore"):
        q_c, q_t = (cross / n for cross, _ in shared)
        common = (shared[0][1] + shared[1][1]) / n**2
    extra = np.stack(
        [np.stack([common + 2 * q_c, common + q_c + q_t], -1), np.stack([common + q_c + q_t, common + 2 * q_t], -1)], -2
    )
    return Contrast(
        plain.control,
        plain.treatment,
        plain.covariance + extra,
        plain.n_control,
        plain.n_treatment,
        plain.dof,
        plain.slopes,
    )


def _lin(arms: list[_Linear], centre: Array, share: float) -> Contrast:
    """Each arm's mean at the common covariate mean; covariance from the two influence functions.

    Source: Lin, Ann. Appl. Stat. 2013, section 4; augmented inverse-probability weighting with linear working
    models. Its standard error is not the HC2 of the regression: HC2 needs each unit's leverage, which no
    second moment holds; the two differ by order k/n. Not a number in an arm of few units.
    """
    fitted = [
        np.where((arm.effective >= UNITS_A_SLOPE * arm.value.shape[-1])[..., None], slopes(arm.covariance), np.nan)
        for arm in arms
    ]
    slope = np.stack(fitted, axis=-2)
    values = [
        arm.value[..., 0] - np.einsum("...k,...k->...", slope[..., a, :], arm.value[..., 1:] - centre)
        for a, arm in enumerate(arms)
    ]
    parts = [_influence(arm, a, slope, values, centre, share) for a, arm in enumerate(arms)]
    whole = parts[0] + parts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = whole.covariance / whole.n[..., None, None]
    own = [np.diagonal(part.covariance, axis1=-2, axis2=-1)[..., a] for a, part in enumerate(parts)]
    return Contrast(values[0], values[1], covariance, arms[0].counted, arms[1].counted, _welch(own, arms), slope)


def _influence(arm: _Linear, which: int, slope: Array, values: list[Array], centre: Array, share: float) -> Moments:
    """Moments, within one arm, of the influence functions of (control mean, treatment mean)."""
    weight = 1 / (share if which else 1 - share)
    # Rows: the two influence functions as linear maps of the linearised (outcome, covariates) of this arm.
    maps = np.zeros((*arm.n.shape, 2, arm.value.shape[-1]))
    maps[..., :, 1:] = slope
    maps[..., which, 0] = weight
    maps[..., which, 1:] -= weight * slope[..., which, :]
    shift = np.einsum("...ak,...k->...a", slope, arm.value[..., 1:] - centre)
    mean = np.stack(values, axis=-1) + shift
    covariance = maps @ arm.covariance @ np.swapaxes(maps, -1, -2)
    return Moments((), arm.n, mean, covariance * (arm.n - 1)[..., None, None])


def _independent(
    metric: Metric, arms: list[_Linear], values: list[Array], per_unit: list[Array], slope: Array
) -> Contrast:
    """A contrast of two independent arms with these values and variances of one unit."""
    variances = []
    for value, variance, arm in zip(values, per_unit, arms, strict=True):
        constant = np.abs(variance) <= np.square(ROUNDING * value)
        with np.errstate(divide="ignore", invalid="ignore"):
            variances.append(np.where(constant, 0.0, np.maximum(variance, 0.0)) / np.where(arm.n > 1, arm.n, np.nan))
    covariance = np.zeros((*values[0].shape, 2, 2))
    covariance[..., 0, 0], covariance[..., 1, 1] = variances
    dof = (
        np.full_like(values[0], np.inf)
        if metric.pivot == "normal" and metric.outcome.denominator is None
        else _welch([v * arm.n for v, arm in zip(variances, arms, strict=True)], arms)
    )
    return Contrast(values[0], values[1], covariance, arms[0].counted, arms[1].counted, dof, slope)


def _welch(per_unit: list[Array], arms: list[_Linear]) -> Array:
    """Welch–Satterthwaite degrees of freedom; nan where an arm has fewer than two units or nothing varies.

    A variance from clusters of unequal size is known as well as one from their effective number.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (variance / arm.n for variance, arm in zip(per_unit, arms, strict=True))
        dof: Array = (a + b) ** 2 / (a**2 / (arms[0].effective - 1) + b**2 / (arms[1].effective - 1))
    return dof
