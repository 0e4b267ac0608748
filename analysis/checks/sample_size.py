"""Sample size: has every arm, and every metric in it, the units that the intervals lean on?"""

from __future__ import annotations

import numpy as np

from analysis.checks.subject import Subject
from analysis.collected import Collected
from analysis.inference.estimates import effective_units
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.readout import Check, Verdict

# A confidence sequence and Welch's t lean on the central limit theorem: below these they are a promise, not a proof.
ENOUGH_UNITS = {"confidence_sequence": 500, "group_sequential": 500, "fixed": 100, "bayesian": 100}
# A cluster is a sum over many units, so fewer are enough; t with degrees of freedom of their own covers the rest.
ENOUGH_CLUSTERS = {"confidence_sequence": 50, "group_sequential": 50, "fixed": 20, "bayesian": 20}
ENOUGH_EVENTS = {"confidence_sequence": 50, "group_sequential": 50, "fixed": 10, "bayesian": 10}


def check(subject: Subject) -> list[Check | None]:
    """Units in the smallest arm, and of each metric the units that carry it: events, or fewer where a few hold most."""
    experiment, units = subject.experiment, subject.units
    limit = (ENOUGH_CLUSTERS if experiment.cluster else ENOUGH_UNITS)[experiment.inference]
    enough = ENOUGH_EVENTS[experiment.inference]
    carriers = {metric: _carriers(metric, subject.collected) for metric in experiment.metrics if metric.additive}
    checks: list[Check | None] = []
    for k, counts in enumerate(units):
        least = float(counts.min())
        verdict: Verdict = "pass" if least >= limit else "warn"
        reason = f"the smallest arm has {least:,.0f} {experiment.randomised}; the intervals lean on {limit:,} or more"
        found = Check("sample_size", verdict, None, least, float(limit), reason)
        for metric, carried in carriers.items():
            few = float(carried[k])
            if few < enough and found.verdict == "pass":
                has = f"has {few:,.0f} events" if metric.binary else f"rests on {few:,.0f} units that hold nearly all"
                reason = f"{metric.name}: one arm {has}; the intervals lean on {enough} or more"
                found = Check("sample_size", "warn", None, few, float(enough), reason)
        checks.append(found)
    return checks


def _carriers(metric: Metric, collected: Collected) -> Array:
    """The units that carry a metric in the arm that has the fewest, shape (looks,); inf before any window has ended."""
    arms = collected.moments[:, 0]
    if metric.binary:
        mean = arms.select(metric.outcome.variables).mean
        whole = mean[..., 1] if metric.outcome.denominator else np.ones(arms.n.shape)
        few = (np.minimum(mean[..., 0], whole - mean[..., 0]) * arms.n).min(axis=-1)
        return np.where(whole.any(axis=-1), few, np.inf)
    return np.asarray(effective_units(metric, arms, collected.nonnegative).min(axis=-1))
