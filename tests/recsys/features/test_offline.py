"""Features of training: as the plain way, and blind to the future."""

import time as clock
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import DataError
from recsys.facts import Friendships
from recsys.features.definitions import NAMES
from recsys.features.history import Decisions, History, Payments
from recsys.features.offline import as_of
from recsys.interactions import ACTIONS, DAY, Interactions
from recsys.prices import Prices
from tests.recsys.features.plain import a_history, bits, plain_features, some_decisions

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.booleans(), st.integers(0, 60))
def test_the_fast_features_are_the_plain_ones_to_the_bit(seed, coarse, acts):
    history = a_history(seed, acts=acts, coarse=coarse)
    decisions = some_decisions(history, seed, 30, coarse=coarse)
    assert np.array_equal(bits(as_of(history, decisions)), bits(plain_features(history, decisions)))


@pytest.mark.parametrize("seed", range(60))
def test_a_past_with_hardly_any_acts_is_as_the_plain_one(seed):
    history = a_history(seed, acts=seed % 5)
    decisions = some_decisions(history, seed, 20)
    assert np.array_equal(bits(as_of(history, decisions)), bits(plain_features(history, decisions)))


def another_future(history, moment, rng):
    """The same past; from `moment` on other acts, payments, friendships, prices, releases."""
    acts, paid, catalogue = history.interactions, history.payments, history.catalogue
    past = acts.time < moment
    extra = int(rng.integers(0, 80))
    later = moment + rng.integers(0, 30 * DAY, extra) * rng.integers(0, 2, extra)
    columns = [
        (acts.user, rng.integers(0, len(acts.users), extra)),
        (acts.item, rng.integers(0, len(acts.items), extra)),
        (acts.action, rng.integers(0, 5, extra)),
        (acts.time, later),
        (paid.paid, rng.integers(-1, 900, extra)),
        (paid.listed, rng.integers(-1, 900, extra)),
    ]
    user, item, action, time, cost, listed = (np.concatenate([old[past], new]) for old, new in columns)
    order = np.lexsort((time, user))
    changed = Interactions.of(acts.users, acts.items, user, item, action, time)
    friends, old = history.friends, history.friends.since < moment
    pairs = np.stack([friends.user[old], friends.friend[old]], axis=1)
    new = rng.integers(0, len(acts.users), (6, 2))
    new_since = np.concatenate([friends.since[old], moment + rng.integers(0, DAY, 6)])
    keep = catalogue.prices.since <= moment
    n = len(catalogue)
    which = np.repeat(np.arange(n), np.diff(catalogue.prices.first))[keep]
    prices = Prices(
        np.searchsorted(which, np.arange(n + 1)), catalogue.prices.since[keep], catalogue.prices.price[keep]
    )
    released = np.where(catalogue.released > moment, moment + rng.integers(1, DAY, n), catalogue.released)
    return History(
        changed,
        Payments(cost[order], listed[order]),
        replace(catalogue, prices=prices, released=released),
        Friendships.of(np.concatenate([pairs, new]), new_since),
    )


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.booleans())
def test_no_feature_changes_when_everything_at_or_after_the_decision_does(seed, coarse):
    history, rng = a_history(seed, coarse=coarse), np.random.default_rng(seed)
    decisions = some_decisions(history, seed, 40, coarse=coarse)
    moment = int(rng.choice(decisions.time))
    decisions = Decisions(decisions.user, decisions.item, np.minimum(decisions.time, moment))
    other = another_future(history, moment, rng)
    assert np.array_equal(bits(as_of(history, decisions)), bits(as_of(other, decisions)))


def test_an_act_at_the_very_moment_of_a_decision_is_not_known_and_a_microsecond_earlier_it_is():
    history = a_history(1)
    acts = history.interactions
    rows = [int(acts.time[k]) + late for k in range(len(acts)) for late in (0, 1)]
    both = np.repeat(np.arange(len(acts)), 2)
    made = as_of(history, Decisions(acts.user[both].astype(np.int64), acts.item[both].astype(np.int64), np.array(rows)))
    ever = [NAMES.index(f"pair_{name}_ever") for name in ("view", "wishlist", "cart", "purchase", "gift")]
    known = made[:, ever].sum(axis=1).reshape(-1, 2)
    assert np.all(known[:, 1] > known[:, 0])


def test_the_order_of_acts_at_one_moment_does_not_matter():
    history = a_history(2, acts=200, days=2)
    acts, paid = history.interactions, history.payments
    turned = np.random.default_rng(3).permutation(len(acts))
    order = turned[np.lexsort((acts.time[turned], acts.user[turned]))]
    other = Interactions.of(
        acts.users, acts.items, acts.user[order], acts.item[order], acts.action[order], acts.time[order]
    )
    decisions = some_decisions(history, 4, 50)
    shuffled = replace(history, interactions=other, payments=Payments(paid.paid[order], paid.listed[order]))
    assert np.array_equal(bits(as_of(history, decisions)), bits(as_of(shuffled, decisions)))


def test_decisions_in_another_order_or_in_parts_have_the_same_features(monkeypatch):
    history = a_history(5)
    decisions = some_decisions(history, 6, 100)
    turned = np.random.default_rng(7).permutation(100)
    other = Decisions(decisions.user[turned], decisions.item[turned], decisions.time[turned])
    whole = as_of(history, decisions)
    monkeypatch.setattr("recsys.features.offline.CHUNK", 7)
    assert np.array_equal(bits(whole[turned]), bits(as_of(history, other)))


def test_where_the_facts_do_not_say_everybody_paid_the_public_price():
    history = a_history(8)
    acts, catalogue = history.interactions, history.catalogue
    unsaid = np.full(len(acts), -1)
    filled = Payments(unsaid, unsaid).filled(acts, catalogue.prices, catalogue.list_price)
    for k in range(len(acts)):
        bought = ACTIONS[acts.action[k]] in ("purchase", "gift")
        assert filled.paid[k] == (catalogue.prices.at(acts.item[[k]], acts.time[[k]])[0] if bought else -1)
        assert filled.listed[k] == (catalogue.list_price[acts.item[k]] if bought else -1)


def test_decisions_and_items_that_are_not_there_are_refused():
    history = a_history(10)
    one = np.array([0])
    with pytest.raises(DataError, match="a decision has item 99, must be a place from 0 to 4"):
        as_of(history, Decisions(one, np.array([99]), one))
    with pytest.raises(DataError, match="a decision has user -2"):
        as_of(history, Decisions(np.array([-2]), one, one))
    other = replace(history.catalogue, ids=tuple("abcde"))
    with pytest.raises(DataError, match="Read both from one workspace"):
        as_of(replace(history, catalogue=other), Decisions(one, one, one))


def test_a_hundred_thousand_rows_take_less_than_three_seconds():
    history = a_history(11, users=5_000, items=2_000, acts=200_000, days=200, coarse=False)
    decisions = some_decisions(history, 12, 100_000, coarse=False)
    begun = clock.process_time()
    made = as_of(history, decisions)
    assert clock.process_time() - begun < 3
    assert made.shape == (100_000, len(NAMES)) and made.dtype == np.float32
