"""Our exact confidence sequences against what confseq, gbstats, avlm and Statsig's formula printed."""

import json

import mpmath
import numpy as np
import pytest
from scipy import stats
from shared import GOLDEN, needs_golden

from analysis.inference.intervals import ConfidenceSequence
from analysis.inference.sequences import (
    GammaExponential,
    GammaPoisson,
    OneSidedNormal,
    StudentMixture,
    TwoSidedNormal,
    betting_sequence,
    bound,
    compare_quantiles,
    distribution_radius,
    empirical_bernstein_lower,
    hoeffding_sequence,
    one_sided_critical,
    proportion_sequence,
    quantile_uniform_bound,
    rho_for,
    stitched_bound,
)
from analysis.inference.sequences.mixture import solve

pytestmark = needs_golden
EXACT, INFINITE = 1e-9, np.asarray(np.inf)


@pytest.fixture(scope="module")
def golden() -> dict:
    return json.loads((GOLDEN / "exp_confidence_sequences.json").read_text())


def rows(golden: dict, start: str) -> list[dict]:
    """The rows of the one key that starts so."""
    return next(value for key, value in golden.items() if key.startswith(start))


def boundaries(golden: dict, name: str, count: int, **args: object) -> list[tuple[dict, object]]:
    found = [
        (row["args"], row["value"])
        for row in golden["confseq_boundaries"]
        if row["fn"] == name and all(row["args"][key] == value for key, value in args.items())
    ]
    assert len(found) == count
    return found


def normal(args: dict) -> OneSidedNormal | TwoSidedNormal:
    kind, sides = (OneSidedNormal, 1) if args["is_one_sided"] else (TwoSidedNormal, 2)
    return kind(rho_for(args["v_opt"], args["alpha_opt"], sides=sides))


def test_normal_mixtures_of_one_side_and_of_two(golden):
    for args, value in boundaries(golden, "normal_mixture_bound", 108):
        assert bound(normal(args), args["v"], args["alpha"]) == pytest.approx(value, rel=EXACT, abs=0)
    for args, value in boundaries(golden, "normal_log_mixture", 24):
        assert normal(args).log_e(args["s"], args["v"]) == pytest.approx(value, rel=EXACT, abs=0)


@pytest.mark.parametrize("family", [GammaExponential, GammaPoisson])
def test_gamma_mixtures(golden, family):
    name = {GammaExponential: "gamma_exponential", GammaPoisson: "gamma_poisson"}[family]
    for args, value in boundaries(golden, f"{name}_mixture_bound", 18):
        mixture = family(rho_for(args["v_opt"], args["alpha_opt"], sides=1), args["c"])
        assert bound(mixture, args["v"], args["alpha"]) == pytest.approx(value, rel=EXACT, abs=0)


def test_stitched_bounds(golden):
    for args, value in boundaries(golden, "poly_stitching_bound", 18, s=1.4, eta=2.0):
        ours = stitched_bound(args["v"], args["alpha"], start=args["v_min"], scale=args["c"])
        assert ours == pytest.approx(value, rel=EXACT, abs=0)
    for args, value in boundaries(golden, "double_stitching_bound", 12, s=1.4, eta=2.0):
        quantile, n = args["quantile_p"], args["t"]
        ours = quantile_uniform_bound(quantile, n, args["alpha"], start=args["t_opt"], step=args["delta"])
        assert ours == pytest.approx(value, rel=EXACT, abs=0)


def test_sequence_of_a_proportion(golden):
    for args, value in boundaries(golden, "bernoulli_confidence_interval", 4, alpha_opt=0.05):
        k, n = args["num_successes"], args["num_trials"]
        ours = proportion_sequence(k, n, args["alpha"], planned_trials=args["t_opt"])
        assert [float(end) for end in ours] == pytest.approx(value, rel=EXACT, abs=0)


def test_band_around_the_empirical_distribution(golden):
    for args, value in boundaries(golden, "empirical_process_lil_bound", 4):
        ours = distribution_radius(args["t"], args["alpha"], start=args["t_min"], leading=args["A"])
        assert ours == pytest.approx(value, rel=EXACT, abs=0)


def test_every_boundary_of_the_peer_is_asked(golden):
    asked = {"normal_mixture_bound": 108, "normal_log_mixture": 24, "gamma_exponential_mixture_bound": 18}
    asked |= {"gamma_poisson_mixture_bound": 18, "poly_stitching_bound": 18, "double_stitching_bound": 12}
    asked |= {"bernoulli_confidence_interval": 4, "empirical_process_lil_bound": 4}
    names = [row["fn"] for row in golden["confseq_boundaries"]]
    assert {name: names.count(name) for name in names} == asked


def test_p_values_of_equal_quantiles(golden):
    data = np.genfromtxt(GOLDEN / "exp_quantile_ab.csv", delimiter=",", names=True)
    cases = rows(golden, "confseq_quantile_ab")
    assert len(cases) == 8
    for case in cases:
        n = case["n_per_arm"]
        p = compare_quantiles(
            data["a"][:n], data["b"][:n], case["quantile"], planned=case["t_opt"], alpha=case["alpha_opt"]
        )
        assert p == pytest.approx(case["p_value"], rel=EXACT, abs=0)


def test_sequences_of_a_bounded_mean(golden):
    values = np.genfromtxt(GOLDEN / "exp_bounded_mean.csv", skip_header=1)
    cases = rows(golden, "confseq_bounded_mean")
    assert len(cases) == 4
    for case in cases:
        last = case["n"] - 1
        ours = [end[last] for end in hoeffding_sequence(values)]
        assert ours == pytest.approx(case["predmix_hoeffding_cs"], rel=EXACT, abs=0)
        # The peer guesses each value by the plain mean of those before, and the first by 0 on both sides.
        lower, upper = (
            empirical_bernstein_lower(side, 0.025, predictions=means_before(side))[last]
            for side in (values, 1 - values)
        )
        assert [lower, 1 - upper] == pytest.approx(case["predmix_empbern_twosided_cs"], rel=EXACT, abs=0)
        # The peer searches a grid of 1,000 candidates and steps out by one; ours are the ends themselves.
        low, high = betting_sequence(values, looks=np.array([case["n"]]))
        grid = [(np.ceil(1000 * low[0]) - 1) / 1000, (np.floor(1000 * high[0]) + 1) / 1000]
        assert grid == pytest.approx(case["betting_cs(breaks=1000)"], rel=EXACT, abs=0)


def means_before(values: np.ndarray) -> np.ndarray:
    return np.append(0.0, np.cumsum(values)[:-1] / np.arange(1, len(values)))


def test_effect_rows_whose_units_are_not_given_are_of_one_piece(golden):
    """The units of these rows are not in the folder. What can be checked: each half-width is the bound of some
    variance process, and the printed p-value is that of the estimate and that variance; where the ends are cut off at
    the range, the p-value gives the variance, and its bound must reach beyond the range.
    """
    cases = rows(golden, "confseq_ate_demo_tail")
    assert [case["t"] for case in cases] == [10, 100, 500, 1000]
    mixture = GammaExponential(rho_for(50 * 0.16 * 4, 0.025, sides=1), 4.0)
    for case in cases:
        n, walk = case["t"], case["t"] * case["point_estimate"]
        half = (case["upper_confidence_bound"] - case["lower_confidence_bound"]) / 2
        if half < 1:
            assert case["upper_confidence_bound"] - half == pytest.approx(case["point_estimate"], rel=EXACT, abs=0)
            variance = solve(lambda v, h=half, n=n: bound(mixture, v, 0.025) - h * n, np.array(1.0), np.array(1e6))
            p = np.exp(-np.maximum(mixture.log_e(walk, variance), 0))
            # The half-width has lost digits to the ends' size, which a bound in the variance gives back manyfold.
            assert p == pytest.approx(case["p_value"], rel=1e-9)
        else:
            wanted = -np.log(case["p_value"])
            variance = solve(lambda v, s=walk, w=wanted: mixture.log_e(s, v) - w, np.array(1.0), np.array(1e4))
            assert bound(mixture, variance, 0.025) / n > 1 - case["point_estimate"]


def test_one_sided_sequence_in_closed_form(golden):
    cases = golden["asymptotic_cs_two_sided"]
    assert len(cases) == 54
    for case in cases:
        n = float(case["n"])
        closed = one_sided_critical(n, case["alpha"], case["n_star"], closed=True)
        assert closed / np.sqrt(n) == pytest.approx(case["gbstats_one_sided_halfwidth_sd1"], rel=EXACT, abs=0)
        # The mixture's own bound is what confseq prints, and never wider.
        assert one_sided_critical(n, case["alpha"], case["n_star"]) <= closed


def test_ratios_and_parameters_that_are_printed_beside_the_critical_values(golden):
    for case in golden["asymptotic_cs_two_sided"]:
        rule = ConfidenceSequence(case["n_star"], case["alpha"])
        critical = rule.critical(case["alpha"], np.asarray(float(case["n"])), INFINITE)
        fixed = stats.norm.isf(case["alpha"] / 2)
        assert fixed == pytest.approx(case["z_fixed"], rel=EXACT, abs=0)
        assert critical / fixed == pytest.approx(case["width_ratio_vs_fixed"], rel=EXACT, abs=0)
        assert critical / np.sqrt(case["n"]) == pytest.approx(case["gbstats_two_sided_halfwidth_sd1"], rel=EXACT, abs=0)
        assert 1 / rule.rho_squared == pytest.approx(case["eppo_rho"], rel=EXACT, abs=0)
    for case in golden["msprt_johari"]:
        information = case["tau2"] / case["se"] ** 2
        log_e = TwoSidedNormal(1.0).log_e(case["estimate"] / case["se"] * np.sqrt(information), information)
        assert np.exp(log_e) == pytest.approx(case["likelihood_ratio"], rel=EXACT, abs=0)
    for case in golden["avlm_vs_gbstats"]:
        rule = ConfidenceSequence(case["n_star"], case["alpha"])
        assert 1 / rule.rho_squared == pytest.approx(case["g"], rel=EXACT, abs=0)
        critical = rule.critical(case["alpha"], np.asarray(float(case["n"])), INFINITE)
        assert critical == pytest.approx(case["gbstats_crit"], rel=EXACT, abs=0)


def test_statsigs_documented_critical_value_is_our_sequence_at_half_the_level_with_information_that_stands_still(
    golden,
):
    """Its mixing variance is 2 z^2 s (1 - s) of the estimate's own variance, whatever n is: so the value is constant."""
    assert len(golden["statsig_documented_Z_star"]) == 12
    for case in golden["statsig_documented_Z_star"]:
        alpha, share, z = case["alpha"], case["treat_share"], stats.norm.isf(case["alpha"] / 2)
        rule = ConfidenceSequence(1.0)
        information = 2 * z**2 * share * (1 - share)
        critical = rule.critical(alpha / 2, np.asarray(information / rule.rho_squared), INFINITE)
        assert critical == pytest.approx(case["Z_star"], rel=EXACT, abs=0)
        assert critical / z == pytest.approx(case["ratio_to_z"], rel=EXACT, abs=0)
        # The peer takes the tail as a difference from 1, which leaves 1e-16 of about 1e-7.
        fixed = 2 * stats.norm.sf(float(critical))
        assert fixed == pytest.approx(case["equivalent_two_sided_fixed_alpha"], rel=EXACT, abs=2.3e-16)


@pytest.fixture(scope="module")
def users() -> np.ndarray:
    return np.genfromtxt(GOLDEN / "exp_users_small.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")


def test_regressions_that_may_be_read_at_any_time(golden, users):
    cases = golden["avlm_on_exp_users_small"]
    assert len(cases) == 24
    y, z, x, xc = (users[name].astype(float) for name in ("y", "z", "x", "xc"))
    designs = {"y ~ z": [z], "y ~ z + x": [z, x], "y ~ z*xc": [z, xc, z * xc]}
    for case in cases:
        design = np.column_stack([np.ones(len(y)), *designs[case["formula"]]])
        estimate, error, classical = regression(y, design, case["vcov"])
        n, k, mixture = float(len(y)), design.shape[1], StudentMixture(case["g"])
        assert [estimate, error, estimate / error] == pytest.approx(
            [case["estimate"], case["se"], case["t"]], rel=EXACT, abs=0
        )
        assert mixture.p_value(estimate / error, n, k) == pytest.approx(case["p_av"], rel=EXACT, abs=0)
        half = mixture.critical(n, k, 0.05) * error
        assert [estimate - half, estimate + half] == pytest.approx(case["ci"], rel=EXACT, abs=0)
        fixed = 2 * stats.t.sf(abs(estimate / classical), n - k)
        assert fixed == pytest.approx(case["p_fixed_ols"], rel=EXACT, abs=0)


def regression(y: np.ndarray, design: np.ndarray, kind: str) -> tuple[float, float, float]:
    """Coefficient of the second column, its error of one kind, and its classical one."""
    inverse = np.linalg.inv(design.T @ design)
    rest = y - design @ (inverse @ (design.T @ y))
    n, k = design.shape
    lever = np.einsum("ij,jk,ik->i", design, inverse, design)
    weight = {"HC0": 1.0, "HC1": n / (n - k), "HC2": 1 / (1 - lever), "HC3": 1 / (1 - lever) ** 2}
    classical = inverse * np.sum(rest**2) / (n - k)
    robust = classical if kind == "classical" else inverse @ (design.T * (rest**2 * weight[kind])) @ design @ inverse
    return (inverse @ (design.T @ y))[1], float(np.sqrt(robust[1, 1])), float(np.sqrt(classical[1, 1]))


def test_the_weight_that_makes_a_t_mixture_narrowest_is_ours_and_the_peer_ends_its_search_early(golden):
    """The peer's search stops 3e-6 of g beside the minimum; forty-digit arithmetic says that ours is the minimum."""
    cases = {(int(key[1:].split("_")[0]), int(key.split("_k")[1][0])): g for key, g in golden["avlm_optimal_g"].items()}
    assert sorted(cases) == [(10_000, 2), (10_000, 4), (100_000, 2)]
    with mpmath.workdps(40):
        for (n, k), theirs in cases.items():
            ours = StudentMixture.tuned(n, k, 0.05).g

            def square(g, n=n, dof=n - k):
                r = g / (g + n)
                w = (r * mpmath.mpf("0.05") ** 2) ** (mpmath.mpf(1) / (dof + 1))
                return (1 - w) / (w - r)

            exact = mpmath.findroot(lambda g, f=square: mpmath.diff(f, g), theirs)
            assert ours == pytest.approx(float(exact), rel=EXACT, abs=0)
            assert 1e-7 < theirs / ours - 1 < 3e-6
