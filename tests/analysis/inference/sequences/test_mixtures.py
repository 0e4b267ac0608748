"""Mixture bounds, and what rests on them alone: against integrals of many digits, and their level by simulation."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.inference.sequences import (
    BetaBinomial,
    GammaExponential,
    GammaPoisson,
    OneSidedNormal,
    StudentMixture,
    TwoSidedNormal,
    bound,
    one_sided_critical,
    one_sided_p_value,
    proportion_sequence,
    rate_sequence,
    rho_for,
    stitched_bound,
)
from analysis.inference.sequences.mixture import excess, stirling
from tests.analysis.inference.sequences.level import ALPHA, RUNS, keeps_its_level


def density(mixture: object, slope: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Prior density of a slope, up to a constant, and psi of it, as the paper defines each family."""
    rho = mpmath.mpf(mixture.rho)
    if isinstance(mixture, OneSidedNormal | TwoSidedNormal):
        return mpmath.exp(-rho * slope**2 / 2), slope**2 / 2
    c = mpmath.mpf(mixture.scale)
    if isinstance(mixture, GammaExponential):
        psi = (-mpmath.log(1 - c * slope) - c * slope) / c**2
        return (1 - c * slope) ** (rho / c**2 - 1) * mpmath.exp(-rho * (1 - c * slope) / c**2), psi
    return mpmath.exp(-rho * mpmath.exp(c * slope) / c**2 + rho * slope / c), (
        mpmath.expm1(c * slope) - c * slope
    ) / c**2


@pytest.mark.parametrize("walk", [-15.0, 0.0, 20.0, 45.0])
@pytest.mark.parametrize(
    "mixture",
    [
        OneSidedNormal(30.0),
        TwoSidedNormal(30.0),
        GammaExponential(30.0, 1.0),
        GammaExponential(30.0, 3.0),
        GammaPoisson(30.0, 1.0),
        GammaPoisson(30.0, 0.3),
    ],
)
def test_a_mixture_is_the_integral_over_slopes_that_it_claims_to_be(mixture, walk):
    variance = 100.0
    two_sided, ends = isinstance(mixture, TwoSidedNormal), [k / 8 for k in range(33)]
    if isinstance(mixture, GammaExponential):
        ends = [0, 0.3 / mixture.scale, 0.7 / mixture.scale, 1 / mixture.scale]
    if two_sided:
        ends = [-3, -1, 0, 1, 3]
    with mpmath.workdps(25):
        weight = mpmath.quad(lambda l: density(mixture, l)[0], ends)
        whole = mpmath.quad(
            lambda l: density(mixture, l)[0] * mpmath.exp(l * walk - density(mixture, l)[1] * variance), ends
        )
        exact = float(mpmath.log(whole / weight))
    assert float(mixture.log_e(walk, variance)) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("sides", [1, 2])
def test_the_beta_binomial_mixture_is_the_integral_over_chances(sides):
    p, prior, k, n = 0.2, 5.0, 33, 100
    mixture = BetaBinomial(prior, p, 1 - p, sides)
    a, b = prior / (1 - p), prior / p
    with mpmath.workdps(25):
        start = mpmath.mpf(p) if sides == 1 else mpmath.mpf(0)

        def prior_of(q):
            return q ** (a - 1) * (1 - q) ** (b - 1)

        def ratio(q):
            return (q / p) ** k * ((1 - q) / (1 - p)) ** (n - k)

        points = [start, 0.3, 0.6, 1]
        exact = mpmath.quad(lambda q: prior_of(q) * ratio(q), points) / mpmath.quad(prior_of, points)
    assert float(mixture.log_e(k - p * n, p * (1 - p) * n)) == pytest.approx(float(mpmath.log(exact)), abs=1e-9)


@given(st.floats(0.5, 1e7), st.floats(0.001, 0.4), st.floats(1, 1e6))
@settings(max_examples=60, deadline=None)
def test_a_bound_is_where_the_e_value_is_one_over_alpha(variance, alpha, planned):
    rho = rho_for(planned, 0.05, sides=1)
    for mixture in (OneSidedNormal(rho), GammaExponential(rho, 2.0), GammaPoisson(rho, 2.0)):
        curve = bound(mixture, variance, alpha)
        assert mixture.log_e(curve, variance) == pytest.approx(-np.log(alpha), rel=1e-8)


@given(st.floats(1, 1e6), st.floats(1, 1e6), st.floats(0.001, 0.3))
@settings(max_examples=25, deadline=None)
def test_one_sided_ends_and_p_values_are_one_statement(n, planned, alpha):
    critical = float(one_sided_critical(n, alpha, planned))
    assert float(one_sided_p_value(critical, n, planned, alpha=alpha)) == pytest.approx(alpha, rel=1e-7)
    closed = float(one_sided_critical(n, alpha, planned, closed=True))
    assert float(one_sided_p_value(closed, n, planned, alpha=alpha, closed=True)) == pytest.approx(alpha, rel=1e-7)
    two = float(bound(TwoSidedNormal(rho_for(planned, alpha, sides=1)), n, 2 * alpha)) / np.sqrt(n)
    assert two * (1 - 1e-12) <= critical <= closed * (1 + 1e-12)


def test_one_sided_mixture_keeps_its_level_at_every_step():
    walks = np.cumsum(np.random.default_rng(1).normal(size=(RUNS, 3000)), axis=1)
    n = np.arange(1.0, 3001)
    keeps_its_level(int((walks / np.sqrt(n) > one_sided_critical(n, ALPHA, 500)).any(axis=1).sum()))
    curve = stitched_bound(n, ALPHA, start=10)
    keeps_its_level(int((walks > curve).any(axis=1).sum()))


def test_gamma_exponential_bound_keeps_its_level_for_skewed_steps():
    """Exponential steps less their mean are sub-exponential with scale 1 and variance process n."""
    walks = np.cumsum(np.random.default_rng(2).exponential(size=(RUNS, 2000)) - 1, axis=1)
    curve = bound(GammaExponential(rho_for(300, ALPHA, sides=1), 1.0), np.arange(1.0, 2001), ALPHA)
    missed = int((walks > curve).any(axis=1).sum())
    keeps_its_level(missed)
    assert missed > 0


@pytest.mark.parametrize("rate", [0.02, 1.0])
def test_a_rate_is_covered_at_every_look(rate):
    counts = np.cumsum(np.random.default_rng(3).poisson(rate * 20, size=(RUNS, 60)), axis=1)
    exposure = np.arange(1.0, 61) * 20
    misses = 0
    for row in counts:
        lower, upper = rate_sequence(row, exposure, ALPHA, planned_count=300 * rate)
        misses += bool(((lower > rate) | (upper < rate)).any())
        assert (lower <= row / exposure).all() and (row / exposure <= upper).all()
    keeps_its_level(misses)


def test_a_rate_without_any_event_has_zero_as_its_lower_end_and_a_finite_upper_end():
    lower, upper = rate_sequence(np.array([0.0]), np.array([50.0]), planned_count=10)
    assert lower[0] == 0
    assert 3 / 50 < upper[0] < 1


@pytest.mark.parametrize("p", [0.01, 0.5])
def test_a_proportion_is_covered_after_every_trial(p):
    hits = np.cumsum(np.random.default_rng(4).random((RUNS, 1500)) < p, axis=1)
    n = np.arange(1, 1501)
    mixture = BetaBinomial.tuned(400 * p * (1 - p), ALPHA, below=p, above=1 - p)
    outside = mixture.log_e(hits - p * n, p * (1 - p) * n) > -np.log(ALPHA)
    keeps_its_level(int(outside.any(axis=1).sum()))
    looks = np.array([10, 100, 1500])
    for row in hits[:20]:
        lower, upper = proportion_sequence(row[looks - 1], looks, ALPHA, planned_trials=400)
        np.testing.assert_array_equal((lower > p) | (upper < p), mixture.log_e(row[looks - 1] - p * looks, p * (1 - p) * looks) > -np.log(ALPHA))  # fmt: skip


def test_a_proportion_of_none_and_of_all_ends_at_the_edge():
    lower, upper = proportion_sequence(np.array([0, 40]), np.array([40, 40]), planned_trials=100)
    assert lower[0] == 0 and upper[1] == 1
    assert 0 < upper[0] < 0.3 and lower[1] == pytest.approx(1 - upper[0], abs=1e-12)


@pytest.mark.parametrize("planned", [1.0, 1e3, 1e6])
def test_ends_of_proportions_and_rates_are_numbers_around_the_share_seen_for_any_number_of_trials(planned):
    n = np.unique(np.geomspace(1, 1e8, 60).astype(int))
    for share in (0, 1e-6, 0.001, 0.3, 0.999, 1):
        k = np.rint(n * share)
        for lower, upper in (
            proportion_sequence(k, n, planned_trials=planned),
            rate_sequence(k, n, planned_count=planned),
        ):
            assert (lower <= k / n * (1 + 1e-12)).all() and (upper >= k / n * (1 - 1e-12)).all()
            assert (lower >= 0).all() and (np.diff(upper) <= 1e-9).any() and np.isfinite(upper).all()


@pytest.mark.parametrize("n", [20, 400])
def test_the_t_mixture_keeps_its_level_from_few_units_on(n):
    rng, misses = np.random.default_rng(19), 0
    looks = np.arange(4, n + 1)
    mixture = StudentMixture.tuned(n, 2, ALPHA)
    for _ in range(RUNS):
        values, z = rng.normal(size=n), np.arange(n) % 2
        one, zero = z[None] * (np.arange(n) < looks[:, None]), (1 - z)[None] * (np.arange(n) < looks[:, None])
        means = [(w @ values) / w.sum(axis=1) for w in (zero, one)]
        rest = (np.arange(n) < looks[:, None]) @ values**2 - sum(
            w.sum(axis=1) * m**2 for w, m in zip((zero, one), means, strict=True)
        )
        error = np.sqrt(rest / (looks - 2) * (1 / zero.sum(axis=1) + 1 / one.sum(axis=1)))
        misses += bool((np.abs(means[1] - means[0]) / error > mixture.critical(looks, 2, ALPHA)).any())
    keeps_its_level(misses)


def test_the_t_mixture_becomes_the_normal_one():
    g, n = 800.0, 1e7
    normal = float(bound(TwoSidedNormal(g), n, 0.05)) / np.sqrt(n)
    assert float(StudentMixture(g).critical(n, 2, 0.05)) == pytest.approx(normal, rel=1e-5)
    t = 3.0
    assert float(StudentMixture(g).p_value(t, n, 2)) == pytest.approx(
        float(np.exp(-max(float(TwoSidedNormal(g).log_e(t * np.sqrt(n), n)), 0))), rel=1e-5
    )


def test_the_tuned_t_mixture_is_narrower_than_its_neighbours():
    for n, k in ((50, 2), (1000, 4), (100_000, 2)):
        best = StudentMixture.tuned(n, k, 0.05)
        width = float(best.critical(n, k, 0.05))
        for factor in (0.8, 0.99, 1.01, 1.2):
            assert float(StudentMixture(best.g * factor).critical(n, k, 0.05)) > width


@given(st.floats(-0.999, 50).filter(lambda x: abs(x) > 1e-12))
def test_small_differences_keep_their_digits(x):
    with mpmath.workdps(40):
        assert float(excess(x)) == pytest.approx(float(mpmath.mpf(x) - mpmath.log1p(x)), rel=1e-13, abs=1e-300)


@given(st.floats(0.01, 1e8))
def test_stirlings_remainder_keeps_its_digits(a):
    with mpmath.workdps(40):
        b = mpmath.mpf(a)
        exact = mpmath.loggamma(b) - ((b - mpmath.mpf("0.5")) * mpmath.log(b) - b + mpmath.log(2 * mpmath.pi) / 2)
    assert float(stirling(a)) == pytest.approx(float(exact), rel=1e-10, abs=1e-15)
