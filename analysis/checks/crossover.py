"""Units seen in two arms: how many, and whether one arm has more of them than the other."""

from __future__ import annotations

import numpy as np

from analysis.checks.splits import SAMPLE_RATIO_SEQUENTIAL
from analysis.checks.subject import Subject, p_text, split_text
from analysis.metrics.metric import Array
from analysis.readout import Check, Verdict
from analysis.sample_ratio import CONCENTRATION, fixed_p_value, sequential_p_value

WARN, FAIL = 0.01, 0.10
# Few units are left out, so a prior that expects small shifts would see nothing.
LOSS_CONCENTRATION = 100.0


def check(subject: Subject) -> list[Check | None]:
    """Left out unevenly they bias the comparison; kept in their first arm they only bring the arms nearer."""
    experiment, units, crossed = subject.experiment, subject.units, subject.collected.crossed
    shares = subject.splits.shares
    left_out = experiment.crossovers == "exclude"
    everyone = units + crossed if left_out else units
    uneven, with_them = _p_values(crossed, shares, LOSS_CONCENTRATION), _p_values(everyone, shares, CONCENTRATION)
    checks: list[Check | None] = []
    for k, (all_, lost) in enumerate(zip(everyone, crossed, strict=True)):
        if all_.sum() == 0:
            checks.append(Check("crossover", "unknown", None, None, WARN, "no units yet"))
            continue
        p, share = float(uneven[k]), float(lost.sum() / all_.sum())
        biased = p < SAMPLE_RATIO_SEQUENTIAL
        fails = share > FAIL or (biased and left_out)
        verdict: Verdict = "fail" if fails else "warn" if share > WARN or biased else "pass"
        reason = (
            f"{lost.sum():,.0f} of {all_.sum():,.0f} {experiment.randomised} were seen in two arms and "
            f"{'are left out' if left_out else 'stay in their first'} ({100 * share:.2f}%)"
        )
        if left_out and lost.any():
            with_all = f"with them {split_text(all_)} arrived ({p_text(float(with_them[k]))})"
            reason += f"; {with_all}, without {split_text(units[k])}"
        if biased:
            harm = "leaving them out biases the comparison" if left_out else "one arm saw more of the other"
            reason += f"; by first arm {split_text(lost)}, so {harm} ({p_text(p)})"
        checks.append(Check("crossover", verdict, p, share, WARN, reason))
    return checks


def _p_values(counts: Array, shares: Array, concentration: float) -> Array:
    """p-value, at each look, of counts by arm against the planned shares; 1 without any."""
    if len(counts) > 1:
        return sequential_p_value(counts, shares, concentration)
    return np.nan_to_num(fixed_p_value(counts, shares), nan=1.0)
