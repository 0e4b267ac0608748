"""Sequences for bounded means, quantiles and effects: against slow plain references, their coverage, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import analysis.inference.sequences as sequences
from analysis.errors import AnalysisError
from analysis.inference.sequences import (
    BetaBinomial,
    GammaExponential,
    StudentMixture,
    TwoSidedNormal,
    betting_sequence,
    bound,
    compare_quantiles,
    distribution_radius,
    effect_sequence,
    empirical_bernstein_lower,
    empirical_bernstein_sequence,
    hoeffding_sequence,
    proportion_sequence,
    quantile_ranks,
    quantile_sequence,
    quantile_uniform_bound,
    rate_sequence,
    rho_for,
    stitched_bound,
)
from analysis.inference.sequences.bounded import STAKE, wagers
from tests.analysis.inference.sequences.level import ALPHA, RUNS, keeps_its_level


def plain_capitals(values: np.ndarray, m: float, alpha: float) -> float:
    """The larger of the two capitals against m, bet by bet."""
    up = down = 0.5
    mean, variance, total, squares = 0.5, 0.25, 0.5, 0.25
    for t, x in enumerate(values, start=1):
        bet = np.sqrt(2 * np.log(2 / alpha) / (variance * t * np.log(1 + t)))
        up *= 1 + min(bet, STAKE / m) * (x - m)
        down *= 1 - min(bet, STAKE / (1 - m)) * (x - m)
        total += x
        mean = total / (t + 1)
        squares += (x - mean) ** 2
        variance = squares / (t + 1)
    return max(up, down)


def test_ends_by_betting_are_where_a_plain_bettor_has_reached_one_over_alpha():
    values = np.random.default_rng(5).beta(2, 6, 120)
    for n in (1, 5, 40, 120):
        (lower,), (upper,) = betting_sequence(values, looks=np.array([n]))
        for end, outward in ((lower, -1), (upper, 1)):
            if 1e-6 < end < 1 - 1e-6:
                assert plain_capitals(values[:n], end + outward * 1e-7, 0.05) > 1 / 0.05
                assert plain_capitals(values[:n], end - outward * 1e-7, 0.05) < 1 / 0.05


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_bounded_means_turned_around_give_the_same_ends_turned_around(values):
    values = np.array(values)
    for sequence in (hoeffding_sequence, empirical_bernstein_sequence, betting_sequence):
        lower, upper = sequence(values)
        turned = sequence(1 - values)
        np.testing.assert_allclose(1 - turned[1], lower, atol=1e-9)
        assert (lower <= upper + 1e-12).all()


def plain_bernstein(values: np.ndarray, alpha: float) -> float:
    weighted = bets = cost = 0.0
    for t in range(1, len(values) + 1):
        before = values[: t - 1]
        means = [(0.5 + values[:k].sum()) / (k + 1) for k in range(1, t)]
        variance = (0.25 + sum((x - m) ** 2 for x, m in zip(before, means, strict=True))) / t
        guess = (0.5 + before.sum()) / t
        bet = min(0.5, np.sqrt(2 * np.log(1 / alpha) / (variance * t * np.log(1 + t))))
        weighted, bets = weighted + bet * values[t - 1], bets + bet
        cost += (values[t - 1] - guess) ** 2 * (-np.log(1 - bet) - bet)
    return (weighted - np.log(1 / alpha) - cost) / bets


def test_empirical_bernstein_is_the_plain_sum():
    values = np.random.default_rng(6).random(60)
    lower = empirical_bernstein_lower(values, 0.05)
    assert [lower[k - 1] for k in (1, 7, 60)] == pytest.approx([plain_bernstein(values[:k], 0.05) for k in (1, 7, 60)])


def test_good_predictions_make_it_narrower():
    rng = np.random.default_rng(7)
    predictions = rng.random(2000)
    values = np.clip(predictions + rng.normal(0, 0.05, 2000), 0, 1)
    assert empirical_bernstein_lower(values, predictions=predictions)[-1] > empirical_bernstein_lower(values)[-1]


SHAPES = {
    "rare": lambda rng, size: (rng.random(size) < 0.02).astype(float),
    "skewed": lambda rng, size: rng.beta(0.5, 5, size),
    "drifting": lambda rng, size: np.clip(0.3 + 0.4 * rng.integers(0, 2, size) - 0.1, 0, 1),
}
MEANS = {"rare": 0.02, "skewed": 0.5 / 5.5, "drifting": 0.4}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bounded_mean_is_covered_after_every_value(shape):
    mean, rng = MEANS[shape], np.random.default_rng(8)
    misses = dict.fromkeys(("hoeffding", "bernstein", "betting"), 0)
    for _ in range(RUNS):
        values = SHAPES[shape](rng, 600)
        for name, sequence in (("hoeffding", hoeffding_sequence), ("bernstein", empirical_bernstein_sequence)):
            lower, upper = sequence(values, ALPHA)
            misses[name] += bool(((lower > mean) | (upper < mean)).any())
        bets = wagers(values, ALPHA / 2)
        gain = np.cumsum(np.log1p(np.minimum(bets, STAKE / mean) * (values - mean)))
        loss = np.cumsum(np.log1p(-np.minimum(bets, STAKE / (1 - mean)) * (values - mean)))
        misses["betting"] += bool((np.maximum(gain, loss) > np.log(2 / ALPHA)).any())
    for missed in misses.values():
        keeps_its_level(missed)
    assert misses["hoeffding"] <= misses["betting"]
    assert misses["betting"] > 0


def test_betting_is_the_narrowest_where_values_vary_little():
    values = np.random.default_rng(9).beta(2, 60, 1000)
    widths = [
        float(np.diff([end[-1] for end in ends])[0])
        for ends in (
            betting_sequence(values, looks=np.array([1000])),
            empirical_bernstein_sequence(values),
            hoeffding_sequence(values),
        )
    ]
    assert widths[0] < widths[1] < widths[2]


def test_a_running_intersection_never_widens():
    values = np.random.default_rng(10).random(150)
    lower, upper = betting_sequence(values, running_intersection=True)
    assert (np.diff(lower) >= 0).all() and (np.diff(upper) <= 0).all()


def plain_quantile(values: np.ndarray, q: float, alpha: float, planned: float) -> tuple[float, float]:
    """Every value that is not refuted by the counts below it and up to it, tried one by one."""
    n, mixture = len(values), BetaBinomial.tuned(planned * q * (1 - q), alpha, below=q, above=1 - q)
    kept = []
    for candidate in np.unique(values):
        shares = np.linspace((values < candidate).sum(), (values <= candidate).sum(), 200) - q * n
        if (mixture.log_e(shares, np.full(200, q * (1 - q) * n)) <= -np.log(alpha)).any():
            kept.append(candidate)
    return min(kept), max(kept)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_ends_of_a_quantile_are_those_of_trying_every_value(q):
    values = np.random.default_rng(11).lognormal(0, 1, 500).round(1)
    (lower,), (upper,) = quantile_sequence(values, q, looks=np.array([500]), planned=300)
    low, high = plain_quantile(values, q, 0.05, 300)
    assert (lower, upper) == (low, high)


@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("ties", [False, True])
def test_a_quantile_is_covered_at_every_look(q, ties):
    rng, looks = np.random.default_rng(12), np.array([5, 10, 20, 50, 100, 200, 400, 800])
    truth, misses = stats.expon.ppf(q), 0
    first, last = quantile_ranks(looks, q, ALPHA, planned=200)
    for _ in range(RUNS):
        values = rng.exponential(size=800)
        values, want = (np.ceil(values * 3), np.ceil(truth * 3)) if ties else (values, truth)
        misses += any(
            (f >= 1 and (values[:n] <= want).sum() < f) or (l <= n and (values[:n] < want).sum() >= l)
            for n, f, l in zip(looks, first, last, strict=True)
        )
    keeps_its_level(misses)


def plain_comparison(a: np.ndarray, b: np.ndarray, q: float, planned: float) -> float:
    """The least evidence over a fine grid of common quantiles, between values and at them."""
    mixture = BetaBinomial.tuned(planned * q * (1 - q), 0.05, below=q, above=1 - q)
    points = np.unique(np.concatenate([a, b]))
    least = np.inf
    for candidate in points:
        total = 0.0
        for arm in (a, b):
            n = len(arm)
            walk = np.linspace((arm < candidate).sum(), (arm <= candidate).sum(), 2001) - q * n
            total += float(mixture.log_e(walk, np.full(2001, q * (1 - q) * n)).min())
        least = min(least, total)
    return min(1.0, float(np.exp(-least)))


def test_comparing_quantiles_is_the_least_evidence_over_all_common_ones():
    rng = np.random.default_rng(13)
    a, b = rng.normal(0, 1, 90).round(1), rng.normal(0.9, 1, 70).round(1)
    for q in (0.5, 0.8):
        assert compare_quantiles(a, b, q, planned=80) == pytest.approx(plain_comparison(a, b, q, 80), rel=1e-4)
        assert compare_quantiles(b, a, q, planned=80) == compare_quantiles(a, b, q, planned=80)


def test_p_values_of_equal_quantiles_stay_above_the_level_at_all_looks():
    rng, looks = np.random.default_rng(14), (20, 50, 100, 200)
    misses = 0
    for _ in range(300):
        a, b = rng.exponential(size=200), rng.normal(np.log(2), 2, size=200)
        misses += min(compare_quantiles(a[:n], b[:n], 0.5, planned=100) for n in looks) < ALPHA
    keeps_its_level(misses, 300)


def test_the_band_around_a_distribution_holds_everywhere_and_always():
    rng, n = np.random.default_rng(15), 1500
    misses, places = 0, np.arange(1, n + 1)
    for _ in range(100):
        values = rng.random(n)
        for k in (50, 100, 300, 700, n):
            ranked = np.sort(values[:k])
            gap = max(np.max(places[:k] / k - ranked), np.max(ranked - (places[:k] - 1) / k))
            if gap > distribution_radius(k, ALPHA, start=50):
                misses += 1
                break
    keeps_its_level(misses, 100)
    assert distribution_radius(10, start=50) == np.inf


def test_the_bound_for_all_quantiles_is_wider_than_for_one_and_narrower_at_the_edges():
    n = np.array([1000.0, 1e5])
    for q in (0.1, 0.5, 0.9):
        one = bound(BetaBinomial.tuned(1000 * q * (1 - q), 0.05, below=q, above=1 - q), q * (1 - q) * n, 0.05)
        assert (quantile_uniform_bound(q, n, 0.05, start=100) > one).all()
    assert quantile_uniform_bound(0.99, 1e5, 0.05, start=100) < quantile_uniform_bound(0.5, 1e5, 0.05, start=100)


def plain_effect(outcomes: np.ndarray, treated: np.ndarray, share: float) -> tuple[float, float]:
    """Mean score and its variance process, unit by unit."""
    arms: dict[int, list[float]] = {0: [], 1: []}
    walk = spread = 0.0
    for t, (y, z) in enumerate(zip(outcomes, treated, strict=True)):
        guess = {a: 0.5 if t == 0 else float(np.mean(seen)) if seen else 0.0 for a, seen in arms.items()}
        surprise = (y - guess[int(z)]) * (1 / share if z else -1 / (1 - share))
        walk, spread = walk + guess[1] - guess[0] + surprise, spread + surprise**2
        arms[int(z)].append(y)
    return walk / len(outcomes), spread


def test_effect_scores_are_those_of_a_plain_loop():
    rng = np.random.default_rng(16)
    treated = (rng.random(200) < 0.3).astype(float)
    outcomes = rng.beta(1 + treated, 2)
    found = effect_sequence(outcomes, treated, share=0.3, width=100, variance=0.1)
    mixture = GammaExponential(rho_for(100 * 0.1 * (1 / 0.3 + 1 / 0.7), 0.025, sides=1), 2 / 0.3)
    for n in (1, 10, 200):
        estimate, spread = plain_effect(outcomes[:n], treated[:n], 0.3)
        reach = float(bound(mixture, spread, 0.025)) / n
        ends = [max(estimate - reach, -1), min(estimate + reach, 1)]
        assert [found.estimate[n - 1], found.lower[n - 1], found.upper[n - 1]] == pytest.approx([estimate, *ends])


def test_the_effect_on_the_units_seen_is_covered_at_every_unit_and_its_p_value_agrees():
    rng, n, misses = np.random.default_rng(17), 1500, 0
    for _ in range(150):
        without = np.clip(rng.normal(0.4 + 0.2 * np.sin(np.arange(n) / 200), 0.2), 0, 1)
        with_it = np.clip(without + 0.15, 0, 1)
        treated = (rng.random(n) < 0.5).astype(float)
        found = effect_sequence(
            np.where(treated == 1, with_it, without), treated, ALPHA, share=0.5, width=500, variance=0.05
        )
        truth = np.cumsum(with_it - without) / np.arange(1, n + 1)
        misses += bool(((found.lower > truth) | (found.upper < truth)).any())
        clear = found.lower > 0
        assert (found.p_above[clear] < ALPHA / 2).any() or not clear.any()
    keeps_its_level(misses, 150)


def test_p_values_of_an_effect_are_below_half_the_level_exactly_where_zero_is_left_out():
    rng = np.random.default_rng(18)
    treated = (rng.random(3000) < 0.5).astype(float)
    found = effect_sequence(0.4 + 0.2 * treated, treated, 0.05, share=0.5, width=1000, variance=0.05)
    np.testing.assert_array_equal(found.p_above < 0.025, found.lower > 0)
    assert found.lower[-1] > 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: hoeffding_sequence(np.array([0.2, 1.5])), r"1.5 at place 1, must be in \[0, 1\]"),
        (lambda: betting_sequence(np.array([])), "at least one value"),
        (lambda: betting_sequence(np.array([0.5, np.nan])), "nan at place 1"),
        (lambda: betting_sequence(np.array([0.5]), looks=np.array([2])), "between 1 and the 1 values"),
        (lambda: hoeffding_sequence(np.array([0.5]), 5), "alpha == 5"),
        (lambda: proportion_sequence(np.array([5]), np.array([4]), planned_trials=9), "between 0 and the trials"),
        (lambda: rate_sequence(np.array([5, 4]), np.array([1, 2]), planned_count=9), "may not fall"),
        (lambda: quantile_sequence(np.array([1.0]), 1.0, looks=np.array([1]), planned=9), "quantile == 1.0"),
        (lambda: compare_quantiles(np.array([]), np.array([1.0]), 0.5, planned=9), "control must have"),
        (lambda: effect_sequence(np.array([0.5]), np.array([0.3]), share=0.5, width=9, variance=1), "a 0 or a 1"),
        (lambda: effect_sequence(np.array([0.5]), np.array([1.0]), share=1.0, width=9, variance=1), "share == 1.0"),
        (lambda: stitched_bound(np.array([1.0]), 0.05, start=1, scale=-1), "scale == -1"),
        (lambda: distribution_radius(10, start=0.5), "start == 0.5"),
        (lambda: bound(TwoSidedNormal(1.0), np.array([0.0]), 0.05), "variance holds 0.0"),
        (lambda: StudentMixture(1.0).critical(np.array([2]), 2, 0.05), "larger than the 2 coefficients"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_the_reason(wrong, says):
    with pytest.raises(AnalysisError, match=says):
        wrong()


def test_everything_that_the_package_promises_is_there():
    assert sequences.__all__ == sorted(sequences.__all__)
    for name in sequences.__all__:
        assert getattr(sequences, name).__doc__, name
