"""Posteriors mean what they say: over effects drawn from the prior, statements hold as often as stated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.inference.bayes import Posterior, Prior, posterior

RUNS = 20_000
beliefs = st.builds(Posterior, st.floats(-1, 1).map(np.asarray), st.floats(0.01, 2).map(np.asarray))


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, Posterior]:
    """Effects drawn from a prior, and what their data say of them."""
    rng, prior = np.random.default_rng(8), Prior(0.01, 0.05)
    error = rng.uniform(0.01, 0.2, RUNS)
    effect = rng.normal(prior.mean, prior.sd, RUNS)
    return effect, posterior(prior, rng.normal(effect, error), error)


def test_credible_intervals_hold_the_effect_as_often_as_stated(drawn):
    effect, belief = drawn
    lower, upper = belief.interval(0.1)
    assert stats.binomtest(int(np.sum((lower <= effect) & (effect <= upper))), RUNS, 0.9).pvalue > 0.001


def test_a_chance_is_how_often_it_happens(drawn):
    effect, belief = drawn
    for good in (1, -1):
        chance = belief.chance_to_beat_control(good)
        for low in (0.0, 0.25, 0.5, 0.75):
            among = (chance >= low) & (chance < low + 0.25)
            hits, spread = np.sum(good * effect[among] > 0), np.sqrt(np.sum((chance * (1 - chance))[among]))
            assert abs(hits - chance[among].sum()) < stats.norm.ppf(0.9999) * spread


def test_a_chance_is_right_also_when_one_stops_because_it_is_high():
    rng, looks, prior = np.random.default_rng(9), np.arange(1, 29), Prior(0.0, 0.05)
    effect = rng.normal(0, prior.sd, RUNS)
    running = np.cumsum(rng.normal(effect[:, None], 0.3, (RUNS, len(looks))), axis=1) / looks
    chance = posterior(prior, running, 0.3 / np.sqrt(looks)).chance_to_beat_control(1)
    stopped = (chance > 0.9).any(axis=1)
    then = chance[np.arange(RUNS), (chance > 0.9).argmax(axis=1)][stopped]
    gap = (effect[stopped] > 0).sum() - then.sum()
    assert stopped.sum() > 1_000 and abs(gap) < stats.norm.ppf(0.9999) * np.sqrt(np.sum(then * (1 - then)))


def test_an_expected_loss_is_what_is_lost_on_average(drawn):
    effect, belief = drawn
    for good in (1, -1):
        lost = np.maximum(-good * effect, 0.0)
        gap = lost - belief.loss_of_shipping(good)
        assert abs(gap.mean()) < stats.norm.ppf(0.9999) * gap.std() / np.sqrt(RUNS)


@given(beliefs, st.sampled_from([1, -1]))
def test_keeping_and_shipping_differ_by_the_expected_effect(belief, good):
    gap = belief.loss_of_keeping(good) - belief.loss_of_shipping(good)
    assert gap == pytest.approx(good * belief.mean, rel=1e-9, abs=1e-12)
    assert belief.loss_of_shipping(good) >= 0


@given(st.floats(-1, 1), st.floats(0.01, 2), st.floats(0.1, 50))
def test_a_belief_is_the_same_in_any_unit(estimate, error, factor):
    prior, estimate, error = Prior(0.02, 0.1), np.asarray(estimate), np.asarray(error)
    here, there = posterior(prior, estimate, error), posterior(prior.scaled(factor), estimate * factor, error * factor)
    assert [there.mean, there.sd] == pytest.approx([here.mean * factor, here.sd * factor], rel=1e-9)


def test_a_flat_prior_leaves_the_estimate_and_a_sharp_one_ignores_it():
    estimate, error = np.array([0.3, np.nan]), np.array([0.1, np.nan])
    flat, sharp = posterior(Prior(), estimate, error), posterior(Prior(0.0, 1e-9), estimate, error)
    assert [flat.mean[0], flat.sd[0]] == pytest.approx([0.3, 0.1])
    assert [sharp.mean[0], sharp.sd[0]] == pytest.approx([0.0, 1e-9], abs=1e-12)
    assert np.isnan(flat.chance_to_beat_control(1)[1])
