"""One test of a dimension keeps its level, in small segments and under peeking, and finds what is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.group_sequential import GroupSequential, Spending
from analysis.inference.intervals import ConfidenceSequence, FixedHorizon
from analysis.multiplicity.interaction import interaction_p_value

RUNS = 4_000


@pytest.mark.parametrize("units", [(5, 9), (4, 7, 12, 30)])
def test_with_estimated_errors_it_is_welchs_test_of_several_means(units):
    rng = np.random.default_rng(2)
    samples = [rng.normal(0.3 * k, 1 + k, n) for k, n in enumerate(units)]
    effects, errors = (np.array([[f(x) for x in samples]]) for f in (np.mean, stats.sem))
    n = np.array([units], float)
    want = stats.f_oneway(*samples, equal_var=False).pvalue
    assert interaction_p_value(effects, errors, n, n - 1, FixedHorizon()) == pytest.approx(want, rel=1e-9)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.1, 3)), min_size=2, max_size=8))
def test_with_known_errors_it_is_cochrans_q(levels):
    effects, errors = np.array(levels).T
    weight = errors**-2
    q = np.sum(weight * (effects - np.average(effects, weights=weight)) ** 2)
    infinite, n = np.full(len(levels), np.inf), np.full(len(levels), 100.0)
    p = interaction_p_value(effects[None], errors[None], n[None], infinite[None], FixedHorizon())
    assert p == pytest.approx(stats.chi2.sf(q, len(levels) - 1), rel=1e-9, abs=1e-12)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.1, 3), st.floats(50, 500)), min_size=3, max_size=6))
def test_otherwise_each_level_is_tested_against_the_weighted_mean_of_the_others(levels):
    effects, errors, n = np.array(levels).T
    rule, infinite = ConfidenceSequence(1_000), np.full(len(levels), np.inf)
    each = []
    for k in range(len(levels)):
        rest, weight = np.delete(effects, k), np.delete(errors, k) ** -2
        z = (effects[k] - np.average(rest, weights=weight)) / np.hypot(errors[k], weight.sum() ** -0.5)
        each.append(rule.p_value(z, n.sum(), infinite[0]))
    p = interaction_p_value(effects[None], errors[None], n[None], infinite[None], rule)
    assert p == pytest.approx(min(1, len(levels) * min(each)), rel=1e-6)


@pytest.mark.parametrize("units", [(6, 6), (6, 6, 6, 6), (5, 6, 8, 10, 30, 60)])
def test_level_in_small_segments(units):
    """Welch's correction is an approximation: at most 6 % for 5 %, where Q that takes the errors for known has more."""
    rng, levels = np.random.default_rng(len(units)), []
    for n in units:
        control, treatment = rng.normal(size=(RUNS, n)), 2 * rng.normal(size=(RUNS, n))
        spread = [arm.var(axis=1, ddof=1) / n for arm in (control, treatment)]
        dof = (n - 1) * sum(spread) ** 2 / (spread[0] ** 2 + spread[1] ** 2)
        levels.append(
            (treatment.mean(axis=1) - control.mean(axis=1), np.sqrt(sum(spread)), np.full(RUNS, 2.0 * n), dof)
        )
    *study, dof = (np.stack(part, axis=-1) for part in zip(*levels, strict=True))
    welch = interaction_p_value(*study, dof, FixedHorizon()) < 0.05
    plain = interaction_p_value(*study, np.full_like(dof, np.inf), FixedHorizon()) < 0.05
    assert stats.binomtest(int(welch.sum()), RUNS, 0.06, alternative="greater").pvalue > 0.001
    assert stats.binomtest(int(plain.sum()), RUNS, 0.05, alternative="greater").pvalue < 0.001


def daily(levels: int, differs: float) -> tuple[np.ndarray, ...]:
    """Effects by run, look and level: the first level differs by so many standard errors at the end."""
    rng, looks, n = np.random.default_rng(levels), 28, 20_000
    share = rng.dirichlet(np.full(levels, 2.0))
    units = np.arange(1, looks + 1)[:, None] * share * n / looks
    steps = rng.normal(size=(RUNS // 4, looks, levels)) * np.sqrt(share * n / looks)
    effects = np.cumsum(steps, axis=1) / units
    effects[..., 0] += differs / np.sqrt(n * share[0] * (1 - share[0]))
    shape = effects.shape
    # The second level is not read in the first five looks.
    effects[:, :5, 1] = np.nan
    return effects, np.broadcast_to(units**-0.5, shape), np.broadcast_to(units, shape), np.full(shape, np.inf)


@pytest.mark.parametrize("levels", [2, 5])
def test_under_daily_peeking_a_sequence_keeps_its_level_and_a_fixed_horizon_only_at_its_one_look(levels):
    study = daily(levels, 0.0)
    sequence = interaction_p_value(*study, ConfidenceSequence(20_000)) < 0.05
    fixed = interaction_p_value(*study, FixedHorizon()) < 0.05
    runs = len(sequence)
    assert stats.binomtest(int(sequence.any(axis=1).sum()), runs, 0.05, alternative="greater").pvalue > 0.001
    assert stats.binomtest(int(fixed[:, -1].sum()), runs, 0.05).pvalue > 0.001
    assert stats.binomtest(int(fixed.any(axis=1).sum()), runs, 0.15, alternative="greater").pvalue < 0.001


@pytest.mark.parametrize("levels", [2, 5])
def test_at_planned_looks_a_group_sequential_design_keeps_its_level(levels):
    study = [np.moveaxis(part[:, [6, 13, 20, 27]], 0, 1) for part in daily(levels, 0.0)]
    rule = GroupSequential((0.25, 0.5, 0.75, 1.0), Spending("pocock"))
    found = np.any(interaction_p_value(*study, rule) < 0.05, axis=0)
    assert stats.binomtest(int(found.sum()), len(found), 0.05, alternative="greater").pvalue > 0.001
    if levels == 2:
        assert stats.binomtest(int(found.sum()), len(found), 0.05).pvalue > 0.001


def test_a_group_sequential_design_of_one_look_is_welchs_test_of_two_small_segments():
    study = (np.array([[1.0, 0.2]]), np.array([[0.2, 0.3]]), np.array([[9.0, 14.0]]), np.array([[7.0, 12.0]]))
    once = interaction_p_value(*study, GroupSequential((1.0,), Spending("obrien_fleming")))
    assert once == pytest.approx(interaction_p_value(*study, FixedHorizon()), rel=1e-4)


@pytest.mark.parametrize("levels", [2, 5])
def test_a_level_that_differs_is_found(levels):
    study = daily(levels, 5.0)
    assert np.mean(interaction_p_value(*study, ConfidenceSequence(20_000))[:, -1] < 0.05) > 0.8
    assert np.mean(interaction_p_value(*study, FixedHorizon())[:, -1] < 0.05) > 0.9


def test_a_level_without_an_interval_is_left_out_and_one_level_alone_has_no_test():
    effects, errors = np.array([[1.0, 2.0, np.nan], [1.0, np.nan, np.nan]]), np.full((2, 3), 0.5)
    n, dof = np.full((2, 3), 100.0), np.full((2, 3), np.inf)
    p = interaction_p_value(effects, errors, n, dof, FixedHorizon())
    assert p[0] == pytest.approx(2 * stats.norm.sf(np.sqrt(2)), rel=1e-9) and np.isnan(p[1])
    p = interaction_p_value(effects, errors, n, dof, ConfidenceSequence(300))
    assert p[0] <= 1 and np.isnan(p[1])
