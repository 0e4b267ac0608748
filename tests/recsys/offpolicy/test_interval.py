"""Intervals of ratios of sums: two rules, each where it holds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from recsys.offpolicy.interval import CORRECTED, GUARANTEED, ORDERS, STAKE, Sums, betting, corrected, interval


def sums_of(values, low=0.0, high=1.0):
    values = np.asarray(values, float)
    return Sums(values, np.ones(len(values)), np.array([[low, 1.0], [high, 1.0]]))


def plain_betting(values, low, high, alpha):
    """The definition, value after value and unit after unit: the least and the greatest that is not rejected."""
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(len(values)), (ORDERS, 1)), axis=1)

    def capital(mean, side):
        total = 0.0
        for order in orders:
            stake, seen = 1.0, 0.0
            for count, at in enumerate(order, start=1):
                variance = ((high - low) ** 2 / 4 + seen) / count
                bet = math.sqrt(2 * math.log(2 / alpha) / (len(values) * variance))
                ruin = mean - low if side > 0 else high - mean
                bet = min(bet, STAKE / ruin) if ruin > 0 else bet
                stake *= 1 + side * bet * (values[at] - mean)
                seen += (values[at] - mean) ** 2
            total += stake
        return total / len(orders)

    grid = np.linspace(low, high, 401)
    kept = [mean for mean in grid if capital(mean, 1) <= 2 / alpha and capital(mean, -1) <= 2 / alpha]
    return min(kept), max(kept)


def test_betting_is_that_of_a_plain_reading_of_its_definition():
    values = np.random.default_rng(1).beta(0.5, 2, 40)
    found, (lower, upper) = betting(sums_of(values)), plain_betting(values, 0.0, 1.0, 0.05)
    assert found.lower == pytest.approx(lower, abs=1 / 400)
    assert found.upper == pytest.approx(upper, abs=1 / 400)


@settings(max_examples=40, deadline=None)
@given(some.lists(some.floats(0, 1), min_size=5, max_size=60).filter(lambda xs: len(set(xs)) > 1))
def test_both_rules_hold_the_value_and_a_higher_level_is_never_narrower(values):
    sums = sums_of(values)
    for rule in (corrected, betting):
        narrow, wide = rule(sums, 0.2), rule(sums, 0.01)
        assert wide.lower <= narrow.lower + 1e-6 and narrow.upper - 1e-6 <= wide.upper
        assert wide.covers(sums.value)


def test_the_scale_of_rewards_changes_nothing():
    values = np.random.default_rng(2).random(200)
    for rule in (corrected, betting):
        one, cents = rule(sums_of(values)), rule(sums_of(100 * values, 0, 100))
        assert (cents.lower, cents.upper) == pytest.approx((100 * one.lower, 100 * one.upper), rel=1e-4)


def test_without_skewness_the_corrected_interval_is_students():
    from scipy.stats import ttest_1samp

    values = np.concatenate([np.linspace(0, 1, 51), 1 - np.linspace(0, 1, 51)])
    found = corrected(sums_of(values))
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high), rel=2e-3)


def test_the_rule_follows_how_heavy_the_weights_are():
    values = (np.random.default_rng(3).random(2000) < 0.3) * 1.0
    assert interval(sums_of(values)).rule == CORRECTED
    # One decision that nobody saw could be worth 500 of these.
    assert interval(sums_of(values, 0, 500)).rule == GUARANTEED
    assert interval(sums_of(np.zeros(50))).rule == GUARANTEED


def test_where_nothing_was_earned_the_interval_says_how_much_could_have_been_missed():
    found = interval(sums_of(np.zeros(1000)))
    # With 1,000 of them at 0, a share of about 3.7 / 1000 cannot be excluded (the rule of three at one-sided 97.5 %).
    assert found.lower <= 0 and 0.003 < found.upper < 0.02


def test_decisions_of_one_unit_count_as_one():
    rng = np.random.default_rng(4)
    unit, value = np.repeat(np.arange(100), 50), np.repeat(rng.random(100), 50)
    corners = np.array([[0.0, 1.0], [1.0, 1.0]])
    clustered = corrected(Sums.by_unit(value, np.ones(5000), unit, corners))
    alone = corrected(Sums.by_unit(value, np.ones(5000), np.arange(5000), corners))
    assert clustered.upper - clustered.lower > 6 * (alone.upper - alone.lower)


def test_what_cannot_vary_has_an_interval_of_one_value():
    found = interval(sums_of(np.full(30, 0.4), 0.4, 0.4))
    assert (found.lower, found.upper) == pytest.approx((0.4, 0.4))
