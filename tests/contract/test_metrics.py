"""What every kind of metric must keep: a new file in analysis/metrics is tested the day it is added."""

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, moments_of, quantiles_of, stack
from scipy import stats

from analysis import Readout, read_collected
from analysis.effects import Contrast, lin_contrast, pooled_contrast, unadjusted_contrast
from analysis.inference.intervals import FixedHorizon
from analysis.metrics import KINDS, Metric
from analysis.moments import Moments

every = pytest.mark.parametrize("kind", KINDS)
additive = pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].additive])


def metric_of(kind: str, covariates: bool = False) -> Metric:
    of = KINDS[kind]
    columns = ("came", "over") if of.awaits_window else ("y", "d") if of.takes_denominator else ("y",)
    before = (("x", "e"),) if of.takes_denominator else ("x",)
    return a_metric(*columns, kind=kind, covariates=before if covariates and of.additive else ())


def arm(rng: np.random.Generator, n: int, lift: float = 0.0) -> Moments:
    """Values that every kind allows: 0/1 outcomes, positive denominators, a covariate that explains some of it."""
    taste = rng.normal(size=n)
    y = rng.random(n) < (0.3 + 0.1 * np.tanh(taste)) * (1 + lift)
    over = rng.random(n) < 0.7
    d = 1 + rng.poisson(2 + np.tanh(taste) / 2)
    return moments_of(y=y, d=d, x=taste, e=1 + rng.poisson(2, n), came=y & over, over=over)


def contrasts(kind: str, control: Moments, treatment: Moments) -> list[Contrast]:
    with_covariates = metric_of(kind, covariates=True)
    return [
        unadjusted_contrast(metric_of(kind), control, treatment),
        pooled_contrast(with_covariates, control, treatment),
        lin_contrast(with_covariates, control, treatment, 0.5),
    ]


@additive
def test_swapping_the_arms_turns_the_sign_of_the_difference(kind):
    rng = np.random.default_rng(1)
    one, other = arm(rng, 900), arm(rng, 1_100)
    for forth, back in zip(contrasts(kind, one, other), contrasts(kind, other, one), strict=True):
        assert forth.difference == pytest.approx(-back.difference, rel=1e-9)
        assert forth.standard_error == pytest.approx(back.standard_error, rel=1e-9)


@additive
def test_moments_of_two_shards_give_the_effect_of_the_whole(kind):
    rng = np.random.default_rng(2)
    shards = [(arm(rng, 400), arm(rng, 500)) for _ in range(3)]
    control, treatment = (shards[0][k] + shards[1][k] + shards[2][k] for k in (0, 1))
    backwards = [shards[2][k] + (shards[1][k] + shards[0][k]) for k in (0, 1)]
    for one, other in zip(contrasts(kind, control, treatment), contrasts(kind, *backwards), strict=True):
        assert [one.difference, one.standard_error] == pytest.approx([other.difference, other.standard_error], rel=1e-9)


@additive
def test_scaling_a_covariate_changes_nothing(kind):
    rng = np.random.default_rng(3)
    plain = [arm(rng, 800), arm(rng, 800)]
    grow = np.diag([1.0, 1.0, 1e6, 1.0, 1.0, 1.0])
    scaled = [Moments(m.variables, m.n, m.mean @ grow, grow @ m.cross @ grow) for m in plain]
    for one, other in zip(contrasts(kind, *plain)[1:], contrasts(kind, *scaled)[1:], strict=True):
        assert [one.difference, one.standard_error] == pytest.approx([other.difference, other.standard_error], rel=1e-7)


@additive
def test_p_values_are_uniform_where_nothing_differs_with_and_without_covariates(kind):
    rng = np.random.default_rng(4)
    runs = stack([[[arm(rng, 600), arm(rng, 600)]] for _ in range(1_500)])
    for one in contrasts(kind, runs[:, 0, 0], runs[:, 0, 1]):
        p = FixedHorizon().p_value(one.difference / one.standard_error, np.asarray(1_200.0), one.dof)
        assert p.shape == (1_500,) and stats.kstest(p, "uniform").pvalue > 0.001
        assert stats.binomtest(int(np.sum(p < 0.05)), len(p), 0.05).pvalue > 0.001


@every
def test_the_readout_of_the_kind_survives_json_and_covers_the_lift(kind):
    rng, covered, runs = np.random.default_rng(5), 0, 400
    experiment = an_experiment(metric_of(kind, covariates=True))
    for _ in range(runs):
        rows = [rng.exponential(size=(3, 1_500)) * scale for scale in (1.0, 1.2)]
        arms = [arm(rng, 1_500), arm(rng, 1_500, lift=0.2)]
        readout = read_collected(experiment, collected_of([arms], quantiles=quantiles_of(experiment.metrics[0], rows)))
        relative = readout.looks[0].effects[0].relative
        covered += relative.lower <= 0.2 <= relative.upper
    assert Readout.from_json(readout.to_json()) == readout
    assert stats.binomtest(covered, runs, 0.95).pvalue > 0.001
