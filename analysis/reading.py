"""Reads an experiment: facts to Moments to effects, intervals, checks and a decision, in one Readout."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from analysis.checks import run_checks
from analysis.collected import Collected
from analysis.decision import decide
from analysis.effects import Contrast, lin_contrast, pooled_contrast, pooled_slope, unadjusted_contrast
from analysis.estimates import Cell, Estimates, number, thin_cells
from analysis.experiment import Experiment
from analysis.intervals import ConfidenceSequence, FixedHorizon, IntervalRule
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.readout import (
    Adjustment,
    Alternative,
    Arms,
    Design,
    Effect,
    EffectPair,
    Interval,
    Look,
    MetricPlan,
    Readout,
    Split,
)
from analysis.sample_ratio import fixed_p_value

if TYPE_CHECKING:
    from store import Workspace

FIXED = FixedHorizon()


def read(experiment: Experiment, workspace: Workspace | None = None, *, now: datetime | None = None) -> Readout:
    """The readout of an experiment from its facts, at every look.

    `workspace` is needed where the source is the lake. `now` is when the facts should be fresh; without it they
    are judged against the last exposure.
    """
    from analysis.collect import collect

    return read_collected(experiment, collect(experiment, workspace), now=now)


def read_collected(experiment: Experiment, collected: Collected, *, now: datetime | None = None) -> Readout:
    """The readout from what one scan returned; arithmetic on Moments only."""
    rules = {arm: _rule(experiment, arm, experiment.alpha) for arm in experiment.arms[1:]}
    looks: list[list[Effect]] = [[] for _ in collected.looks]
    for metric in experiment.metrics:
        for a, arm in enumerate(collected.arms[1:], start=1):
            for k, effects in enumerate(_effects(experiment, collected, metric, a, rules[arm])):
                looks[k].extend(effects)
    checks = run_checks(experiment, collected, rules, now)
    units = collected.moments.n[:, 0, :]
    done = tuple(
        Look(label, _by_arm(collected, units[k]), checks[k], tuple(looks[k]), _splits(experiment, collected, k))
        for k, label in enumerate(collected.labels)
    )
    return Readout(experiment.id, _design(experiment), done, decide(experiment, collected, done))


def _by_arm(collected: Collected, counts: Array) -> dict[str, int]:
    return dict(zip(collected.arms, map(int, counts), strict=True))


def _splits(experiment: Experiment, collected: Collected, k: int) -> tuple[Split, ...]:
    """How the units of each segment split over the arms at look k, to find where a broken ratio comes from."""
    counts = collected.moments.n[k, 1:, :]
    p = np.minimum(
        1.0, fixed_p_value(counts, np.array([experiment.shares[arm] for arm in collected.arms])) * len(counts)
    )
    return tuple(
        Split(segment, _by_arm(collected, counts[s]), number(p[s]))
        for s, segment in enumerate(collected.segments[1:])
        if segment is not None
    )


def _rule(experiment: Experiment, arm: str, alpha: float) -> IntervalRule:
    """The rule for one treatment arm against control; a sequence is tuned to the units planned for the two."""
    if experiment.inference == "fixed" or experiment.planned_units is None:
        return FIXED
    pair = experiment.shares[arm] + experiment.shares[experiment.control]
    planned = experiment.planned_units * pair / sum(experiment.shares.values())
    return ConfidenceSequence(planned, alpha)


def _effects(
    experiment: Experiment, collected: Collected, metric: Metric, a: int, rule: IntervalRule
) -> list[list[Effect]]:
    """The effects of one metric and treatment arm: for each look, overall first and then each segment."""
    arm = collected.arms[a]
    control, treatment = collected.moments[:, :, 0], collected.moments[:, :, a]
    plain = unadjusted_contrast(metric, control, treatment)
    share = experiment.shares[arm] / (experiment.shares[arm] + experiment.shares[experiment.control])
    used = _adjusted(experiment, metric, share, control, treatment) if metric.covariates else plain
    alpha, segments = experiment.alpha, len(collected.segments) - 1
    sequential = rule.kind != FIXED.kind
    thin = thin_cells(metric, control, treatment, share, collected.nonnegative) if sequential else None
    main, raw = Estimates(used, rule, alpha, thin), Estimates(plain, rule, alpha, thin)
    fixed = Estimates(used, FIXED, alpha, thin) if sequential else None
    narrow = alpha / max(1, segments)
    together = Estimates(used, _rule(experiment, arm, narrow), narrow, thin) if segments else None
    readings = main.readings(metric)
    interval = Interval(rule.kind, 1 - alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        saved = 1 - np.square(used.standard_error / plain.standard_error)

    def effect(cell: Cell) -> Effect:
        absolute, relative, overall = main.absolute(cell), main.relative(cell), cell[1] == 0
        return Effect(
            metric=metric.id,
            role=metric.role,
            arm=arm,
            control=collected.arms[0],
            segment=collected.segments[cell[1]],
            n=Arms(int(plain.n_control[cell]), int(plain.n_treatment[cell])),
            means=Arms(number(plain.control[cell]), number(plain.treatment[cell])),
            adjustment=_adjustment(experiment, metric, used, cell) if metric.covariates else None,
            absolute=absolute,
            relative=relative,
            unadjusted=EffectPair(raw.absolute(cell), raw.relative(cell))
            if used is not plain
            else EffectPair(absolute, relative),
            p_value=main.p_value(cell),
            interval=interval,
            variance_reduction=number(saved[cell]) if metric.covariates else None,
            reading=readings[cell[0]][cell[1]],
            alternatives=(Alternative(fixed.rule.kind, fixed.relative(cell), fixed.p_value(cell)),)
            if fixed and overall
            else (),
            simultaneous=together.relative(cell) if together and not overall else None,
            reason=absolute.reason or relative.reason,
        )

    looks, groups = plain.difference.shape
    return [[effect((k, s)) for s in range(groups)] for k in range(looks)]


def _adjusted(experiment: Experiment, metric: Metric, share: float, control: Moments, treatment: Moments) -> Contrast:
    """The contrast over (looks, segments) with covariates; pooled slopes come from all units of the look."""
    if experiment.adjustment == "lin":
        return lin_contrast(metric, control, treatment, share)
    whole = pooled_slope(metric, control[:, :1], treatment[:, :1])
    return pooled_contrast(metric, control, treatment, np.broadcast_to(whole, (*control.n.shape, whole.shape[-1])))


def _adjustment(experiment: Experiment, metric: Metric, used: Contrast, cell: Cell) -> Adjustment:
    slopes = tuple(tuple(number(slope) for slope in row) for row in used.slopes[cell])
    names = tuple(quantity.name for quantity in metric.covariates)
    return Adjustment(
        experiment.adjustment, names, slopes, Arms(number(used.control[cell]), number(used.treatment[cell]))
    )


def _design(experiment: Experiment) -> Design:
    metrics = tuple(
        MetricPlan(
            m.id,
            m.name,
            m.kind,
            m.role,
            m.direction,
            m.margin,
            m.unit,
            m.scale,
            tuple(q.name for q in m.covariates),
        )
        for m in experiment.metrics
    )
    return Design(
        name=experiment.name,
        unit=experiment.unit,
        control=experiment.control,
        shares=dict(experiment.shares),
        alpha=experiment.alpha,
        inference=experiment.inference,
        planned_units=experiment.planned_units,
        segments=experiment.segments,
        metrics=metrics,
        owner=experiment.owner,
        description=experiment.description,
        source=experiment.source.kind,
    )
