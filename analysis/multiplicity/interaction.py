"""Does the effect differ between the levels of a dimension? One test, before any single segment is looked at."""

from __future__ import annotations

import numpy as np
from scipy import special

from analysis.inference.intervals import FixedHorizon, IntervalRule
from analysis.metrics.metric import Array


def interaction_p_value(effects: Array, standard_errors: Array, units: Array, dof: Array, rule: IntervalRule) -> Array:
    """p-value of "the effect is the same in all levels", shape (looks,); nan where fewer than two can be read.

    Args:
        effects, standard_errors: of disjoint segments, differences or lifts, shape (looks, levels); nan where a
            segment has no interval, which leaves it out.
        units: of both arms together, shape (looks, levels).
        dof: degrees of freedom of the standard errors, shape (looks, levels); inf for a normal pivot.
        rule: a fixed horizon tests all levels at once. Any other tests each level against the weighted mean of the
            others, and holds its level at all looks together as the rule does.
    """
    known = np.isfinite(effects) & (standard_errors > 0)
    precision = np.where(known, 1 / np.square(np.where(known, standard_errors, 1.0)), 0.0)
    effects, units = np.where(known, effects, 0.0), np.where(known, units, 0.0)
    inverse_dof = np.where(known, 1 / dof, 0.0)
    p = (
        _cochran(effects, precision, inverse_dof)
        if isinstance(rule, FixedHorizon)
        else _each_against_the_others(effects, precision, inverse_dof, units, rule)
    )
    return np.where(known.sum(axis=-1) > 1, p, np.nan)


def _cochran(effects: Array, precision: Array, inverse_dof: Array) -> Array:
    """Cochran's Q, with Welch's correction for errors that were estimated from few units.

    Source: Cochran, Biometrics 1954; Welch, Biometrika 1951. It is Q itself where the errors are known, and Welch's t
    for two levels.
    """
    k = np.sum(precision > 0, axis=-1)
    total = precision.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.sum(precision * effects, axis=-1, keepdims=True) / total
        q = np.sum(precision * np.square(effects - mean), axis=-1)
        doubt = np.sum(np.square(1 - precision / total) * inverse_dof, axis=-1) / (k**2 - 1)
        f = q / (k - 1) / (1 + 2 * (k - 2) * doubt)
        return np.asarray(special.fdtrc(k - 1, np.minimum(1 / (3 * doubt), 1e15), f))


def _each_against_the_others(
    effects: Array, precision: Array, inverse_dof: Array, units: Array, rule: IntervalRule
) -> Array:
    """Each level against the precision-weighted mean of the others, Bonferroni over the levels.

    Levels that cannot be read yet count, for else the number would grow while one peeks. Two levels are one test.
    """
    others = precision.sum(axis=-1, keepdims=True) - precision
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = (np.sum(precision * effects, axis=-1, keepdims=True) - precision * effects) / others
        spread = 1 / precision + 1 / others
        weight = np.square(precision) * inverse_dof
        doubt = inverse_dof / np.square(precision) + (weight.sum(axis=-1, keepdims=True) - weight) / others**4
        z, dof = (effects - rest) / np.sqrt(spread), np.square(spread) / doubt
    n = np.broadcast_to(units.sum(axis=-1, keepdims=True), units.shape)
    tests = units.shape[-1] if units.shape[-1] > 2 else 1
    with np.errstate(invalid="ignore"):
        p = rule.p_value(z, n, dof)
    return np.asarray(np.minimum(np.fmin.reduce(p, axis=-1) * tests, 1.0))
