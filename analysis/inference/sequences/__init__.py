"""Exact confidence sequences: intervals and p-values that hold at every look and at every sample size.

The readout's own sequence (`analysis.inference.intervals.ConfidenceSequence`) leans on the central limit theorem. Those
here do not: they pay for it in width, and each says what it must know of the data instead, such as a range.
"""

from analysis.inference.sequences.binomial import BetaBinomial, proportion_sequence
from analysis.inference.sequences.bounded import (
    betting_sequence,
    empirical_bernstein_lower,
    empirical_bernstein_sequence,
    hoeffding_sequence,
)
from analysis.inference.sequences.effect import EffectSequence, effect_sequence
from analysis.inference.sequences.empirical_process import distribution_radius
from analysis.inference.sequences.gamma import GammaExponential, GammaPoisson, rate_sequence
from analysis.inference.sequences.mixture import Mixture, bound
from analysis.inference.sequences.normal import (
    OneSidedNormal,
    TwoSidedNormal,
    one_sided_critical,
    one_sided_p_value,
    rho_for,
)
from analysis.inference.sequences.quantile import compare_quantiles, quantile_ranks, quantile_sequence
from analysis.inference.sequences.stitching import quantile_uniform_bound, stitched_bound
from analysis.inference.sequences.student import StudentMixture

__all__ = [
    "BetaBinomial",
    "EffectSequence",
    "GammaExponential",
    "GammaPoisson",
    "Mixture",
    "OneSidedNormal",
    "StudentMixture",
    "TwoSidedNormal",
    "betting_sequence",
    "bound",
    "compare_quantiles",
    "distribution_radius",
    "effect_sequence",
    "empirical_bernstein_lower",
    "empirical_bernstein_sequence",
    "hoeffding_sequence",
    "one_sided_critical",
    "one_sided_p_value",
    "proportion_sequence",
    "quantile_ranks",
    "quantile_sequence",
    "quantile_uniform_bound",
    "rate_sequence",
    "rho_for",
    "stitched_bound",
]
