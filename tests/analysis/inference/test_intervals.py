import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from shared import GOLDEN, needs_golden

from analysis.inference.intervals import ConfidenceSequence, FixedHorizon, fieller

INFINITE = np.asarray(np.inf)


def golden(name: str) -> dict:
    return json.loads((GOLDEN / name).read_text())


@needs_golden
def test_confidence_sequence_agrees_with_three_peers():
    cases = golden("exp_confidence_sequences.json")["asymptotic_cs_two_sided"]
    assert len(cases) == 54
    for case in cases:
        rule = ConfidenceSequence(case["n_star"], case["alpha"])
        critical = rule.critical(case["alpha"], np.asarray(float(case["n"])), INFINITE)
        for peer in ("critical_value_in_se", "eppo_B", "confseq_normal_mixture_bound_over_sqrt_v"):
            assert case[peer] is None or critical == pytest.approx(case[peer], rel=1e-9)


@needs_golden
def test_confidence_sequence_is_the_normal_mixture_of_every_peer():
    """Bounds and log e-values of confseq, the p-values of Johari's mixture test, and avlm's radius."""
    found = golden("exp_confidence_sequences.json")
    bounds, mixtures = (
        [case for case in found["confseq_boundaries"] if case["fn"] == fn and not case["args"]["is_one_sided"]]
        for fn in ("normal_mixture_bound", "normal_log_mixture")
    )
    assert (len(bounds), len(mixtures), len(found["msprt_johari"])) == (54, 12, 18)
    for case in bounds:
        given, v = case["args"], np.asarray(case["args"]["v"])
        critical = ConfidenceSequence(given["v_opt"], given["alpha_opt"]).critical(given["alpha"], v, INFINITE)
        assert critical * np.sqrt(v) == pytest.approx(case["value"], rel=1e-9)
    for case in mixtures:
        given, v = case["args"], np.asarray(case["args"]["v"])
        p = ConfidenceSequence(given["v_opt"], given["alpha_opt"]).p_value(given["s"] / np.sqrt(v), v, INFINITE)
        assert p == pytest.approx(min(1.0, np.exp(-case["value"])), rel=1e-9)
    for case in found["msprt_johari"]:
        # Its variance of effects, in squared standard errors, is the information times rho squared.
        rule = ConfidenceSequence(1.0)
        n = np.asarray(case["tau2"] / case["se"] ** 2 / rule.rho_squared)
        p = rule.p_value(np.asarray(case["estimate"] / case["se"]), n, INFINITE)
        assert p == pytest.approx(case["p_always_valid"], rel=1e-9)
        half = rule.critical(0.05, n, INFINITE) * case["se"]
        assert half == pytest.approx(case["ci_halfwidth_95"], rel=1e-9)
    for case in found["avlm_vs_gbstats"]:
        rule = ConfidenceSequence(case["n_star"], case["alpha"])
        critical = rule.critical(case["alpha"], np.asarray(float(case["n"])), INFINITE)
        assert critical == pytest.approx(case["avlm_z_radius"], rel=1e-9)


@needs_golden
def test_confidence_sequence_keeps_the_tuning_of_published_boundaries():
    rows = golden("exp_operating_characteristics.json")["boundaries"]["asymptotic CS N*=N_max=100k"]
    n = np.arange(1, 29) * 100_000 / 28
    np.testing.assert_allclose(ConfidenceSequence(100_000).critical(0.05, n, INFINITE), rows, rtol=1e-9)


@needs_golden
def test_fixed_interval_leaves_out_zero_exactly_when_its_p_value_says_so():
    """Cases in which a peer's relative interval and p-value disagree; ours must not."""
    for case in golden("exp_edge_cases.json")["tea_tasting_p_vs_relative_ci"]:
        error = (case["abs_ci"][1] - case["abs_ci"][0]) / 2 / stats.t.ppf(0.975, 2 * case["n"] - 2)
        z, n = (case["treat_mean"] - case["control_mean"]) / error, np.asarray(2.0 * case["n"])
        dof = np.asarray(2.0 * case["n"] - 2)
        critical = FixedHorizon().critical(0.05, n, dof)
        covariance = np.diag([error**2 / 2, error**2 / 2])
        lower, upper = fieller(np.asarray(case["control_mean"]), np.asarray(case["treat_mean"]), covariance, critical)
        assert FixedHorizon().p_value(np.asarray(z), n, dof) < 0.05
        assert lower > 0 or upper < 0


positive = st.floats(0.01, 10)


@given(st.floats(-50, 50).filter(lambda m: abs(m) > 0.1), st.floats(-50, 50), positive, positive, st.floats(1.5, 4))
def test_fieller_excludes_zero_exactly_when_the_difference_does(control, treatment, se_c, se_t, critical):
    lower, upper = fieller(
        np.asarray(control), np.asarray(treatment), np.diag([se_c**2, se_t**2]), np.asarray(critical)
    )
    if np.isnan(lower):
        assert critical * se_c >= abs(control)
        return
    z = (treatment - control) / np.hypot(se_c, se_t)
    if abs(abs(z) - critical) > 1e-9:
        assert (lower > 0 or upper < 0) == (abs(z) > critical)
    assert lower <= (treatment - control) / abs(control) <= upper


@given(st.floats(-30, 30), st.floats(1e3, 1e7), st.sampled_from([0.01, 0.05, 0.1]))
def test_p_value_and_interval_of_a_sequence_are_one_statement(z, n, alpha):
    rule = ConfidenceSequence(50_000, 0.05)
    p, critical = rule.p_value(np.asarray(z), np.asarray(n), INFINITE), rule.critical(alpha, np.asarray(n), INFINITE)
    if abs(abs(z) - critical) > 1e-9:
        assert (p < alpha) == (abs(z) > critical)


def test_fieller_covers_the_true_lift():
    rng = np.random.default_rng(5)
    control, treatment = rng.normal(10, 1.5, 20_000), rng.normal(11, 1, 20_000)
    covariance = np.broadcast_to(np.diag([1.5**2, 1.0]), (20_000, 2, 2))
    lower, upper = fieller(control, treatment, covariance, np.full(20_000, stats.norm.ppf(0.975)))
    misses = int(np.sum((lower > 0.1) | (upper < 0.1)))
    assert stats.binomtest(misses, 20_000, 0.05).pvalue > 1e-4


def test_p_value_of_a_huge_effect_is_small_but_not_zero():
    assert 0 < FixedHorizon().p_value(np.asarray(30.0), np.asarray(1e6), INFINITE) < 1e-190
