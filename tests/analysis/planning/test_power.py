"""Power, sample size and detectable effects are one relation, read from three sides, for every way to conclude."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.errors import AnalysisError
from analysis.group_sequential import Spending, crossing_probabilities, drift_for_power
from analysis.planning.power import (
    Comparison,
    Credible,
    ManyLooks,
    OneLook,
    confidence_sequence,
    group_sequential,
    minimum_detectable_effect,
    sample_size,
)

WEEK = np.arange(1, 8) / 7
TESTS = {
    "one look": OneLook(),
    "one side": OneLook(0.05, 1),
    "sequence": confidence_sequence(WEEK, 0.05),
    "pocock": group_sequential(WEEK, 0.05, Spending("pocock")),
    "unequal looks": group_sequential(np.array([0.1, 0.15, 0.9, 1.0]), 0.01, Spending()),
    "posterior": Credible(0.0, 0.5),
    "sceptic": Credible(-0.1, 0.1),
}
variances = st.floats(0.1, 50)


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS)
@given(
    control=variances,
    treatment=variances,
    ratio=st.floats(0.1, 10),
    effect=st.floats(0.05, 0.5),
    power=st.floats(0.5, 0.99),
)
def test_units_effect_and_power_are_one_relation(test, control, treatment, ratio, effect, power):
    comparison = Comparison(control, treatment, ratio)
    n = sample_size(test, comparison, effect, power)
    assert test.power(effect, comparison.error(n)) == pytest.approx(power, abs=1e-7)
    assert minimum_detectable_effect(test, comparison, n, power) == pytest.approx(effect, rel=1e-7)
    assert (
        minimum_detectable_effect(test, comparison, 2 * n, power)
        < effect
        < minimum_detectable_effect(test, comparison, n, power + 0.005)
    )


@given(st.floats(1e-3, 1e3), st.floats(0.55, 0.95), st.sampled_from([0.25, 1.0, 3.0]))
def test_small_samples_need_more_by_t_than_by_z(variance, power, ratio):
    comparison = Comparison(variance, variance, ratio)
    effect = 0.5 * variance**0.5
    by_t, by_z = (sample_size(OneLook(), comparison, effect, power, pivot) for pivot in ("t", "normal"))
    assert by_z < by_t < by_z + 10
    assert OneLook().power(effect, comparison.error(by_t), comparison.dof(by_t, "t")) == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize("drift", [0.0, 1.5, 3.0, 5.0])
@pytest.mark.parametrize("name", ["sequence", "pocock", "unequal looks"])
def test_power_of_many_looks_is_that_of_crossing_either_bound(name, drift):
    looks = TESTS[name]
    crossing = crossing_probabilities(looks.critical, looks.information, drift).by_look
    assert looks.power(drift, 1.0) == pytest.approx(crossing.sum(), abs=1e-11)
    kept = np.append(crossing, 1 - crossing.sum())
    assert looks.expected_information(drift, 1.0) == pytest.approx(kept @ [*looks.information, 1.0], abs=1e-11)


def test_detectable_effect_of_many_looks_is_the_drift_of_a_design():
    looks = TESTS["unequal looks"]
    # A design counts the upper bound only; the lower one is next to never crossed.
    want = drift_for_power(looks.critical, looks.information, 0.9)
    assert looks.detectable(2.0, 0.9) == pytest.approx(2 * want, abs=1e-6)


def test_a_single_look_of_many_is_one_look():
    one = ManyLooks((1.0,), (stats.norm.isf(0.025),))
    assert one.power(2.5, 1.0) == pytest.approx(OneLook().power(2.5, 1.0), abs=1e-12)


def test_a_flat_prior_concludes_as_one_sided_reading_does_and_a_sceptical_one_less_often():
    flat, plain = Credible(0.0, 1e9), OneLook(0.025, 1)
    assert flat.power(2.8, 1.0) == pytest.approx(plain.power(2.8, 1.0), abs=1e-12)
    assert Credible(0.0, 1.0).power(2.8, 1.0) < flat.power(2.8, 1.0) < Credible(1.0, 1.0).power(2.8, 1.0)


def test_posterior_power_is_how_often_the_posterior_excludes_zero():
    rng, runs, effect, error = np.random.default_rng(4), 20_000, 0.05, 0.02
    seen = rng.normal(effect, error, runs)
    weight = 0.03**2 / (0.03**2 + error**2)
    lower = weight * seen + (1 - weight) * 0.01 - 1.959964 * np.sqrt(weight) * error
    expected = Credible(0.01, 0.03).power(effect, error)
    assert stats.binomtest(int((lower > 0).sum()), runs, expected).pvalue > 0.001


def test_a_margin_is_shown_as_often_as_its_pivot_says():
    rng, runs, n, margin = np.random.default_rng(5), 4_000, 150, 0.2
    control, treatment = rng.gamma(2, 1, (2, runs, n))
    lowered = (1 - margin) * control
    distance = treatment.mean(axis=1) - lowered.mean(axis=1)
    error = np.sqrt((treatment.var(axis=1) + lowered.var(axis=1)) / n)
    power = OneLook(0.025, 1).power(margin * 2, Comparison(2, 2).against_margin(-margin).error(n))
    shown = int((distance > 1.959964 * error).sum())
    assert stats.binomtest(shown, runs, power - 0.01, alternative="less").pvalue > 0.001
    assert stats.binomtest(shown, runs, power + 0.01, alternative="greater").pvalue > 0.001


def test_impossible_wishes_are_refused():
    with pytest.raises(AnalysisError, match=r"effect to detect is 0.*above 0"):
        sample_size(OneLook(), Comparison(1, 1), 0.0, 0.8)
    with pytest.raises(AnalysisError, match=r"power is 1.*between 0 and 1"):
        minimum_detectable_effect(OneLook(), Comparison(1, 1), 100, 1.0)
