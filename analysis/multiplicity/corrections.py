"""Many comparisons at once: adjusted p-values over a family, and the levels of the intervals that match them.

A family lies along the last axis; a p-value of nan was not tested and does not count. A declared comparison that
cannot be read yet does count if looks are many, for else the family would grow while one peeks: give it p = 1.
A comparison is rejected where its adjusted p-value is at most alpha.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.metric import Array


def holm(p: Array) -> Array:
    """Adjusted p-values for the family-wise error rate under any dependence, shape (..., m).

    With p-values of a confidence sequence at every look it holds over all looks together.

    Source: Holm, Scand. J. Stat. 1979.
    """
    order = np.argsort(p, axis=-1)
    steps = np.take_along_axis(p, order, axis=-1) * (_tested(p) - np.arange(p.shape[-1]))
    return _restored(np.maximum.accumulate(steps, axis=-1), order)


def benjamini_hochberg(p: Array) -> Array:
    """Adjusted p-values for the false discovery rate of independent or positively dependent tests, shape (..., m).

    With e-values, p = min(1, 1/e) as a confidence sequence gives at the current look, this is e-BH: its rate
    holds under any dependence and when one may stop at any look. Not so with the smallest p-value so far.

    Source: Benjamini and Hochberg, J. R. Stat. Soc. B 1995; e-BH: Wang and Ramdas, J. R. Stat. Soc. B 2022.
    """
    order = np.argsort(p, axis=-1)
    steps = np.take_along_axis(p, order, axis=-1) * _tested(p) / np.arange(1, p.shape[-1] + 1)
    return _restored(np.fmin.accumulate(steps[..., ::-1], axis=-1)[..., ::-1], order)


def fcr_alpha(p: Array, alpha: float) -> Array:
    """Level alpha R / m of the intervals that go with the R of m rejections of Benjamini–Hochberg, shape (...).

    Of the selected comparisons' intervals a share of alpha at most misses, on average. An interval at this level
    leaves out 0 exactly where the comparison is rejected; where none is it is alpha / m, and all contain 0. With
    the intervals of a confidence sequence it is e-BY, valid under any dependence, selection and stopping.

    Source: Benjamini and Yekutieli, J. Am. Stat. Assoc. 2005; e-BY: Xu, Wang and Ramdas, arXiv 2203.12572.
    """
    rejected, tested = np.sum(benjamini_hochberg(p) <= alpha, axis=-1), _tested(p)[..., 0]
    return np.where(tested > 0, alpha * np.maximum(rejected, 1) / np.maximum(tested, 1), np.nan)


def selected_alpha(alpha: float, picked: int, total: int) -> float:
    """Level of the intervals of `picked` out of `total` comparisons that a reader chose in any way.

    Confidence sequences at this level keep the false coverage rate at alpha at any look (e-BY), if they were tuned
    before the choice: `ConfidenceSequence.alpha` must not hang on `picked`. Intervals for one look keep it too if
    the comparisons are independent, as disjoint segments are, and the choice is simple: the number picked does not
    hang on a picked comparison's own value while all others are held.

    Raises:
        ValueError: if not 1 <= picked <= total.

    Source: Xu, Wang and Ramdas, arXiv 2203.12572; Benjamini and Yekutieli 2005, theorem 1.
    """
    if not 1 <= picked <= total:
        raise ValueError(f"{picked} comparisons were picked out of {total}; pick at least 1 and at most {total}")
    return alpha * picked / total


@dataclass(frozen=True, slots=True)
class DirectionalHolm:
    """Holm's test in both directions, with the level that each end of each interval must have.

    Attributes:
        adjusted: p-values of the claim "above 0" or "below 0" that the estimate points to, shape (..., m).
        lower_level, upper_level: the end is that of the two-sided interval at this level; 0 where the end is 0.
        above, below: where the claim is made; that end is clipped at 0, and an end at 0 leaves 0 out.
    """

    adjusted: Array
    lower_level: Array
    upper_level: Array
    above: NDArray[np.bool_]
    below: NDArray[np.bool_]

    def member(self, k: int) -> DirectionalHolm:
        """Comparison k of the family, shape (...)."""
        return DirectionalHolm(*(getattr(self, field.name)[..., k] for field in fields(self)))

    def ends(self, interval: Callable[[float], tuple[Array, Array]]) -> tuple[Array, Array]:
        """Lower and upper ends, simultaneous over the family, shape (..., m).

        `interval` gives both ends of the two-sided intervals at a level, of the difference or of the lift. They
        leave out 0 exactly where the claim is made.
        """
        lower, upper = np.where(self.above, 0.0, np.nan), np.where(self.below, 0.0, np.nan)
        for level in np.unique(np.stack([self.lower_level, self.upper_level])):
            if level > 0:
                low, high = interval(float(level))
                lower = np.where(self.lower_level == level, np.where(self.above, np.fmax(low, 0.0), low), lower)
                upper = np.where(self.upper_level == level, np.where(self.below, np.fmin(high, 0.0), high), upper)
        return lower, upper


def directional_holm(p: Array, z: Array, alpha: float) -> DirectionalHolm:
    """Holm for all claims "above 0" at alpha / 2 and for all claims "below 0" at alpha / 2.

    Args:
        p: two-sided p-values, shape (..., m), of a rule whose interval is symmetric: half the level on each side.
        z: the estimates or their pivots, for their signs, shape (..., m).
        alpha: the rate at which some claim may be wrong, or some interval of the family miss, in all.

    On a side with R of m claims made, an open one is bounded at alpha / (m - R), a claim made by 0; where all are
    made, by the end at alpha / m if that is farther. So it is over all looks, too, if the rule is a confidence
    sequence (each side of a two-sided sequence at level 2a keeps a / (1 - a)).

    Source: Strassburger and Bretz, Stat. Med. 2008; Guilbaud, Biom. J. 2008, section 3.
    """
    up = np.asarray(z) > 0
    above, below = (_one_side(np.where(claimed | np.isnan(p), p, 1.0), alpha) for claimed in (up, ~up))
    return DirectionalHolm(np.where(up, above[0], below[0]), above[1], below[1], above[2], below[2])


def _one_side(p: Array, alpha: float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Adjusted p-values, levels of the bounds, and which claims are made."""
    adjusted, m = holm(p), _tested(p)
    made = adjusted <= alpha
    still_open = m - made.sum(axis=-1, keepdims=True)
    level = np.where(made & (still_open > 0), 0.0, alpha / np.maximum(np.where(still_open > 0, still_open, m), 1))
    return adjusted, np.where(np.isnan(p), np.nan, level), made


def _tested(p: Array) -> NDArray[np.int64]:
    """How many comparisons of each family were tested, shape (..., 1)."""
    return np.asarray(np.sum(~np.isnan(p), axis=-1, keepdims=True), np.int64)


def _restored(ranked: Array, order: NDArray[np.int64]) -> Array:
    """Values at most 1 back in the order in which the p-values came."""
    adjusted = np.empty_like(ranked)
    np.put_along_axis(adjusted, order, np.minimum(ranked, 1.0), axis=-1)
    return adjusted
