"""Reads an experiment: facts to Moments to effects, intervals, checks and a decision, in one Readout."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from analysis.checks import Subject, run_checks
from analysis.checks.splits import Splits
from analysis.clustering import clustering
from analysis.collected import Collected
from analysis.decision.decide import decide
from analysis.experiment import Experiment
from analysis.inference.rules import Rules
from analysis.learning import learning
from analysis.metric_effects import effects, every_series
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.multiplicity.segments import interactions
from analysis.network.reading import read_network
from analysis.readout import Design, Look, MetricPlan, Readout
from analysis.sensitivity import variations

if TYPE_CHECKING:
    from store import Workspace


def read(
    experiment: Experiment,
    workspace: Workspace | None = None,
    *,
    now: datetime | None = None,
    sensitivity: bool = False,
) -> Readout:
    """The readout of an experiment from its facts, at every look.

    `workspace` is needed where the source is the lake. `now` is when the facts should be fresh; without it they
    are judged against the last exposure. `sensitivity` fills the readout's `variations`, by further scans.
    """
    from analysis.collect import collect

    collected = collect(experiment, workspace)
    readout = read_collected(experiment, collected, now=now)
    if not sensitivity:
        return readout
    return replace(readout, variations=variations(experiment, collected, readout.decision, workspace))


def read_collected(experiment: Experiment, collected: Collected, *, now: datetime | None = None) -> Readout:
    """The readout from what one scan returned; arithmetic on Moments only."""
    rules = Rules(experiment, collected)
    series = every_series(experiment, collected, rules)
    looks = effects(collected, series)
    network = read_network(experiment, collected, rules)
    splits = Splits(experiment, collected)
    checks = run_checks(Subject(experiment, collected, rules, splits, looks, now, network))
    units = collected.moments.n[:, 0, :]
    differing = interactions(collected, series)
    done = tuple(
        Look(
            label,
            _by_arm(collected, units[k]),
            checks[k],
            tuple(looks[k]),
            splits.at(k),
            differing[k],
        )
        for k, label in enumerate(collected.labels)
    )
    additive = [metric for metric in experiment.metrics if metric.variables]
    costs = tuple(clustering(metric, collected) for metric in additive) if experiment.cluster else ()
    decision = decide(experiment, collected, done)
    return Readout(
        experiment.id,
        _design(experiment),
        done,
        decision,
        clusters=costs,
        network=network,
        learning=learning(experiment, collected),
    )


def _by_arm(collected: Collected, counts: Array) -> dict[str, int]:
    return dict(zip(collected.arms, map(int, counts), strict=True))


def metric_plan(metric: Metric) -> MetricPlan:
    """What a page needs to know of a metric."""
    return MetricPlan(
        metric.id,
        metric.name,
        metric.kind,
        metric.role,
        metric.direction,
        metric.margin,
        metric.unit,
        metric.scale,
        tuple(quantity.name for quantity in metric.covariates),
    )


def _design(experiment: Experiment) -> Design:
    return Design(
        name=experiment.name,
        unit=experiment.cluster or experiment.unit,
        control=experiment.control,
        shares=dict(experiment.shares),
        alpha=experiment.alpha,
        inference=experiment.inference,
        planned_units=experiment.planned_units,
        segments=experiment.segments,
        metrics=tuple(map(metric_plan, experiment.metrics)),
        owner=experiment.owner,
        description=experiment.description,
        source=experiment.source.kind,
        group_sequential=experiment.group_sequential,
        prior=experiment.prior,
    )
