"""The arms of an experiment drawn again on its own units, a thousand times, and read by the readout's own code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.checks import ENOUGH_CLUSTERS, ENOUGH_EVENTS, ENOUGH_UNITS
from analysis.errors import AnalysisError
from analysis.experiment import Experiment
from analysis.inference.estimates import effective_units
from analysis.inference.intervals import PEEKING
from analysis.inference.rules import Rules
from analysis.metrics import Metric
from analysis.reading import metric_plan
from analysis.trust.batch import Batch, lift_of, sample_ratio_level
from analysis.trust.past import Past, read_past
from analysis.trust.result import MetricTrust, Rate, RuleTrust, Trust, Verdict

if TYPE_CHECKING:
    from store import Workspace

# Runs whose seeds hang on their place, so that what was interrupted goes on where it stopped.
BATCH = 250
# With fewer expected errors than this, twice as many would often go unseen.
EXPECTED_ERRORS = 10


def trust(
    experiment: Experiment,
    workspace: Workspace | None = None,
    *,
    runs: int = 1000,
    rng: np.random.Generator,
    progress: Callable[[Trust], None] | None = None,
    done: Trust | None = None,
) -> Trust:
    """Error rates of the experiment's readout where nothing happened, from `runs` draws of its arms.

    Args:
        workspace: needed where the source is the lake.
        progress: gets what is known after every batch of 250 runs; an exception that it raises ends the work.
        done: what an earlier call found, or told `progress`: it goes on with the same draws, and `rng` is not used.

    Raises:
        SourceError: if the source holds no units, or every metric is a quantile.
        AnalysisError: if `runs` is below 1, or `done` is of another experiment or ends within a batch.
    """
    if runs < 1:
        raise AnalysisError(f"runs is {runs}; draw the arms at least once, 1000 times to tell 5 % from 7 %.")
    past = read_past(experiment, workspace)
    found = _empty(past, int(rng.integers(1 << 53))) if done is None else _checked(past, done, runs)
    rules = Rules(past.experiment, past.collected)
    for start in range(found.runs, runs, BATCH):
        draws = np.random.default_rng([found.seed, start // BATCH])
        found = _added(past, found, Batch(past, rules, draws, min(BATCH, runs - start)))
        if progress:
            progress(found)
    return found


def _empty(past: Past, seed: int) -> Trust:
    """What is known before any run."""
    experiment, collected = past.experiment, past.collected
    labels = collected.labels
    return Trust(
        experiment=experiment.id,
        name=experiment.name,
        inference=experiment.inference,
        alpha=experiment.alpha,
        basis="before" if past.days_back else "observed",
        days_back=past.days_back,
        looks=len(labels),
        start=labels[0],
        end=labels[-1],
        unit=experiment.cluster or experiment.unit,
        units=int(collected.moments.n[-1, 0].sum()),
        runs=0,
        seed=seed,
        metrics=(),
        family=None,
        sample_ratio=Rate(0, 0, 0.0, 0.0, 1.0),
        sample_ratio_promised=sample_ratio_level(len(labels)),
        notes=(
            *([f"Outcomes are as observed: {past.why_observed}."] if past.why_observed else []),
            *(
                f"{metric.name} is left out: quantiles hang on rows, which take too long to sort for every draw."
                for metric in experiment.metrics
                if not metric.variables
            ),
        ),
    )


def _checked(past: Past, done: Trust, runs: int) -> Trust:
    fresh = _empty(past, done.seed)
    same = replace(done, runs=0, metrics=(), family=None, sample_ratio=fresh.sample_ratio) == fresh
    if not same:
        raise AnalysisError(f"{done.experiment}: the runs done are not of this experiment or facts; start anew.")
    if done.runs < runs and done.runs % BATCH:
        raise AnalysisError(f"{done.runs} runs are done, expected a multiple of {BATCH} to go on from; start anew.")
    return done


def _added(past: Past, found: Trust, batch: Batch) -> Trust:
    pairs = [(metric, arm) for metric in batch.metrics for arm in past.experiment.arms[1:]]
    rules = batch.rules
    if found.runs:
        before = [one.rules for one in found.metrics]
        rules = [tuple(a + b for a, b in zip(*pair, strict=True)) for pair in zip(before, rules, strict=True)]
    return replace(
        found,
        runs=found.runs + batch.runs,
        metrics=tuple(_judged(past, metric, arm, counted) for (metric, arm), counted in zip(pairs, rules, strict=True)),
        family=found.family + batch.family if found.family and batch.family else batch.family,
        sample_ratio=found.sample_ratio + batch.sample_ratio,
    )


def _judged(past: Past, metric: Metric, arm: str, rules: tuple[RuleTrust, ...]) -> MetricTrust:
    experiment, moments = past.experiment, past.collected.moments[-1, 0]
    whole = moments[0]
    for a in range(1, len(experiment.arms)):
        whole = whole + moments[a]
    least = min(experiment.shares.values()) / sum(experiment.shares.values())
    units = least * float(whole.n)
    carriers = least * float(effective_units(metric, whole, past.collected.nonnegative))
    promised = None if experiment.inference == "bayesian" else experiment.alpha
    verdict, reason = verdict_of(experiment, rules[0], promised, units, carriers)
    return MetricTrust(metric_plan(metric), arm, promised, lift_of(metric), units, carriers, rules, verdict, reason)


def verdict_of(
    experiment: Experiment, own: RuleTrust, promised: float | None, units: float, carriers: float
) -> tuple[Verdict, str]:
    """Whether the counts contradict the promise, and if not, whether they could have."""
    wrong, held = (
        (own.false_positive, own.coverage)
        if experiment.inference in PEEKING
        else (own.false_positive_at_end, own.coverage_at_end)
    )
    seen = f"{100 * wrong.share:.1f}% of the runs claimed a change where there was none"
    if promised is None:
        return "nothing promised", f"{seen}; a posterior promises no rate"
    allowed = f"{100 * promised:g}% may"
    if wrong.lower > promised:
        return "does not hold", f"{seen}, {allowed}"
    if held.upper < 1 - promised:
        return (
            "does not hold",
            f"{100 * held.share:.1f}% of the runs held the true lift, {100 * (1 - promised):g}% must",
        )
    enough = (ENOUGH_CLUSTERS if experiment.cluster else ENOUGH_UNITS)[experiment.inference]
    events = ENOUGH_EVENTS[experiment.inference]
    if units < enough or carriers < events:
        return "too few units to say", (
            f"the smallest arm has {units:,.0f} {experiment.randomised}, {carriers:,.0f} of which carry the metric; "
            f"{enough} and {events} are needed"
        )
    if wrong.runs * promised < EXPECTED_ERRORS:
        return "too few runs to say", f"{wrong.runs} runs, {EXPECTED_ERRORS / promised:,.0f} are needed"
    return "holds", f"{seen}, {allowed}"
