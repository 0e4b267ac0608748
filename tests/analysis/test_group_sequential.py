"""Group sequential designs keep what they promise: by simulation, and for designs of any shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from analysis.errors import AnalysisError
from analysis.group_sequential import (
    SPENDING,
    GroupSequential,
    Spending,
    after_stopping,
    boundaries,
    crossing_probabilities,
    drift_for_power,
    futility_bounds,
    spending_time,
)

INFINITE, RUNS = np.asarray(np.inf), 200_000
OBRIEN_FLEMING = Spending("obrien_fleming")
POCOCK = Spending("pocock")
UNEVEN = np.array([0.11, 0.2, 0.55, 0.6, 1.0])

spendings = st.one_of(
    st.just(OBRIEN_FLEMING),
    st.just(POCOCK),
    st.builds(Spending, st.just("kim_demets"), st.floats(0.1, 8)),
    st.builds(Spending, st.just("hwang_shih_decani"), st.floats(-20, 10)),
)
shares = st.lists(st.floats(0.001, 1), min_size=1, max_size=8).map(lambda gaps: np.cumsum(gaps) / np.sum(gaps))


def walks(information: np.ndarray, drift: float, runs: int, seed: int) -> np.ndarray:
    """z at each look, shape (runs, looks), of independent steps: no part of the integration is used."""
    gained = np.diff(information, prepend=0.0)
    steps = np.random.default_rng(seed).normal(drift * gained, np.sqrt(gained), (runs, len(information)))
    return np.cumsum(steps, axis=1) / np.sqrt(information)


@given(spendings, st.floats(1e-6, 0.5), st.lists(st.floats(0, 1.2), min_size=2, max_size=9))
def test_spending_starts_at_nothing_never_shrinks_and_ends_at_alpha(spending, alpha, times):
    spent = spending.spent(np.sort(times), alpha)
    assert (np.diff(spent) >= -1e-15).all()
    np.testing.assert_allclose(spending.spent([0.0, 1.0, 1.2], alpha), [0, alpha, alpha], rtol=1e-12, atol=0)


@settings(max_examples=60, deadline=None)
@given(shares, st.sampled_from([0.001, 0.05, 0.3, 1.0]), spendings, st.sampled_from([1, 2]))
def test_a_design_spends_its_alpha_and_not_more(information, alpha, spending, sides):
    bounds = boundaries(information, alpha * sides / 2, spending, sides=sides)
    lower = None if sides == 2 else np.full(len(bounds), -np.inf)
    crossing = crossing_probabilities(bounds, information, lower=lower).upper
    spent = np.diff(spending.spent(information, alpha / 2), prepend=0.0)
    np.testing.assert_allclose(crossing, spent, rtol=1e-7, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(shares, spendings, st.floats(1e-4, 0.9), st.floats(1.01, 3))
def test_more_alpha_lowers_the_bound_of_every_look(information, spending, alpha, more):
    some, others = (boundaries(information, level, spending) for level in (alpha, min(1.0, alpha * more)))
    assert (others < some + 1e-9).all()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0, 1) | st.just(np.nan), min_size=6, max_size=6),
    st.lists(st.floats(0, 1.3) | st.sampled_from([0.5, np.nan]), min_size=6, max_size=6),
    spendings,
    st.sampled_from([1.0, 0.05, 1e-9]),
)
def test_information_and_times_in_any_order_never_break_a_design(information, time, spending, alpha):
    bounds = boundaries(information, alpha, spending, time=time)
    assert np.all(np.isnan(bounds) | ((bounds >= 0) & (bounds < 37.1)))


@pytest.mark.parametrize("spending", [Spending(name) for name in SPENDING], ids=list(SPENDING))
@pytest.mark.parametrize("sides", [1, 2])
def test_level_of_uneven_looks_by_simulation(spending, sides):
    bounds = boundaries(UNEVEN, 0.05, spending, sides=sides)
    z = walks(UNEVEN, 0.0, RUNS, seed=11)
    crossed = int(((np.abs(z) if sides == 2 else z) > bounds).any(axis=1).sum())
    assert stats.binomtest(crossed, RUNS, 0.05).pvalue > 1e-4


def test_level_where_spending_time_is_not_information():
    """A design that spends by the calendar while information comes late keeps its level all the same."""
    bounds = boundaries(UNEVEN, 0.05, POCOCK, time=np.arange(1, 6) / 5)
    crossed = int((np.abs(walks(UNEVEN, 0.0, RUNS, seed=12)) > bounds).any(axis=1).sum())
    assert stats.binomtest(crossed, RUNS, 0.05).pvalue > 1e-4


def test_only_ratios_of_information_count():
    time = UNEVEN**2
    np.testing.assert_allclose(
        boundaries(1e6 * UNEVEN, 0.05, POCOCK, time=time), boundaries(UNEVEN, 0.05, POCOCK, time=time), atol=1e-11
    )


def test_a_look_with_less_information_is_no_analysis_and_spends_nothing():
    with_it = boundaries([0.3, 0.6, 0.5, 1.0], 0.05, POCOCK, time=[0.3, 0.6, 0.8, 1.0])
    assert np.isnan(with_it[2])
    np.testing.assert_array_equal(np.delete(with_it, 2), boundaries([0.3, 0.6, 1.0], 0.05, POCOCK))


def test_a_look_that_repeats_its_information_spends_what_time_has_added_on_the_same_data():
    repeated = boundaries([0.5, 1.0, 1.0], 0.05, POCOCK, time=[0.4, 0.7, 1.0])
    np.testing.assert_allclose(repeated[[0, 2]], boundaries([0.5, 1.0], 0.05, POCOCK, time=[0.4, 1.0]), atol=1e-12)
    almost = boundaries([0.5, 1.0, 1.0 + 2e-5], 0.05, POCOCK, time=[0.4, 0.7, 1.0])
    np.testing.assert_allclose(almost, repeated, atol=2e-5)


def test_running_over_spends_the_rest_and_running_under_solves_the_last_look_again():
    over = spending_time([400, 1100, 1300], planned=1000)
    np.testing.assert_array_equal(over, [0.4, 1, 1])
    bounds = boundaries([400, 1100, 1300], 0.05, OBRIEN_FLEMING, time=over)
    np.testing.assert_allclose(bounds[:2], boundaries([400, 1100], 0.05, OBRIEN_FLEMING, time=[0.4, 1.0]), atol=1e-12)
    assert np.isnan(bounds[2])
    under = spending_time([400, 700], planned=1000, ended=True)
    early = boundaries([400, 700], 0.05, OBRIEN_FLEMING, time=under)
    running = boundaries([400, 700], 0.05, OBRIEN_FLEMING, time=spending_time([400, 700], 1000))
    assert early[0] == running[0] and early[1] < running[1]
    assert crossing_probabilities(early, [0.4, 0.7]).by_look.sum() == pytest.approx(0.05, abs=1e-10)


def test_bounds_of_a_first_look_with_next_to_nothing_to_spend_are_finite():
    bounds = boundaries([1e-9, 1e-3, 0.5, 1.0], 0.05, OBRIEN_FLEMING)
    assert bounds[0] == bounds[1] == pytest.approx(-special.ndtri(1e-300))
    np.testing.assert_allclose(bounds[2:], boundaries([0.5, 1.0], 0.05, OBRIEN_FLEMING), atol=1e-10)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Spending("linear"), "spending is 'linear'; use one of obrien_fleming"),
        (lambda: Spending("pocock", 2.0), "takes no parameter, found 2"),
        (lambda: Spending("kim_demets", 0.0), "above 0, found 0.0"),
        (lambda: boundaries([0.5, 1], 1.5, POCOCK), "alpha is 1.5"),
        (lambda: boundaries([0.5, 1], 0.05, POCOCK, time=[1.0]), r"information has shape \(2,\) and time \(1,\)"),
        (lambda: crossing_probabilities([2.0, 2.0], [1.0, 1.0]), "must grow from each analysis"),
        (lambda: GroupSequential((0.5, 1.0), POCOCK).critical(0.05, np.ones(3), INFINITE), "2 looks.* shape \\(3,\\)"),
        (lambda: GroupSequential((0.5, 1.0), POCOCK, (1.0,)), "2 times and 1 information"),
        (lambda: drift_for_power([2.0], [1.0], 1.0), "power is 1"),
        (lambda: after_stopping([1.0], [1.0], [2.0, 2.0], 0.05), "bounds \\(2,\\)"),
    ],
)
def test_errors_name_what_was_found(call, words):
    with pytest.raises(AnalysisError, match=words):
        call()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(1, 100), min_size=1, max_size=6),
    spendings,
    st.sampled_from([0.01, 0.05, 0.1, 0.033]),
    st.sampled_from([np.inf, 5.0, 60.0]),
    st.floats(1e-9, 1),
)
def test_p_value_and_interval_are_one_statement(gains, spending, alpha, dof, off):
    n = np.cumsum(gains)
    rule = GroupSequential(tuple((n / n[-1]).tolist()), spending, alpha=alpha)
    critical = rule.critical(alpha, n, np.full(n.shape, dof))
    for side in (1, -1):
        p = rule.p_value(critical * (1 + side * off), n, np.full(n.shape, dof))
        assert ((p < alpha) == (side > 0)).all()


def test_p_values_are_the_level_at_which_the_bound_is_passed():
    rule = GroupSequential(tuple(UNEVEN), OBRIEN_FLEMING)
    for alpha, tolerance in ((0.9, 1e-3), (0.3, 3e-4), (0.07, 3e-4), (0.004, 3e-4), (1e-6, 1e-3), (1e-8, 3e-3)):
        p = rule.p_value(boundaries(UNEVEN, alpha, OBRIEN_FLEMING), UNEVEN, INFINITE)
        np.testing.assert_allclose(p, alpha, rtol=tolerance)


def test_p_value_of_a_huge_effect_is_small_but_not_zero_and_of_none_is_one():
    rule = GroupSequential(tuple(UNEVEN), POCOCK)
    assert np.all((p := rule.p_value(np.full(5, 30.0), UNEVEN, INFINITE)) > 0) and np.all(p < 1e-150)
    assert np.all(rule.p_value(np.full(5, 1e6), UNEVEN, INFINITE) >= 9.9e-301)
    np.testing.assert_array_equal(rule.p_value(np.zeros(5), UNEVEN, INFINITE), 1.0)


def test_a_rule_is_solved_for_each_column_of_units_and_silent_where_there_is_no_analysis():
    rule = GroupSequential((0.5, np.nan, 1.0), POCOCK)
    n = np.array([[10.0, 0.0, 30.0], [20.0, 0.0, 60.0], [30.0, 5.0, 90.0]])
    critical, p = rule.critical(0.05, n, INFINITE), rule.p_value(np.full((3, 3), 2.5), n, INFINITE)
    assert np.isnan(critical[1]).all() and np.isnan(critical[0, 1]) and np.isnan(p[1]).all()
    np.testing.assert_array_equal(critical[:, 0], critical[:, 2])
    np.testing.assert_allclose(critical[[0, 2], 0], boundaries([1, 3], 0.05, POCOCK, time=[0.5, 1.0]), atol=1e-12)
    assert critical[2, 1] == pytest.approx(stats.norm.isf(0.025))
    planned = GroupSequential((0.5, np.nan, 1.0), POCOCK, information=(1.0, 2.0, 3.0)).critical(0.05, n, INFINITE)
    np.testing.assert_allclose(planned[[0, 2]], np.repeat(critical[[0, 2], :1], 3, axis=1), atol=1e-11)


def test_one_look_is_a_fixed_horizon():
    rule, n, dof = GroupSequential((1.0,), OBRIEN_FLEMING), np.array([8.0]), np.array([6.0])
    assert rule.critical(0.05, n, dof)[0] == pytest.approx(stats.t.isf(0.025, 6), rel=1e-12)
    assert rule.p_value(np.array([-1.7]), n, dof)[0] == pytest.approx(2 * stats.t.sf(1.7, 6), rel=1e-3)


def test_small_samples_keep_the_level_of_each_look():
    """Two arms of 4, 8 and 12 units: bounds for a normal pivot would err too often."""
    rng, runs, looks = np.random.default_rng(3), 40_000, np.array([4, 8, 12])
    values = rng.normal(size=(2, runs, 12))
    means = np.stack([values[..., :n].mean(axis=-1) for n in looks])
    variances = np.stack([values[..., :n].var(axis=-1, ddof=1) for n in looks])
    t = (means[:, 1] - means[:, 0]) / np.sqrt(variances.sum(axis=1) / looks[:, None])
    rule, n = GroupSequential((1 / 3, 2 / 3, 1.0), POCOCK), 2.0 * looks
    by_t, by_z = (np.abs(t) > rule.critical(0.05, n, dof)[:, None] for dof in (n - 2, INFINITE))
    assert stats.binomtest(int(by_t[0].sum()), runs, 2 * POCOCK.spent(1 / 3, 0.025)).pvalue > 1e-4
    assert stats.binomtest(int(by_t.any(axis=0).sum()), runs, 0.05).pvalue > 1e-4
    assert stats.binomtest(int(by_z.any(axis=0).sum()), runs, 0.08, alternative="greater").pvalue < 1e-4


@pytest.mark.parametrize(("spending", "drift"), [(OBRIEN_FLEMING, 0.0), (POCOCK, -1.5), (POCOCK, 3.0)])
def test_after_stopping_the_interval_covers_and_the_estimate_is_as_often_too_high_as_too_low(spending, drift):
    runs, information = 400, np.array([0.3, 0.5, 0.8, 1.0])
    bounds, errors = boundaries(information, 0.1, spending), 1 / np.sqrt(information)
    z = walks(information, drift, runs, seed=5)
    stopped = [after_stopping(row * errors, errors, bounds, 0.1, ended=True) for row in z]
    covered = sum(one.lower <= drift <= one.upper for one in stopped)
    above = sum(one.median_unbiased > drift for one in stopped)
    assert stats.binomtest(covered, runs, 0.9).pvalue > 1e-4
    assert stats.binomtest(above, runs, 0.5).pvalue > 1e-4
    assert all(one.lower <= one.median_unbiased <= one.upper for one in stopped)
    crossed = (np.abs(z) > bounds).any(axis=1)
    assert [one.p_value < 0.1 for one in stopped] == crossed.tolist()
    assert [not one.lower <= 0 <= one.upper for one in stopped] == crossed.tolist()
    if drift == 3.0:
        plain = sum(row[one.look] * errors[one.look] > drift for row, one in zip(z, stopped, strict=True))
        assert stats.binomtest(plain, runs, 0.5).pvalue < 1e-4


def test_after_stopping_skips_looks_that_are_no_analysis_and_looks_that_repeat_their_data():
    bounds = boundaries([0.5, 1.0], 0.05, POCOCK)
    plain = after_stopping([0.1, 2.4], [2**0.5, 1.0], bounds, 0.05)
    with_gaps = after_stopping([9.0, 0.1, 2.3, 2.4], [1.0, 2**0.5, 1.0, 1.0], [np.nan, bounds[0], 9, bounds[1]], 0.05)
    assert plain.look == 1 and with_gaps.look == 3
    assert [with_gaps.lower, with_gaps.upper] == pytest.approx([plain.lower, plain.upper], rel=1e-9)
    mirrored = after_stopping([-0.1, -2.4], [2**0.5, 1.0], bounds, 0.05)
    assert [mirrored.lower, mirrored.upper] == pytest.approx([-plain.upper, -plain.lower], rel=1e-9)
    assert after_stopping([0.1], [1.0], bounds[:1], 0.05) is None


@settings(max_examples=25, deadline=None)
@given(shares, st.sampled_from([0.8, 0.95]), spendings, spendings)
def test_futility_keeps_the_power_and_never_passes_the_upper_bound(information, power, above, below):
    upper = boundaries(information, 0.025, above, sides=1)
    futility = futility_bounds(upper, information, power, below)
    assert (futility.bounds <= upper + 1e-12).all() and futility.bounds[-1] == upper[-1]
    crossing = crossing_probabilities(upper, information, futility.drift, lower=futility.bounds)
    assert crossing.power == pytest.approx(power, abs=1e-8)
    spent = np.cumsum(crossing.lower)
    assert (spent <= below.spent(information, 1 - power) + 1e-8).all()


def test_power_and_futility_by_simulation():
    upper = boundaries(UNEVEN, 0.025, OBRIEN_FLEMING, sides=1)
    futility = futility_bounds(upper, UNEVEN, 0.8, Spending("hwang_shih_decani", -2.0))
    z = walks(UNEVEN, futility.drift, RUNS, seed=13)
    out = (z > upper) | (z < futility.bounds)
    first = np.argmax(out, axis=1)
    won = int((z > upper)[np.arange(RUNS), first].sum())
    assert stats.binomtest(won, RUNS, 0.8).pvalue > 1e-4
    without = drift_for_power(upper, UNEVEN, 0.8, lower=np.full(5, -np.inf))
    assert without < futility.drift < 1.1 * without
