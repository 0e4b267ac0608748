"""The average treatment effect of a bounded outcome, by the chances with which units were assigned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.errors import AnalysisError
from analysis.inference.sequences.gamma import GammaExponential
from analysis.inference.sequences.mixture import bound, bounded, level, positive
from analysis.inference.sequences.normal import rho_for
from analysis.metrics.metric import Array


@dataclass(frozen=True, slots=True)
class EffectSequence:
    """After each unit, shape (n,) each, in the outcome's unit.

    Attributes:
        estimate: mean over units of the augmented inverse-probability score.
        lower, upper: ends, within what the range of outcomes allows.
        p_above, p_below: p-values of "not above 0" and "not below 0" as they stand; twice the smaller, for both.
    """

    estimate: Array
    lower: Array
    upper: Array
    p_above: Array
    p_below: Array


def effect_sequence(
    outcomes: Array, treated: Array, alpha: float = 0.05, *, share: float, width: float, variance: float
) -> EffectSequence:
    """The effect on the units seen so far, whoever they are: only the assignment is random, outcomes are not.

    Args:
        outcomes: in [0, 1], in the order in which units came, shape (n,). Scale by a range known beforehand.
        treated: 0 or 1, shape (n,).
        alpha: error over all looks, both sides together.
        share: chance of treatment, the same for all units.
        width: units at which the sequence shall be narrowest.
        variance: of one outcome, a guess; a bad one costs width only.

    Each unit's effect is guessed from the means of the arms before it came, and corrected by what its outcome says.

    Raises:
        AnalysisError: if outcomes leave [0, 1], treated holds anything but 0 and 1, or share is not in (0, 1).

    Source: Howard, Ramdas, McAuliffe and Sekhon, Ann. Stat. 2021, corollary 2.
    """
    outcomes, treated = bounded("outcomes", outcomes), bounded("treated", treated)
    if len(treated) != len(outcomes) or np.any((treated != 0) & (treated != 1)):
        raise AnalysisError("treated must hold a 0 or a 1 for each outcome.")
    if not 0 < share < 1:
        raise AnalysisError(f"share == {share}, must be in (0, 1): the chance with which a unit is treated.")
    guesses = [_guesses(outcomes, treated == arm) for arm in (0, 1)]
    guessed = guesses[1] - guesses[0]
    weight = (treated - share) / (share * (1 - share))
    surprise = weight * (outcomes - np.where(treated == 1, guesses[1], guesses[0]))
    n, walk, spread = np.arange(1.0, len(outcomes) + 1), np.cumsum(guessed + surprise), np.cumsum(np.square(surprise))
    planned = float(positive("width", width) * positive("variance", variance)) * (1 / share + 1 / (1 - share))
    # A score and its guess are at most 2 / the rarer arm's share apart, for outcomes of range 1.
    mixture = GammaExponential(rho_for(planned, alpha / 2, sides=1), 2 / min(share, 1 - share))
    known = np.maximum(spread, np.finfo(float).tiny)
    reach, estimate = bound(mixture, known, level(alpha) / 2) / n, walk / n
    above, below = (np.exp(-np.maximum(mixture.log_e(sign * walk, known), 0.0)) for sign in (1, -1))
    return EffectSequence(estimate, np.maximum(estimate - reach, -1.0), np.minimum(estimate + reach, 1.0), above, below)


def _guesses(outcomes: Array, of_arm: Array) -> Array:
    """The arm's mean before each unit came; 1/2 for the first, 0 while the arm has none."""
    means = np.cumsum(outcomes * of_arm) / np.maximum(np.cumsum(of_arm), 1.0)
    return np.append(0.5, means[:-1])
