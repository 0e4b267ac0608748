"""Lifts, regressions, segments, clustered quantiles and margins: every number of the file of reference methods."""

import json

import numpy as np
import pytest
from builders import a_metric, moments_of
from scipy import stats
from shared import GOLDEN, needs_golden

from analysis.effects import Contrast, lin_contrast, pooled_contrast, pooled_slope, unadjusted_contrast
from analysis.inference.intervals import ConfidenceSequence
from analysis.moments import Moments

pytestmark = needs_golden
EXACT, INFINITE = 1e-9, np.asarray(np.inf)
Z = stats.norm.isf(0.025)


@pytest.fixture(scope="module")
def vectors() -> dict:
    return json.loads((GOLDEN / "exp_reference_methods.json").read_text())["vectors"]


@pytest.fixture(scope="module")
def users() -> np.ndarray:
    return np.genfromtxt(GOLDEN / "exp_users_small.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")


def arms(data: np.ndarray, *names: str) -> tuple[Moments, Moments]:
    return tuple(moments_of(**{name: data[name][data["z"] == arm] for name in names}) for arm in (0, 1))


@pytest.fixture(scope="module")
def plain(users) -> Contrast:
    return unadjusted_contrast(a_metric("y"), *arms(users, "y"))


def test_a_lift_by_each_formula(vectors, plain):
    """Ours is Fieller's (compared elsewhere); the delta method and the logarithm are beside it, as its alternatives."""
    want = vectors["relative_lift_y"]
    lift = float(plain.difference / plain.control)
    assert want["lift"] == pytest.approx(lift, rel=EXACT, abs=0)
    assert want["fieller_g"] == pytest.approx(
        Z**2 * float(plain.covariance[0, 0]) / float(plain.control) ** 2, rel=EXACT, abs=0
    )
    half = Z * float(plain.relative_standard_error)
    assert want["delta_95"] == pytest.approx([lift - half, lift + half], rel=EXACT, abs=0)
    half = Z * float(plain.relative_standard_error) / (1 + lift)
    assert want["log_ratio_95"] == pytest.approx([(1 + lift) * np.exp(s * half) - 1 for s in (-1, 1)], rel=EXACT, abs=0)


def regression(y: np.ndarray, design: np.ndarray, power: int) -> list[float]:
    """Second coefficient of least squares and its error: HC2 for power 1, HC3 for 2."""
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ (design.T @ y)
    weight = ((y - design @ beta) / (1 - np.einsum("ij,jk,ik->i", design, inverse, design)) ** (power / 2)) ** 2
    return [float(beta[1]), float(np.sqrt((inverse @ (design.T * weight) @ design @ inverse)[1, 1]))]


def adjusted(users: np.ndarray) -> dict[str, list[float]]:
    """Every estimate and its error: ours where we have the method, and regressions on the rows where they need rows."""
    y, z, x, xc = (users[name].astype(float) for name in ("y", "z", "x", "xc"))
    one, metric, both = np.ones(len(y)), a_metric("y", covariates=("x",)), arms(users, "y", "x")
    ours = {
        "unadjusted": unadjusted_contrast(a_metric("y"), *arms(users, "y")),
        "CUPED_pooled_theta": pooled_contrast(metric, *both),
        "AIPW_arm_regression": lin_contrast(metric, *both, 0.5),
    }
    found = {name: [float(c.difference), float(c.standard_error)] for name, c in ours.items()}
    interacted = np.column_stack([one, z, x - x.mean(), z * (x - x.mean())])
    assert np.allclose(xc, x - x.mean(), atol=1e-6)
    return found | {
        "ANCOVA_HC2": regression(y, np.column_stack([one, z, x]), 1),
        "Lin2013_interacted_HC2": regression(y, interacted, 1),
        "Lin2013_interacted_HC3": regression(y, interacted, 2),
    }


def test_every_adjustment_with_its_error_and_its_sequences(vectors, users):
    found, want = adjusted(users), vectors["regression_adjustment"]
    assert set(want) == {*found, "CUPED_theta"}
    slope = pooled_slope(a_metric("y", covariates=("x",)), *arms(users, "y", "x"))
    assert want["CUPED_theta"] == pytest.approx(float(slope[0]), rel=EXACT, abs=0)
    for name, numbers in found.items():
        assert numbers == pytest.approx(want[name], rel=EXACT, abs=0), name
    for planned, sequences in vectors["regression_adjusted_asymptotic_cs"].items():
        critical = ConfidenceSequence(float(planned.split("=")[1])).critical(0.05, np.asarray(2000.0), INFINITE)
        assert set(sequences) == set(found)
        for name, (estimate, error) in found.items():
            half = float(critical) * error
            assert sequences[name] == pytest.approx([estimate - half, estimate + half], rel=EXACT, abs=0), name


def test_our_adjustments_are_near_the_regressions_that_need_rows(users):
    found = adjusted(users)
    for ours, theirs in (("CUPED_pooled_theta", "ANCOVA_HC2"), ("AIPW_arm_regression", "Lin2013_interacted_HC2")):
        # Estimates differ by less than a thousandth of an error, errors by order 1 / n.
        assert abs(found[ours][0] - found[theirs][0]) < 2e-3 * found[ours][1]
        assert found[ours][1] == pytest.approx(found[theirs][1], rel=3e-3)


def test_an_unadjusted_ratio(vectors, users):
    found = unadjusted_contrast(a_metric("y", "d", kind="ratio"), *arms(users, "y", "d"))
    assert vectors["ratio_cuped_linearised"]["unadjusted"] == pytest.approx(float(found.difference), rel=EXACT, abs=0)


def test_segments_that_share_no_unit_are_read_together_by_sidaks_level(vectors):
    want, level = vectors["segments"], 1 - 0.95 ** (1 / 3)
    critical = stats.norm.isf(level / 2)
    assert want["sidak_crit"] == pytest.approx(critical, rel=EXACT, abs=0)
    for estimate, error, ends in zip(want["estimate"], want["se"], want["simultaneous_95"], strict=True):
        assert ends == pytest.approx([estimate - critical * error, estimate + critical * error], rel=EXACT, abs=0)
    # A draw of the largest of three: how often it is exceeded is within chance of 5 % in 200,000 draws.
    draws = 200_000
    exceeded = 1 - (1 - 2 * stats.norm.sf(want["maxt_crit_mc"])) ** 3
    assert stats.binomtest(round(exceeded * draws), draws, 0.05).pvalue > 1e-4


def test_a_margin_is_judged_without_the_delta_method(vectors, plain):
    distance, error = plain.against_margin(-0.02)
    want = vectors["non_inferiority_y_margin_-2pct"]
    assert want["z"] == pytest.approx(float(distance / error), rel=EXACT, abs=0)
    assert want["p"] == pytest.approx(stats.norm.sf(float(distance / error)), rel=EXACT, abs=0)


@pytest.mark.parametrize("name", ["q50", "q90"])
def test_clustered_quantiles_whose_rows_are_not_given_are_of_one_piece(vectors, name):
    """The rows behind these are not in the folder; their sums are, in another file. What can be checked:

    the quantiles and the plain error of the share are those of that file; the error with clusters is the plain one times
    the root of the design effect, up to how the quantile bends over a wider interval; and its 2,000 bootstraps agree
    within what two of them differ by, and the twelfth that the method is known to be off by.
    """
    want = vectors["clustered_quantile"][name]
    inputs = json.loads((GOLDEN / "exp_gbstats.json").read_text())["inputs"][f"qcluster{name[1:]}"]
    for k, side in enumerate(("control", "treatment")):
        arm = inputs[side]
        assert want[side] == pytest.approx(arm["quantile_hat"], rel=EXACT, abs=0)
        independent = np.sqrt(arm["nu"] * (1 - arm["nu"]) / arm["n"])
        share = arm["main_sum"] / arm["n"]
        # One indicator variance is of the level itself, the other of the share that lies at or below the quantile.
        assert want["sd_of_indicator_iid"][k] == pytest.approx(independent, rel=2e-3)
        assert share == pytest.approx(arm["nu"], abs=1 / arm["n"])
        widened = (arm["quantile_upper"] - arm["quantile_lower"]) / (2 * Z)
        effect = want["sd_of_indicator_cluster"][k] / want["sd_of_indicator_iid"][k]
        assert want["se_deng_outerCI_clustered"][k] == pytest.approx(widened * effect, rel=0.3)
        bootstrap = want["se_cluster_bootstrap_2000"][k]
        # The error of a standard deviation of 2,000 draws is 1 / root of 4,000 of it.
        assert abs(want["se_deng_outerCI_clustered"][k] / bootstrap - 1) < 0.12 + 4 / np.sqrt(4000)
