"""Reads an experiment: facts to Moments to effects, intervals, checks and a decision, in one Readout."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from analysis.checks import Subject, run_checks
from analysis.checks.splits import Splits
from analysis.clustering import clustering
from analysis.collected import Collected
from analysis.decision.decide import decide
from analysis.effects import Contrast
from analysis.experiment import Experiment
from analysis.inference.estimates import Cell, number
from analysis.inference.rules import Rules
from analysis.inference.series import Series
from analysis.learning import learning
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.multiplicity.families import families
from analysis.multiplicity.segments import interactions
from analysis.network.reading import read_network
from analysis.readout import (
    Adjustment,
    Arms,
    Design,
    Effect,
    EffectPair,
    Family,
    Interval,
    Look,
    MetricPlan,
    Readout,
)

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
    from analysis.sensitivity import variations

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


def every_series(experiment: Experiment, collected: Collected, rules: Rules) -> list[Series]:
    """Each metric in each treatment arm."""
    arms = range(1, len(experiment.arms))
    return [Series(experiment, collected, metric, a, rules) for metric in experiment.metrics for a in arms]


def effects(collected: Collected, series: list[Series]) -> list[list[Effect]]:
    """The effects of all series together, look by look."""
    judged = families(series)
    looks: list[list[Effect]] = [[] for _ in collected.looks]
    for place, one in enumerate(series):
        for k, found in enumerate(_effects(collected, one, judged.get(place))):
            looks[k].extend(found)
    return looks


def _by_arm(collected: Collected, counts: Array) -> dict[str, int]:
    return dict(zip(collected.arms, map(int, counts), strict=True))


def _effects(collected: Collected, series: Series, family: list[Family] | None) -> list[list[Effect]]:
    """The effects of one series: for each look, overall first and then each segment."""
    experiment, metric, plain, used = series.experiment, series.metric, series.plain, series.used
    main, raw, together = series.main, series.raw, series.together
    readings, alternatives, posteriors = main.readings(metric), series.alternatives(), series.posteriors()
    stopped, futile = series.stopped(), series.futile()
    interval = Interval(series.kind, 1 - experiment.alpha)
    names = tuple(quantity.name for quantity in metric.covariates)
    with np.errstate(divide="ignore", invalid="ignore"):
        saved = 1 - np.square(used.standard_error / plain.standard_error)

    def effect(cell: Cell) -> Effect:
        absolute, relative, overall = main.absolute(cell), main.relative(cell), cell[1] == 0
        return Effect(
            metric=metric.id,
            role=metric.role,
            arm=series.arm,
            control=collected.arms[0],
            segment=collected.segments[cell[1]],
            n=Arms(int(plain.n_control[cell]), int(plain.n_treatment[cell])),
            means=Arms(number(plain.control[cell]), number(plain.treatment[cell])),
            adjustment=_adjustment(experiment.adjustment, names, used, cell) if names else None,
            absolute=absolute,
            relative=relative,
            unadjusted=EffectPair(raw.absolute(cell), raw.relative(cell))
            if raw is not main
            else EffectPair(absolute, relative),
            p_value=main.p_value(cell),
            interval=interval,
            variance_reduction=number(saved[cell]) if metric.covariates else None,
            reading=readings[cell[0]][cell[1]],
            covariance=_covariance(used, cell),
            dof=number(used.dof[cell]),
            alternatives=alternatives[cell[0]] if overall else (),
            family=family[cell[0]] if family and overall else None,
            posterior=posteriors[cell[0]] if overall else None,
            stopped=stopped if stopped and overall and cell[0] >= stopped.look else None,
            futile=overall and bool(futile[cell[0]]),
            simultaneous=together.relative(cell) if together and not overall else None,
            reason=absolute.reason or relative.reason,
        )

    looks, groups = plain.difference.shape
    return [[effect((k, s)) for s in range(groups)] for k in range(looks)]


def _covariance(used: Contrast, cell: Cell) -> tuple[float, ...] | None:
    matrix = used.covariance[cell]
    three = (float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 1]))
    return three if np.isfinite(three).all() else None


def _adjustment(method: str, names: tuple[str, ...], used: Contrast, cell: Cell) -> Adjustment:
    slopes = tuple(tuple(number(slope) for slope in row) for row in used.slopes[cell])
    return Adjustment(method, names, slopes, Arms(number(used.control[cell]), number(used.treatment[cell])))


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
