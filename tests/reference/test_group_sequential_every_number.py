"""The numbers of the group sequential file that the other tests leave: other conventions, other peers, and rpact's own
precision, told from ours by arithmetic in twenty-five digits."""

import json
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from scipy import special, stats
from scipy.optimize import brentq
from shared import GOLDEN, needs_golden

from analysis.group_sequential import Spending, after_stopping, boundaries, crossing_probabilities

pytestmark = needs_golden
# The widest that spotify-confidence is from a solver without error, in its own grid.
SPOTIFY = 3e-4


@pytest.fixture(scope="module")
def golden() -> dict:
    return json.loads((GOLDEN / "exp_group_sequential_boundaries.json").read_text())


def spending(name: str) -> Spending:
    family, _, parameter = name.partition("_")
    if family == "LD":
        return Spending({"OBF": "obrien_fleming", "Pocock": "pocock"}[parameter])
    return Spending({"KD": "kim_demets", "HSD": "hwang_shih_decani"}[family], float(parameter.replace("m", "-")))


def test_spending_is_that_of_every_peer(golden):
    for design in golden["boundaries"]:
        rule, alpha, time = spending(design["spending"]), design["alpha_one_sided"], design["information"]
        ours = rule.spent(time, alpha)
        # Of 1e-12 and less ours keeps its digits; the golden side takes a difference from 1.
        np.testing.assert_allclose(ours, design["cum_alpha_one_sided"], rtol=1e-9, atol=2e-16)
        # Printed to twelve digits, and taken as a difference from 1; rpact stops at 1e-8 of the level.
        np.testing.assert_allclose(design["gsDesign_cum_alpha"], ours, rtol=1e-11, atol=2.5e-16)
        np.testing.assert_allclose(design["rpact_cum_alpha"], ours, rtol=1e-10, atol=2e-8)
        np.testing.assert_allclose(design["rpact_two_sided_cum_alpha"], 2 * ours, rtol=1e-10, atol=2e-8)


@dataclass(frozen=True)
class Whole:
    """Half of what a function spends of both sides' error: the other convention, as a spending of one side."""

    rule: Spending

    def spent(self, time: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        return self.rule.spent(time, 2 * np.asarray(alpha)) / 2


def test_bounds_of_designs_whose_whole_error_is_spent_at_once_agree_to_1e_8(golden):
    """Both sides together spend f(2 alpha), where ours spends f(alpha) on each; only O'Brien-Fleming's differ by it."""
    for design in golden["boundaries"]:
        alpha, information, rule = design["alpha_one_sided"], design["information"], spending(design["spending"])
        want = np.array(design["hp_two_sided_total_alpha_convention"])
        np.testing.assert_allclose(boundaries(information, 2 * alpha, Whole(rule)), want, rtol=0, atol=1e-8)
        apart = np.max(np.abs(boundaries(information, 2 * alpha, rule) - want))
        assert (apart > 1e-3) == (design["spending"] == "LD_OBF")


def test_spotifys_bounds_agree_with_the_exact_ones_to_their_grid(golden):
    asked = [design for design in golden["boundaries"] if "spotify_confidence_one_sided" in design]
    assert len(asked) == 144
    gaps = []
    for design in asked:
        ours = boundaries(design["information"], design["alpha_one_sided"], spending(design["spending"]), sides=1)
        # Theirs is cut off at eight standard errors.
        gaps.append(np.max(np.abs(np.minimum(ours, 8.0) - design["spotify_confidence_one_sided"])))
    assert max(gaps) < SPOTIFY
    assert np.median(gaps) < 1e-4


def test_classical_constants_of_one_side_have_the_level_they_claim(golden):
    for row in golden["classical_constants"]:
        looks = row["K"]
        never, bounds = np.full(looks, -np.inf), np.array(row["one_sided_0.025"])
        information = np.arange(1, looks + 1) / looks
        spent = crossing_probabilities(bounds, information, lower=never).upper.sum()
        assert spent == pytest.approx(0.025, abs=5e-8)
        # O'Brien and Fleming's bounds fall as the root of information; Pocock's stand still.
        shape = np.sqrt(information) if row["type"] == "OF" else 1.0
        for name in ("one_sided_0.025", "two_sided"):
            np.testing.assert_allclose(np.array(row[name]) * shape, row[name][-1], rtol=1e-10)
        spent = crossing_probabilities(np.array(row["two_sided"]), information).by_look.sum()
        assert spent == pytest.approx(row["alpha_two_sided"], abs=5e-7)


def example() -> tuple[np.ndarray, np.ndarray]:
    """Estimates and errors of rpact's example; the units behind them are as its description says."""
    stage, means = np.arange(1, 4), np.array([0.12, 0.10, 0.09])
    n, estimates = 1000 * stage, np.cumsum(means) / stage
    between = np.array([1000 * np.sum(np.square(means[:k] - estimates[k - 1])) for k in stage])
    return estimates, np.sqrt(2 * (999 * stage + between / 2) / (n - 1) / n)


def later(first: float, second: float, shift: object = 0) -> mpmath.mpf:
    """Chance to be above `first` at 1 / 3 of the information, or not there and above `second` at 2 / 3.

    z has the mean shift x root of information, in units of the second look's: 1 / 2 and 1 of it.
    """
    root, shift = mpmath.sqrt(mpmath.mpf(1) / 2), mpmath.mpf(shift)

    def survival(x: object) -> mpmath.mpf:
        return mpmath.erfc(x / mpmath.sqrt(2)) / 2

    below = mpmath.quad(
        lambda x: mpmath.npdf(x, root * shift, 1) * survival((second - root * x - shift / 2) / root),
        [-12, -4, -2, 0, 1, 2, first],
    )
    return survival(first - root * shift) + below


def test_answers_after_stopping_are_those_of_twenty_five_digits_and_rpacts_are_beside_them(golden):
    estimates, errors = example()
    rows = golden["analysis_example"]["rows"]
    assert [row["stage"] for row in rows] == [1, 2, 3]
    assert [row["final_stage"] for row in rows] == [None, 2, 2]
    upper = boundaries(np.arange(1, 4) / 3, 0.025, Spending(), sides=1)
    stopped = after_stopping(estimates, errors, upper, 0.05, sides=1)
    z = float(estimates[1] / errors[1])
    with mpmath.workdps(25):
        information = np.square(errors[1] / errors[0])
        assert information == pytest.approx(0.5, abs=3e-4)
        exact_p = float(later(float(upper[0]), z))
        shifts = {
            name: float(mpmath.findroot(lambda s, p=p: later(float(upper[0]), z, s) - p, start))
            for name, p, start in (("lower", 0.025, z - 2), ("median_unbiased", 0.5, z), ("upper", 0.975, z + 2))
        }
    # Ours follows the information that the errors have, 0.05 % beside one half: so it is compared at one half.
    even = after_stopping(estimates[:2], errors[1] * np.sqrt([2.0, 1.0]), upper[:2], 0.05, sides=1)
    assert even.p_value == pytest.approx(exact_p, rel=1e-9)
    ours = {"lower": even.lower, "upper": even.upper, "median_unbiased": even.median_unbiased}
    for name, value in ours.items():
        assert value == pytest.approx(shifts[name] * errors[1], rel=1e-9)
    peer = {"final_p": exact_p, "final_ci_lower": ours["lower"], "final_ci_upper": ours["upper"]}
    peer["median_unbiased"] = ours["median_unbiased"]
    for row in rows[1:]:
        for name, value in peer.items():
            assert row[name][1] == pytest.approx(value, abs=1e-5)
            assert row[name][0] is None and row[name][2] is None
    assert stopped.p_value == pytest.approx(even.p_value, rel=1e-3)


def test_repeated_p_values_solve_their_equation_and_rpacts_are_beside_them(golden):
    estimates, errors = example()
    z, information = estimates / errors, np.arange(1, 4) / 3
    ours = [
        brentq(
            lambda p, k=k: boundaries(information, p, Spending(), sides=1)[k] - z[k], 1e-7, 0.4, xtol=1e-15, rtol=1e-13
        )
        for k in range(3)
    ]
    # At the first look f spends p there: 2 - 2 Phi(z_{p / 2} / root of t) = the tail of z.
    closed = 2 * special.ndtr(-np.sqrt(1 / 3) * stats.norm.isf(stats.norm.sf(z[0]) / 2))
    assert ours[0] == pytest.approx(closed, rel=1e-9)
    with mpmath.workdps(25):
        spent = Spending().spent(information, ours[1])
        assert float(later(float(stats.norm.isf(spent[0])), float(z[1]))) == pytest.approx(spent[1], rel=1e-9)
    for row in golden["analysis_example"]["rows"]:
        seen = [p for p in row["repeated_p"] if p is not None]
        assert len(seen) == row["stage"]
        np.testing.assert_allclose(seen, ours[: row["stage"]], rtol=0, atol=2e-6)
        half = boundaries(information, 0.025, Spending(), sides=1)[: row["stage"]] * errors[: row["stage"]]
        # Their bounds were searched to 1e-6 or so; the half-width is a bound times an error of about 0.04.
        np.testing.assert_allclose(row["repeated_ci_lower"], estimates[: row["stage"]] - half, rtol=0, atol=2e-7)
        np.testing.assert_allclose(row["repeated_ci_upper"], estimates[: row["stage"]] + half, rtol=0, atol=2e-7)


def test_the_error_that_each_power_row_spends_is_its_functions(golden):
    for row in golden["power"]:
        time = np.arange(1, row["K"] + 1) / row["K"]
        spent = np.diff(spending(row["spending"]).spent(time, row["alpha_one_sided"]), prepend=0.0)
        # gsDesign's bounds end their search at about 1e-7, and its probabilities are those of its bounds.
        np.testing.assert_allclose(row["cross_prob_H0"], spent, rtol=0, atol=5e-8)
        z = stats.norm.isf([row["alpha_one_sided"], 1 - row["power"]])
        assert row["delta_fixed_drift"] == pytest.approx(z.sum(), rel=1e-9)
        assert sum(row["cross_prob_H1"]) == pytest.approx(row["power"], abs=1e-6)
