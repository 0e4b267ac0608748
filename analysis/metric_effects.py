"""The effects of every metric in every treatment arm, look by look, as the experiment's rules read them."""

from __future__ import annotations

import numpy as np

from analysis.collected import Collected
from analysis.effects import Contrast
from analysis.experiment import Experiment
from analysis.inference.estimates import Cell, number
from analysis.inference.rules import Rules
from analysis.inference.series import Series
from analysis.multiplicity.families import families
from analysis.readout import Adjustment, Arms, Effect, EffectPair, Family, Interval


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
