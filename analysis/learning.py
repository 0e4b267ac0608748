"""Novelty and primacy: does the effect differ, in the same days, between those exposed for long and the new?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from analysis.collected import OLD, WINDOW, Collected
from analysis.effects import unadjusted_contrast
from analysis.experiment import Experiment
from analysis.inference.estimates import Estimates, number
from analysis.inference.rules import FIXED
from analysis.readout import Estimate, Learning

if TYPE_CHECKING:
    from analysis.metrics import Metric

# Units of each cohort and arm below which the normal pivot of a difference of lifts is a promise only.
ENOUGH = 100
NEEDS = (
    f"needs {ENOUGH} units of each arm first exposed {OLD.days} days or more before the last {WINDOW.days} days, and "
    f"as many in the {WINDOW.days} days before them: about 28 days of enrolment"
)
NOTHING = Estimate(None, None, None, None)


def learning(experiment: Experiment, collected: Collected) -> tuple[Learning, ...]:
    """For each primary metric and treatment arm, the lift of the old cohort minus that of the new; () without events.

    Both lifts are of what units did in the same days, so what differs between days cancels. The two cohorts are
    disjoint, so their errors add. Intervals and p-values are for one look, at the last.

    Source: Sadeghi et al., arXiv 2102.12893 (user learning by a difference in differences).
    """
    if experiment.source.kind not in ("events", "lake"):
        return ()
    return tuple(
        _learning(experiment, collected, metric, a)
        for metric in experiment.metrics
        if metric.role == "primary"
        for a in range(1, len(experiment.arms))
    )


def _learning(experiment: Experiment, collected: Collected, metric: Metric, a: int) -> Learning:
    cohorts, arm = collected.cohorts, experiment.arms[a]
    why = _refused(experiment, metric)
    if why or cohorts is None:
        return Learning(metric.id, arm, "", 0, 0, NOTHING, NOTHING, NOTHING, None, "unknown", why or NEEDS)
    control, treatment = cohorts.moments[None, :, 0], cohorts.moments[None, :, a]
    read = Estimates(unadjusted_contrast(metric, control, treatment), FIXED, experiment.alpha)
    old, new = (int(n) for n in (control.n + treatment.n)[0])
    difference, p = _difference(read)
    reason = None
    if min(control.n.min(), treatment.n.min()) < ENOUGH:
        reason = NEEDS
    elif p is None:
        reason = "a lift cannot be read: control did nothing in these days, or no unit differs"
    return Learning(
        metric=metric.id,
        arm=arm,
        window=f"{cohorts.begin:%-d %b} to {cohorts.end - timedelta(days=1):%-d %b %Y}",
        units_new=new,
        units_old=old,
        new=read.relative((0, 1)),
        old=read.relative((0, 0)),
        difference=difference,
        p_value=p,
        reading="unknown" if reason else _reading(metric, difference, p, experiment.alpha),
        reason=reason,
    )


def _refused(experiment: Experiment, metric: Metric) -> str | None:
    """Why old and new units cannot be compared at all."""
    if experiment.cluster:
        return "clusters were randomised, and a cluster may be in both cohorts"
    if not metric.additive:
        return f"a {metric.kind} of some days is not kept"
    if any(variable.days is not None for variable in metric.outcome.variables):
        return "the metric counts only some days of a unit, so old and new units have no days in common"
    return None


def _difference(read: Estimates) -> tuple[Estimate, float | None]:
    """The old cohort's lift minus the new one's, with a normal pivot, and the p-value of none."""
    difference = read.lift[0, 0] - read.lift[0, 1]
    error = float(np.hypot(*read.lift_error[0]))
    half = -float(special.ndtri(read.alpha / 2)) * error
    p = number(2 * special.ndtr(-abs(difference) / error)) if error > 0 else None
    return Estimate(number(difference), number(error), number(difference - half), number(difference + half)), p


def _reading(
    metric: Metric, difference: Estimate, p: float | None, alpha: float
) -> Literal["novelty", "primacy", "steady", "unknown"]:
    if p is None or difference.estimate is None:
        return "unknown"
    good = 1 if metric.direction == "increase" else -1
    return "steady" if p >= alpha else "novelty" if good * difference.estimate < 0 else "primacy"
