import json

import numpy as np
import pytest
from scipy import stats
from shared import GOLDEN, needs_golden

from analysis.sample_ratio import fixed_p_value, sequential_p_value


@needs_golden
def test_fixed_test_agrees_with_chi_square_and_ignores_arms_without_weight():
    for case in json.loads((GOLDEN / "exp_srm.json").read_text())["fixed"]:
        assert fixed_p_value(case["users"], case["weights"]) == pytest.approx(case["p"], rel=1e-9)
    # A peer counts the empty arm as a degree of freedom and gets 0.1407.
    assert fixed_p_value([5000, 5200, 0], [0.5, 0.5, 0]) == pytest.approx(0.0476703806561615, rel=1e-9)


@needs_golden
def test_sequential_test_agrees_with_the_closed_form_and_a_peer():
    for case in json.loads((GOLDEN / "exp_srm.json").read_text())["sequential"]:
        p = sequential_p_value(np.cumsum(case["daily_counts"], axis=0), case["null"], case["dirichlet_concentration"])
        np.testing.assert_allclose(p, case["closed_form_p"], rtol=1e-9)
        np.testing.assert_allclose(np.log(p), np.log(case["sequential_p"]), atol=1e-8)


def test_few_units_are_judged_by_the_exact_binomial():
    assert fixed_p_value([1, 7], [1, 1]) == pytest.approx(stats.binomtest(1, 8).pvalue)


def test_units_in_an_arm_without_weight_are_impossible():
    assert fixed_p_value([500, 500, 3], [1, 1, 0]) == 0


def test_sequential_test_keeps_its_level_under_daily_looks():
    runs, looks = 4_000, 28
    rng = np.random.default_rng(11)
    first = np.cumsum(rng.binomial(2_000, 0.5, size=(runs, looks)), axis=1)
    total = np.arange(1, looks + 1) * 2_000
    alarms = sum(sequential_p_value(np.stack([a, total - a], axis=1), [1, 1])[-1] < 0.05 for a in first)
    assert stats.binomtest(alarms, runs, 0.05, alternative="greater").pvalue > 0.001
