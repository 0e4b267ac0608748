"""What a log cannot bear is refused, with its figures and in words."""

import numpy as np
import pytest

from recsys.errors import DataError
from recsys.offpolicy.estimate import estimate, estimates
from recsys.offpolicy.estimator import EstimatorError, known_estimators
from recsys.offpolicy.logged import Logged, Slates, weights
from recsys.offpolicy.support import support, unsupported_share
from tests.recsys.offpolicy.bandits import Bandit, Ranking


def a_log(people=500, **bandit):
    return Bandit.drawn(1, **bandit).log(people, np.random.default_rng(0))


def test_the_effective_sample_is_all_of_the_log_where_the_policy_is_the_logged_one():
    found = support(Logged.of(np.zeros(50), np.ones(50)))
    assert (found.effective, found.ratio, found.largest, found.refused) == (50, 1, 1, "")


def test_choices_that_had_no_chance_are_refused_with_their_share():
    logging, target = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.25, 0.5]])
    share = unsupported_share(target, logging)
    assert share == 0.5
    found = estimate("ips", a_log(), unsupported=share)
    assert found.value is None and "50.0% of the policy's choices had no chance" in found.refused
    assert "effective sample" in found.refused


def test_a_small_effective_sample_is_refused_whatever_the_rewards():
    log = a_log(logged=4.0, evaluated=4.0, floor=0.001, actions=30)
    assert support(log).ratio < 0.05
    for found in estimates(log):
        assert found.value is None and found.interval is None and "the least is 5%" in found.refused


def test_wrong_propensities_show_in_the_mean_weight():
    bandit = Bandit.drawn(1)
    log = bandit.log(4000, np.random.default_rng(0))
    wrong = Logged.of(log.reward, 1.5 * log.weight, reward_range=(0, 1))
    found = estimate("ips", wrong)
    assert found.value is None and "which should be 1" in found.refused
    assert "propensities are not those that choices were drawn with" in found.refused


def test_missing_support_shows_in_the_mean_weight_where_nobody_states_it():
    rng = np.random.default_rng(0)
    # Half of the policy's choices are of an action that is never logged: weights average one half.
    log = Logged.of((rng.random(3000) < 0.1) * 1.0, np.full(3000, 0.5))
    assert "which should be 1" in estimate("ips", log).refused


def test_few_people_are_refused_however_many_decisions_they_made():
    log = Logged.of(np.ones(1000), np.ones(1000), unit=np.arange(1000) % 7)
    assert "7 people" in estimate("ips", log).refused


def test_estimators_that_need_a_model_say_so_without_one():
    log = a_log()
    bare = Logged.of(log.reward, log.weight)
    assert estimate("dr", bare).refused == "Needs a reward model, and none was fitted."
    blind = log.with_model(log.fitted, log.fitted, modelled=False)
    assert "the same of every policy" in estimate("dm", blind).refused
    assert estimate("dr", blind).value is not None


def test_an_estimator_for_slates_refuses_single_decisions_and_unknown_names_are_listed():
    with pytest.raises(EstimatorError, match="for slates"):
        estimate("rips", a_log())
    with pytest.raises(EstimatorError, match="for single decisions"):
        estimate("ips", Ranking.drawn(1).log(50, np.random.default_rng(0)))
    with pytest.raises(EstimatorError, match="Did you mean 'snips'"):
        estimate("snisp", a_log())
    assert len(known_estimators()) == 12


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.1, float("nan")])
def test_a_propensity_that_cannot_be_is_named(bad):
    with pytest.raises(DataError, match="1 of 3 logged propensities"):
        weights(np.full(3, 0.5), np.array([0.5, bad, 0.5]))


def test_rewards_and_weights_that_are_no_numbers_are_refused():
    for reward, weight, said in (
        ([np.nan, 1], [1, 1], "not a finite number"),
        ([0, 1], [1, -1], "at least 0"),
        ([], [], "no logged decisions"),
    ):
        with pytest.raises(DataError, match=said):
            Logged.of(np.array(reward, float), np.array(weight, float))
    with pytest.raises(DataError, match="outside 0 to 1"):
        Logged.of(np.array([0.0, 2.0]), np.ones(2), reward_range=(0, 1))


def test_places_that_were_not_shown_count_for_nothing():
    shown = np.array([[True, True], [True, False]] * 30)
    reward, weight = np.ones((60, 2)), np.where(shown, 1.0, 77.0)
    found = {each.estimator: each.value for each in estimates(Slates.of(reward, weight, shown=shown))}
    assert found["iips"] == found["rips"] == found["sips"] == 1.5


def test_the_value_never_lies_outside_what_rewards_can_be():
    log = a_log(people=300, logged=2.0, evaluated=2.0, actions=20)
    for each in estimates(log):
        if each.interval:
            assert 0 <= each.interval.lower <= each.interval.upper <= 1
