"""Families of comparisons: the intervals say what the adjusted p-values say, and both keep their promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.inference.intervals import ConfidenceSequence, FixedHorizon
from analysis.multiplicity.corrections import (
    benjamini_hochberg,
    directional_holm,
    fcr_alpha,
    holm,
    selected_alpha,
)

INFINITE, N = np.asarray(np.inf), np.asarray(9_000.0)
ALPHA = 0.05
RULES = [FixedHorizon(), ConfidenceSequence(10_000)]
pivots = st.lists(st.floats(-6, 6), min_size=1, max_size=6).map(np.array)


def at_most(count: int, trials: int, rate: float) -> bool:
    """Whether a rate is no higher than claimed, up to what the number of trials can tell."""
    return stats.binomtest(count, trials, rate, alternative="greater").pvalue > 0.001


def holm_ends(z, rule=RULES[0], n=N):
    claims = directional_holm(rule.p_value(z, n, INFINITE), z, ALPHA)
    half = {level: rule.critical(level, n, INFINITE) for level in ALPHA / np.arange(1, z.shape[-1] + 1)}
    return claims, *claims.ends(lambda level: (z - half[level], z + half[level]))


def misses(claims, lower, upper, truth):
    """Where an interval leaves out the truth, a claim wrong of 0 included: an end clipped at 0 leaves 0 out."""
    return (lower > truth) | (truth > upper) | (claims.above & (truth <= 0)) | (claims.below & (truth >= 0))


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@given(st.lists(st.floats(0, 1) | st.none(), min_size=1, max_size=8))
def test_what_was_not_tested_does_not_count(adjust, p):
    p = np.array(p, float)
    adjusted = adjust(np.stack([p, p[::-1]]))
    np.testing.assert_array_equal(adjusted[0][~np.isnan(p)], adjust(p[~np.isnan(p)]))
    np.testing.assert_array_equal(np.isnan(adjusted[1]), np.isnan(p[::-1]))


@pytest.mark.parametrize("rule", RULES)
@given(pivots)
def test_a_holm_interval_leaves_out_zero_exactly_when_its_p_value_says_so(rule, z):
    claims, lower, upper = holm_ends(z, rule)
    if np.min(np.abs(claims.adjusted - ALPHA)) > 1e-9:
        np.testing.assert_array_equal((lower >= 0) | (upper <= 0), claims.adjusted < ALPHA)
    np.testing.assert_array_equal(claims.above, (claims.adjusted <= ALPHA) & (z > 0))
    assert (lower < upper).all() and (lower <= z).all() and (z <= upper).all()


@pytest.mark.parametrize("rule", RULES)
@given(pivots)
def test_the_interval_after_selection_leaves_out_zero_exactly_when_its_p_value_says_so(rule, z):
    p = rule.p_value(z, N, INFINITE)
    adjusted = benjamini_hochberg(p)
    if np.min(np.abs(adjusted - ALPHA)) > 1e-9:
        reach = rule.critical(float(fcr_alpha(p, ALPHA)), N, INFINITE)
        np.testing.assert_array_equal(np.abs(z) > reach, adjusted < ALPHA)


def test_a_claim_of_a_lone_comparison_keeps_its_ordinary_interval():
    _, lower, upper = holm_ends(np.array([2.5]))
    assert [*lower, *upper] == pytest.approx([2.5 - 1.959964, 2.5 + 1.959964], rel=1e-6)


def test_a_member_of_a_family_has_the_ends_that_it_has_in_the_family():
    z = np.array([[3.1, -2.9, 0.4], [2.5, 2.6, 2.7]])
    claims, lower, upper = holm_ends(z)
    for k in range(3):
        half = {level: RULES[0].critical(level, N, INFINITE) for level in ALPHA / np.arange(1, 4)}
        one = claims.member(k).ends(lambda level, k=k, half=half: (z[:, k] - half[level], z[:, k] + half[level]))
        np.testing.assert_array_equal(one, [lower[:, k], upper[:, k]])


def test_a_lift_without_bounds_at_a_level_still_has_the_side_that_is_claimed():
    claims = directional_holm(np.array([0.001, 0.001]), np.array([1.0, 1.0]), ALPHA)
    lower, upper = claims.ends(lambda level: (np.full(2, np.nan), np.full(2, np.nan)))
    assert lower.tolist() == [0, 0] and np.isnan(upper).all()


def test_nothing_tested_has_no_level():
    assert np.isnan(fcr_alpha(np.full((1, 2), np.nan), ALPHA)).all()
    assert np.isnan(directional_holm(np.full(2, np.nan), np.full(2, np.nan), ALPHA).lower_level).all()


@pytest.mark.parametrize("correlation", [0.0, 0.8, -1.0])
@pytest.mark.parametrize("m", [2, 3, 6])
@pytest.mark.parametrize("effect", [0.0, 1.5, 3.0, 6.0])
def test_holm_intervals_cover_all_true_effects_together(m, correlation, effect):
    rng, runs = np.random.default_rng(m), 20_000
    # Large effects are all above 0, so that all are claimed; of others a third is 0, a third above, a third below.
    truth = np.full(m, effect) if effect == 6 else effect * (np.arange(m) % 3 - 1.0)
    # A correlation of -1 puts neighbours against each other.
    signs = np.where(np.arange(m) % 2, np.sign(correlation) or 1.0, 1.0)
    common, share = rng.normal(size=(runs, 1)), abs(correlation)
    noise = np.sqrt(share) * common * signs + np.sqrt(1 - share) * rng.normal(size=(runs, m))
    claims, lower, upper = holm_ends(truth + noise)
    missed = np.any(misses(claims, lower, upper, truth), axis=-1)
    assert at_most(missed.sum(), runs, ALPHA)
    if effect == 0 and correlation == 0:  # where nothing has an effect the level is spent, not just kept
        assert stats.binomtest(int(missed.sum()), runs, 1 - (1 - ALPHA / m) ** m).pvalue > 0.001


def test_holm_finds_more_than_bonferroni():
    z = np.random.default_rng(1).normal(2.5, 1, (2_000, 4))
    p = RULES[0].p_value(z, N, INFINITE)
    claims = directional_holm(p, z, ALPHA)
    assert np.sum(claims.above) > 1.1 * np.sum(4 * p <= ALPHA)


def test_holm_with_a_sequence_covers_at_every_look_together():
    rng, runs, looks, m = np.random.default_rng(11), 1_000, 28, 4
    n = np.arange(1, looks + 1)[:, None] * 10_000.0 / looks
    truth = np.array([0.0, 0.0, 0.03, -0.03])
    steps = rng.normal(size=(runs, looks, m)) * np.sqrt(10_000 / looks)
    error = 1 / np.sqrt(n)
    z = (np.cumsum(steps, axis=1) / n + truth) / error
    claims, lower, upper = holm_ends(z, RULES[1], n)
    missed = misses(claims, lower, upper, truth / error).any(axis=(1, 2))
    assert at_most(missed.sum(), runs, ALPHA)
    assert claims.above[:, -1, 2].mean() > 0.3


def test_benjamini_hochberg_keeps_its_false_discovery_rate_and_its_intervals_their_coverage():
    rng, runs, truth = np.random.default_rng(3), 20_000, np.repeat([0.0, 3.0], [8, 4])
    z = rng.normal(truth, 1, (runs, 12))
    p = RULES[0].p_value(z, N, INFINITE)
    rejected = benjamini_hochberg(p) <= ALPHA
    # Exactly alpha x the share of true nulls, if independent; a share of 12 is no 0 or 1, so a normal tolerance.
    false = (rejected & (truth == 0)).sum(axis=-1) / np.maximum(rejected.sum(axis=-1), 1)
    assert abs(false.mean() - ALPHA * 8 / 12) < stats.norm.ppf(0.9995) * false.std() / np.sqrt(runs)
    half = RULES[0].critical(fcr_alpha(p, ALPHA)[:, None], N, INFINITE)
    missed = (rejected & (np.abs(z - truth) > half)).sum(axis=-1) / np.maximum(rejected.sum(axis=-1), 1)
    assert missed.mean() - ALPHA < stats.norm.ppf(0.999) * missed.std() / np.sqrt(runs)


def test_a_reader_who_waits_for_the_best_segments_and_picks_them_is_misled_by_naive_intervals_only():
    """The largest two of ten null segments, at the look where they are largest: the worst choice that can be made."""
    rng, runs, looks, m = np.random.default_rng(4), 1_000, 28, 10
    n = np.arange(1, looks + 1)[:, None] * 1_000.0 / looks
    z = np.abs(np.cumsum(rng.normal(size=(runs, looks, m)) * np.sqrt(1_000 / looks), axis=1) / np.sqrt(n))
    best = np.sort(z, axis=-1)[..., -2:].mean(axis=-1)
    stop = best.argmax(axis=1)
    picked = np.sort(z[np.arange(runs), stop], axis=-1)[:, -2:]
    reach = ConfidenceSequence(1_000).critical(selected_alpha(ALPHA, 2, m), n[stop], INFINITE)
    share = (picked > reach).mean(axis=-1)
    assert share.mean() - ALPHA < stats.norm.ppf(0.999) * share.std() / np.sqrt(runs)
    assert (picked > 1.96).mean() > 0.5


@pytest.mark.parametrize("picked", [0, 11])
def test_more_segments_cannot_be_picked_than_there_are(picked):
    with pytest.raises(ValueError, match=f"{picked} comparisons were picked out of 10"):
        selected_alpha(ALPHA, picked, 10)
