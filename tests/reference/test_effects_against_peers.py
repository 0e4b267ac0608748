"""Our effects against numbers that other programs printed."""

import json

import numpy as np
import pytest
from builders import a_metric, moments_of
from shared import GOLDEN, needs_golden

from analysis.effects import lin_contrast, pooled_contrast, pooled_slope, unadjusted_contrast
from analysis.inference.intervals import ConfidenceSequence, FixedHorizon, fieller
from analysis.metrics import Metric
from analysis.moments import Moments
from analysis.variables import Variable

pytestmark = needs_golden
INFINITE = np.asarray(np.inf)


def columns(name: str) -> np.ndarray:
    return np.genfromtxt(GOLDEN / name, delimiter=",", names=True, dtype=None, encoding="utf-8")


def arms(data: np.ndarray, which: str, *names: str) -> tuple[Moments, Moments]:
    return tuple(moments_of(**{name: data[name][data[which] == arm] for name in names}) for arm in (0, 1))


@pytest.fixture(scope="module")
def small():
    return columns("exp_users_small.csv"), json.loads((GOLDEN / "exp_reference_methods.json").read_text())["vectors"]


def test_fieller_interval_of_a_lift(small):
    data, want = small
    plain = unadjusted_contrast(a_metric("y"), *arms(data, "z", "y"))
    critical = FixedHorizon().critical(0.05, INFINITE, INFINITE)
    ends = fieller(plain.control, plain.treatment, plain.covariance, critical)
    np.testing.assert_allclose(ends, want["relative_lift_y"]["fieller_95"], rtol=1e-9)


@pytest.mark.parametrize("vector", ["CUPED_pooled_theta", "AIPW_arm_regression"])
def test_adjusted_effect_its_error_and_its_sequence(small, vector):
    data, want = small
    metric, both = a_metric("y", covariates=("x",)), arms(data, "z", "y", "x")
    adjusted = pooled_contrast(metric, *both) if vector == "CUPED_pooled_theta" else lin_contrast(metric, *both, 0.5)
    assert [adjusted.difference, adjusted.standard_error] == pytest.approx(
        want["regression_adjustment"][vector], rel=1e-9
    )
    for planned in (1000, 5000):
        half = ConfidenceSequence(planned).critical(0.05, np.asarray(2000.0), INFINITE) * adjusted.standard_error
        ends = want["regression_adjusted_asymptotic_cs"][f"N*={planned}"][vector]
        assert [adjusted.difference - half, adjusted.difference + half] == pytest.approx(ends, rel=1e-9)


def test_lin_estimate_is_that_of_the_interacted_regression_and_its_error_is_near_hc2(small):
    data, want = small
    adjusted = lin_contrast(a_metric("y", covariates=("x",)), *arms(data, "z", "y", "x"), 0.5)
    estimate, hc2 = want["regression_adjustment"]["Lin2013_interacted_HC2"]
    assert adjusted.difference == pytest.approx(estimate, rel=1e-9)
    # HC2 needs each unit's leverage; the influence function differs from it by order 1/n, here 0.12 %.
    assert adjusted.standard_error == pytest.approx(hc2, rel=2e-3)


def test_pooled_slope(small):
    data, want = small
    adjusted = pooled_contrast(a_metric("y", covariates=("x",)), *arms(data, "z", "y", "x"))
    assert adjusted.slopes[0, 0] == pytest.approx(want["regression_adjustment"]["CUPED_theta"], rel=1e-9)


def test_adjusted_ratio_by_linearisation(small):
    data, want = small
    metric = a_metric("y", "d", kind="ratio", covariates=(("x", "xd"),))
    adjusted = pooled_contrast(metric, *arms(data, "z", "y", "d", "x", "xd"))
    want = want["ratio_cuped_linearised"]
    assert adjusted.difference == pytest.approx(want["abs_effect"], rel=1e-9)
    assert adjusted.standard_error == pytest.approx(want["se"], rel=1e-9)
    assert adjusted.slopes[0, 0] == pytest.approx(want["theta"], rel=1e-9)
    half = ConfidenceSequence(5000).critical(0.05, np.asarray(2000.0), INFINITE) * adjusted.standard_error
    assert [adjusted.difference - half, adjusted.difference + half] == pytest.approx(
        want["asymptotic_cs_N5000"], rel=1e-9
    )


def test_segments_share_the_slope_of_all_units_and_keep_their_sequences(small):
    data, want = small
    want, metric = want["segments"], a_metric("y", covariates=("x",))
    slope = pooled_slope(metric, *arms(data, "z", "y", "x"))
    for k, segment in enumerate(want["segments"]):
        adjusted = pooled_contrast(metric, *arms(data[data["segment"] == segment], "z", "y", "x"), slope)
        assert [adjusted.difference, adjusted.standard_error] == pytest.approx(
            [want["estimate"][k], want["se"][k]], rel=1e-9
        )
        n = adjusted.n_control + adjusted.n_treatment
        half = ConfidenceSequence(5000, 0.05 / 3).critical(0.05 / 3, n, INFINITE) * adjusted.standard_error
        ends = want["cs_each_at_alpha_over_K_N5000"][k]
        assert [adjusted.difference - half, adjusted.difference + half] == pytest.approx(ends, rel=1e-9)


def test_mean_and_ratio_agree_with_tea_tasting():
    data = columns("exp_tt_users.csv")
    want = json.loads((GOLDEN / "exp_tea_tasting.json").read_text())["outputs_1_14_0"]
    ratio = {"kind": "ratio"}
    per_session = (("orders_covariate", "sessions_covariate"),)
    revenue_per_session = (("revenue_covariate", "sessions_covariate"),)
    cases = {
        "orders|{}": a_metric("orders"),
        "revenue|{}": a_metric("revenue"),
        "sessions|{}": a_metric("sessions"),
        "ops|{}": a_metric("orders", "sessions", **ratio),
        "orders_cuped|{}": a_metric("orders", covariates=("orders_covariate",)),
        "revenue_cuped|{}": a_metric("revenue", covariates=("revenue_covariate",)),
        "ops_cuped|{}": a_metric("orders", "sessions", covariates=per_session, **ratio),
        "rps_cuped|{}": a_metric("revenue", "sessions", covariates=revenue_per_session, **ratio),
    }
    for name, metric in cases.items():
        effect(metric, data, want[name])


def effect(metric: Metric, data: np.ndarray, want: dict) -> None:
    both = arms(data, "variant", *dict.fromkeys(str(v.value) for v in metric.variables))
    found = pooled_contrast(metric, *both) if metric.covariates else unadjusted_contrast(metric, *both)
    n = found.n_control + found.n_treatment
    half = FixedHorizon().critical(0.05, n, found.dof) * found.standard_error
    p = FixedHorizon().p_value(found.difference / found.standard_error, n, found.dof)
    got = [found.difference, found.difference - half, found.difference + half, p]
    keys = ("effect_size", "effect_size_ci_lower", "effect_size_ci_upper", "pvalue")
    assert got == pytest.approx([want[key] for key in keys], rel=1e-9)


def test_proportion_agrees_with_tea_tastings_pooled_test_but_for_the_pooling():
    data = columns("exp_tt_users.csv")
    found = unadjusted_contrast(a_metric("converted", kind="proportion"), *arms(data, "variant", "converted"))
    want = json.loads((GOLDEN / "exp_tea_tasting.json").read_text())["outputs_1_14_0"]["prop|{}"]
    assert [found.control, found.treatment] == pytest.approx([want["control"], want["treatment"]], rel=1e-9)


GBSTATS = {
    "mean": ("mean", 1, 0),
    "neg_mean": ("mean", 1, 0),
    "prop": ("proportion", 1, 0),
    "ratio": ("ratio", 2, 0),
    "cuped": ("mean", 1, 1),
}


@pytest.mark.parametrize("name", GBSTATS)
@pytest.mark.parametrize("test", ["two_sided_t", "sequential_two_sided_N5000", "sequential_two_sided_N1000"])
def test_absolute_effects_agree_with_gbstats(name, test):
    golden = json.loads((GOLDEN / "exp_gbstats.json").read_text())
    kind, outcomes, covariates = GBSTATS[name]
    names = [f"v{k}" for k in range(outcomes + covariates)]
    metric = a_metric(*names[:outcomes], kind=kind, covariates=tuple(names[outcomes:]))
    both = [from_sums(golden["inputs"][name][arm], names) for arm in ("control", "treatment")]
    found = pooled_contrast(metric, *both) if covariates else unadjusted_contrast(metric, *both)
    want = next(
        o for o in golden["outputs_head"] if (o["metric"], o["difference_type"], o["test"]) == (name, "absolute", test)
    )
    assert [found.difference, found.standard_error] == pytest.approx([want["expected"], want["se"]], rel=1e-9)
    if name == "prop" and test == "two_sided_t":
        return  # gbstats reads a proportion against t; ours uses z.
    rule = FixedHorizon() if test == "two_sided_t" else ConfidenceSequence(int(test.rsplit("N", 1)[1]))
    n = found.n_control + found.n_treatment
    half = rule.critical(0.05, n, found.dof) * found.standard_error
    assert [found.difference - half, found.difference + half] == pytest.approx(want["ci"], rel=1e-9)
    assert rule.p_value(found.difference / found.standard_error, n, found.dof) == pytest.approx(
        want["pValue"], rel=1e-9
    )


def from_sums(arm: dict, names: list[str]) -> Moments:
    """Moments from the raw sums that gbstats takes."""
    if "m_statistic" in arm:
        parts, cross = [arm["m_statistic"], arm["d_statistic"]], arm["m_d_sum_of_products"]
    elif "post_statistic" in arm:
        parts, cross = [arm["post_statistic"], arm["pre_statistic"]], arm["post_pre_sum_of_products"]
    else:
        parts, cross = [arm], 0.0
    sums = np.array([part["sum"] for part in parts])
    raw = np.full((len(parts), len(parts)), cross)
    np.fill_diagonal(raw, [part.get("sum_squares", part["sum"]) for part in parts])
    n = float(arm["n"])
    return Moments(tuple(map(Variable, names)), np.asarray(n), sums / n, raw - np.outer(sums, sums) / n)
