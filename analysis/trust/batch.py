"""One batch of runs: arms drawn on the past's units, and what the readout's own code says of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from analysis.checks import SAMPLE_RATIO_FIXED, SAMPLE_RATIO_SEQUENTIAL
from analysis.inference.credible import CredibleEstimates
from analysis.inference.estimates import Estimates
from analysis.inference.intervals import PEEKING
from analysis.inference.rules import Rules
from analysis.inference.series import Series
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.multiplicity.families import primary_claims
from analysis.sample_ratio import fixed_p_value, sequential_p_value
from analysis.trust.past import Past
from analysis.trust.relabel import Draws, draw_arms, relabelled, relabelled_clusters
from analysis.trust.result import Rate, RuleTrust
from analysis.variables import Variable

# The true lift that coverage is counted of.
LIFT = 0.1


class Batch:
    """Some runs: the Moments of every look for drawn arms, and what their intervals say.

    Attributes:
        metrics: those that are counted.
        rules: by metric and treatment arm, the experiment's own rule, and the fixed one read at every look.
        family: a primary metric was claimed to have moved, at any look or where the rule is for one look at the last;
            None without p-values.
        sample_ratio: the test of the sample ratio that decides alarmed at any look.
    """

    def __init__(self, past: Past, rules: Rules, rng: np.random.Generator, runs: int) -> None:
        self._past, self._rules, self.runs = past, rules, runs
        experiment, course, arms = past.experiment, past.course, len(past.experiment.arms)
        shares = np.array([experiment.shares[arm] for arm in experiment.arms])
        self.metrics = [metric for metric in experiment.metrics if metric.variables]
        if past.clusters is None:
            draws = Draws.of(draw_arms(rng, len(course.entry), shares, runs), arms, runs)
            self._moments_of = relabelled(course, draws, [self._variables(metric) for metric in self.metrics]).moments
        else:
            codes = np.concatenate([*draw_arms(rng, len(past.clusters.names), shares, runs)])
            self._moments_of = relabelled_clusters(course, past.clusters, codes, arms).select
        self._primary: list[tuple[Array, Array]] = []
        self.rules = [self._read(metric, a) for metric in self.metrics for a in range(1, arms)]
        self.family = self._family() if self._primary else None
        counts = np.swapaxes(self._moments_of(self._variables(self.metrics[0])).n[:, 0], 1, 2)
        p = fixed_p_value(counts, shares) if len(counts) == 1 else sequential_p_value(counts, shares)
        self.sample_ratio = _rate((p < sample_ratio_level(len(counts))).any(axis=0))

    def _variables(self, metric: Metric) -> tuple[Variable, ...]:
        """Those of a metric, with the companions of covariates that are unknown for some units; of clusters all."""
        if self._past.clusters is not None:
            return tuple(self._past.course.values)
        companions = [Variable(v.value, missing=True) for v in metric.variables]
        return tuple(dict.fromkeys((*metric.variables, *(v for v in companions if v in self._past.course.values))))

    def _read(self, metric: Metric, a: int) -> tuple[RuleTrust, ...]:
        moments, lift = self._moments_of(self._variables(metric)), lift_of(metric)
        null = self._series(metric, a, moments)
        moved = self._series(metric, a, _lifted(moments, metric, a)) if lift else null
        own = null[0].kind
        if metric.role == "primary" and own != "bayesian":
            tested = [series.tested for series in null]
            self._primary.append((_joined([t.p[:, 0] for t in tested]), _joined([t.difference[:, 0] for t in tested])))
        found = [_counted(own, lift, [s.main for s in null], [s.main for s in moved])]
        if own != "fixed":
            found.append(_counted("fixed", lift, [s.under("fixed") for s in null], [s.under("fixed") for s in moved]))
        return tuple(found)

    def _series(self, metric: Metric, a: int, moments: Moments) -> list[Series]:
        """One series of all runs; one of each where the looks of a design hang on what the run has seen."""
        experiment = self._past.experiment
        alone = experiment.inference == "group_sequential" and metric.planned_error is not None
        parts = [moments[:, :, :, r] for r in range(self.runs)] if alone else [moments]
        cells = (replace(self._past.collected, moments=part) for part in parts)
        return [Series(experiment, cell, metric, a, self._rules) for cell in cells]

    def _family(self) -> Rate:
        p, difference = (np.stack(arrays, axis=-1) for arrays in zip(*self._primary, strict=True))
        experiment = self._past.experiment
        claimed = primary_claims(p, difference, experiment.alpha).adjusted <= experiment.alpha
        return _rate(claimed.any(axis=(0, 2)) if experiment.inference in PEEKING else claimed[-1].any(axis=1))


def lift_of(metric: Metric) -> float:
    """The true lift that coverage is counted of: 0 where lifted values would not be of the metric's kind any more."""
    return 0.0 if metric.binary else LIFT


def sample_ratio_level(looks: int) -> float:
    """The rate at which the test of the sample ratio that decides may alarm by chance."""
    return SAMPLE_RATIO_FIXED if looks == 1 else SAMPLE_RATIO_SEQUENTIAL


def _lifted(moments: Moments, metric: Metric, a: int) -> Moments:
    """The same with all values of the metric in arm `a` larger by the lift: exact, for moments are homogeneous."""
    factor = np.ones((*moments.n.shape, len(moments.variables)))
    factor[:, :, a, ..., moments.variables.index(metric.outcome.numerator)] = 1 + LIFT
    return replace(
        moments, mean=moments.mean * factor, cross=moments.cross * factor[..., :, None] * factor[..., None, :]
    )


def _counted(kind: str, lift: float, null: list[Any], moved: list[Any]) -> RuleTrust:
    """How often what a rule says (`Estimates` or `CredibleEstimates`, of all runs or of each) is wrong.

    `null` is without an effect; in `moved` the true lift is `lift`.
    """
    lower, upper, *here = _ends(null)
    low, high = here if null is moved else _ends(moved)[2:]
    wrong = (lower > 0) | (upper < 0)
    truth = lift * np.sign(_joined([one.contrast.control[:, 0] for one in moved]))
    missed = (low > truth) | (high < truth) if lift else wrong
    known = np.flatnonzero(np.isfinite(lower).any(axis=1))
    last = int(known[-1]) if len(known) else -1
    width = here[1][last] - here[0][last]
    bounded = width[np.isfinite(width)]
    return RuleTrust(
        kind,
        _rate(wrong.any(axis=0)),
        _rate(wrong[last]),
        _rate(~missed.any(axis=0)),
        _rate(~missed[last]),
        float(bounded.mean()) if len(bounded) else None,
    )


def _ends(read: list[Estimates | CredibleEstimates]) -> list[Array]:
    """Both ends of the difference's intervals and both of the lift's, shape (looks, runs) each; nan without one."""
    ends = []
    for one in read:
        if isinstance(one, Estimates):
            ends.append((one.difference - one.half, one.difference + one.half, one.lower, one.upper))
        else:
            ends.append((*one.difference.interval(one.alpha), *one.lift.interval(one.alpha)))
    return [_joined([end[:, 0] for end in side]) for side in zip(*ends, strict=True)]


def _joined(arrays: list[Array]) -> Array:
    """Shape (looks, runs), from one array of all runs or one (looks,) of each."""
    return arrays[0] if arrays[0].ndim == 2 else np.stack(arrays, axis=-1)


def _rate(happened: Any) -> Rate:
    return Rate.of(int(happened.sum()), len(happened))
