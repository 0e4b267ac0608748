"""Our group sequential designs against numbers that gsDesign, rpact and a finer integration printed."""

import json

import numpy as np
import pytest
from scipy import stats
from shared import GOLDEN, needs_golden

from analysis.group_sequential import (
    GroupSequential,
    Spending,
    after_stopping,
    boundaries,
    crossing_probabilities,
    drift_for_power,
    expected_information,
    futility_bounds,
    inflation_factor,
)

pytestmark = needs_golden
# The tolerances that the peers' own integrations allow, and the absolute one of rpact's search for p-values.
GSDESIGN, RPACT, RPACT_P = 3e-5, 2e-4, 2e-6


@pytest.fixture(scope="module")
def golden() -> dict:
    return json.loads((GOLDEN / "exp_group_sequential_boundaries.json").read_text())


@pytest.fixture(scope="module")
def operating() -> dict:
    return json.loads((GOLDEN / "exp_operating_characteristics.json").read_text())


def spending(name: str) -> Spending:
    family, _, parameter = name.partition("_")
    if family == "LD":
        return Spending({"OBF": "obrien_fleming", "Pocock": "pocock"}[parameter])
    return Spending({"KD": "kim_demets", "HSD": "hwang_shih_decani"}[family], float(parameter.replace("m", "-")))


def even(looks: int) -> np.ndarray:
    return np.arange(1, looks + 1) / looks


def test_bounds_agree_with_a_finer_integration_to_1e_8(golden):
    designs = golden["boundaries"]
    assert len(designs) == 288
    for design in designs:
        alpha, rule = design["alpha_one_sided"], spending(design["spending"])
        spent = np.diff(design["cum_alpha_one_sided"], prepend=0.0)
        for sides, name in ((1, "hp_one_sided"), (2, "hp_two_sided_gsDesign_convention")):
            bounds = boundaries(design["information"], sides * alpha, rule, sides=sides)
            # Of a look that spends 1e-13 their sum has only eight digits: see the test below.
            sure = (spent > 1e-12) | (np.arange(len(spent)) == 0)
            np.testing.assert_allclose(bounds[sure], np.array(design[name])[sure], rtol=0, atol=1e-8)
            np.testing.assert_allclose(bounds, design[name], rtol=0, atol=2e-8)


def test_the_bound_of_a_look_that_spends_1e_13_is_that_of_forty_digit_arithmetic():
    assert boundaries(even(14), 0.005, Spending(), sides=1)[1] == pytest.approx(7.33443508554008627, abs=1e-13)


def test_bounds_agree_with_gsdesign_and_rpact_where_these_say_what_they_spend(golden):
    for design in golden["boundaries"]:
        alpha = design["alpha_one_sided"]
        spent = np.diff(design["cum_alpha_one_sided"], prepend=0.0)
        sure = spent > 1e-6
        for peer, tolerance in (("gsDesign", GSDESIGN), ("rpact", RPACT)):
            for sides, name in ((1, "one_sided"), (2, "two_sided_symmetric")):
                bounds = boundaries(design["information"], sides * alpha, spending(design["spending"]), sides=sides)
                want = np.array(design[f"{peer}_{name}"])
                np.testing.assert_allclose(bounds[sure], want[sure], rtol=0, atol=tolerance)


def test_classical_constants_of_pocock_and_obrien_fleming_have_the_level_they_claim(golden):
    for row in golden["classical_constants"]:
        bounds = np.array(row["two_sided"])
        spent = crossing_probabilities(bounds, even(row["K"])).by_look.sum()
        assert spent == pytest.approx(row["alpha_two_sided"], abs=1e-5)


def test_power_inflation_and_expected_size_agree_with_gsdesign(golden):
    for row in golden["power"]:
        information, alpha, power = even(row["K"]), row["alpha_one_sided"], row["power"]
        upper = boundaries(information, alpha, spending(row["spending"]), sides=1)
        never = np.full(row["K"], -np.inf)
        drift = drift_for_power(upper, information, power, lower=never)
        inflation = inflation_factor(upper, information, power, alpha, lower=never)
        assert inflation == pytest.approx(row["inflation_factor"], abs=1e-6)
        assert drift == pytest.approx(row["delta_fixed_drift"] * np.sqrt(row["inflation_factor"]), abs=1e-6)
        crossing = crossing_probabilities(upper, information, [0.0, drift], lower=never).upper
        np.testing.assert_allclose(crossing, [row["cross_prob_H0"], row["cross_prob_H1"]], rtol=0, atol=1e-6)
        sizes = inflation * expected_information(upper, information, drift * np.array([0, 0.5, 1]), lower=never)
        np.testing.assert_allclose(sizes, row["expected_n_over_fixed_at_0_half_full"], rtol=0, atol=1e-6)


def test_power_and_duration_of_twenty_eight_looks_are_those_of_simulation(operating):
    fixed, runs, information = stats.norm.ppf(0.975) + stats.norm.ppf(0.8), 200_000, even(28)
    drifts = {"H0": 0.0, "H1: fixed-horizon power 80%": fixed, "H1: 1.5x that effect": 1.5 * fixed}
    for row in operating["rows"]:
        upper = np.array(operating["boundaries"][row["method"]])
        crossing = crossing_probabilities(upper, information, drifts[row["scenario"]])
        rejected, chance = round(row["reject"] * runs), crossing.by_look.sum()
        assert stats.binomtest(rejected, runs, chance).pvalue > 1e-4, row["method"]
        stop = crossing.by_look + np.eye(28)[-1] * (1 - chance)
        mean = expected_information(upper, information, drifts[row["scenario"]])
        error = np.sqrt((stop @ np.square(information) - mean**2) / runs)
        assert abs(row["mean_fraction_of_planned_sample"] - mean) <= stats.norm.isf(5e-5) * error + 1e-12


def test_spending_of_the_published_bounds_is_ours(operating):
    """Their bounds were searched to about 1e-4; what they spend agrees with ours to that."""
    for name, rule in (
        ("LD-OBF 28 looks", Spending()),
        ("LD-Pocock 28 looks", Spending("pocock")),
        ("Kim-DeMets rho=2 28 looks (Spotify)", Spending("kim_demets", 2.0)),
    ):
        bounds = boundaries(even(28), 0.05, rule)
        np.testing.assert_allclose(bounds, operating["boundaries"][name], rtol=0, atol=RPACT)


def test_repeated_intervals_and_p_values_agree_with_rpact(golden):
    estimates, errors = example_of_rpact()
    row = golden["analysis_example"]["rows"][-1]
    information = even(3)
    half = boundaries(information, 0.025, Spending(), sides=1) * errors
    np.testing.assert_allclose(estimates - half, row["repeated_ci_lower"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(estimates + half, row["repeated_ci_upper"], rtol=0, atol=1e-6)
    for k, p in enumerate(row["repeated_p"]):
        ends = [boundaries(information, p + side * RPACT_P, Spending(), sides=1)[k] for side in (1, -1)]
        assert ends[0] < estimates[k] / errors[k] < ends[1]
    # Two sides are twice one, but for walks that cross both.
    rule = GroupSequential(tuple(information.tolist()), Spending())
    p = rule.p_value(estimates / errors, 2000.0 * np.arange(1, 4), np.asarray(np.inf))
    np.testing.assert_allclose(p, 2 * np.array(row["repeated_p"]), rtol=1e-3, atol=2 * RPACT_P)


def test_answers_after_stopping_agree_with_rpact(golden):
    estimates, errors = example_of_rpact()
    row = golden["analysis_example"]["rows"][-1]
    upper = boundaries(even(3), 0.025, Spending(), sides=1)
    assert after_stopping(estimates[:1], errors[:1], upper[:1], 0.05, sides=1) is None
    stopped = after_stopping(estimates, errors, upper, 0.05, sides=1)
    assert stopped.look + 1 == row["final_stage"] == 2
    assert stopped.p_value == pytest.approx(row["final_p"][1], abs=RPACT_P)
    answers = [stopped.lower, stopped.upper, stopped.median_unbiased]
    want = [row[name][1] for name in ("final_ci_lower", "final_ci_upper", "median_unbiased")]
    np.testing.assert_allclose(answers, want, rtol=0, atol=2e-6)


def example_of_rpact() -> tuple[np.ndarray, np.ndarray]:
    """Estimates and errors of three stages of 1,000 and 1,000 units; stage means differ, so that pooling adds variance."""
    stage, means, n = np.arange(1, 4), np.array([0.12, 0.10, 0.09]), 1000 * np.arange(1, 4)
    estimates = np.cumsum(means) / stage
    between = np.array([1000 * np.sum(np.square(means[:k] - estimates[k - 1])) for k in stage])
    variance = (999 * stage + between / 2) / (n - 1)
    return estimates, np.sqrt(2 * variance / n)


def test_futility_bounds_are_those_of_gsdesigns_own_example():
    """As gsDesign() prints it: three looks, non-binding, power 90 %, Hwang-Shih-DeCani -4 above and -2 below."""
    information = even(3)
    upper = boundaries(information, 0.025, Spending("hwang_shih_decani", -4.0), sides=1)
    futility = futility_bounds(upper, information, 0.9, Spending("hwang_shih_decani", -2.0))
    np.testing.assert_allclose(upper, [3.01, 2.55, 2.00], atol=0.005)
    np.testing.assert_allclose(futility.bounds, [-0.24, 0.94, 2.00], atol=0.005)
    fixed = stats.norm.isf(0.025) + stats.norm.isf(0.1)
    assert (futility.drift / fixed) ** 2 == pytest.approx(1.070, abs=5e-4)
