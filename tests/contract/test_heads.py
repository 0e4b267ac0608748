"""What every head must keep: a new file in recsys/heads is tested the day it is added."""

import inspect
from dataclasses import replace

import numpy as np
import pytest

from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.split import Split
from recsys.heads import Context, head, known_heads
from recsys.interactions import Interactions

every = pytest.mark.parametrize("name", known_heads())
USERS, ITEMS, CIRCLES = 120, 40, 4


def acts(user, item) -> Interactions:
    names = [f"u{u}" for u in range(USERS)], [f"i{i}" for i in range(ITEMS)]
    return Interactions.of(*names, np.asarray(user), np.asarray(item), np.full(len(user), 3), np.arange(len(user)))


def circles(seed: int = 0) -> Split:
    """Four circles of users, each with ten items of its own: whoever sees the circles knows what is next."""
    rng = np.random.default_rng(seed)
    rows = [(u, u % CIRCLES * 10 + int(i)) for u in range(USERS) for i in rng.permutation(10)[:8]]
    user, item = np.asarray(rows).T
    place = np.arange(len(user)) % 8
    parts = [acts(user[m], item[m]) for m in (place < 6, place == 6, place == 7)]
    return Split("circles", "drawn", *parts)


def context(split: Split, **changes) -> Context:
    from scipy.sparse import csr_array

    friends = csr_array((np.arange(USERS)[:, None] % CIRCLES == np.arange(USERS) % CIRCLES).astype(np.float32))
    attributes = csr_array((np.arange(ITEMS)[:, None] // 10 == np.arange(CIRCLES)).astype(np.float32))
    return replace(split.context(seconds=60), friends=friends, attributes=attributes, **changes)


def fitted(name: str, split: Split, seed: int = 0):
    return head(name)().fit(split.train, context(split), np.random.default_rng(seed))


@every
def test_scores_are_finite_one_row_a_user_and_one_column_an_item(name):
    split = circles()
    one = fitted(name, split)
    for users in (np.arange(USERS), np.array([7]), np.array([5, 3, 5])):
        scores = one.scores(users)
        assert scores.shape == (len(users), ITEMS) and scores.dtype == np.float32 and np.isfinite(scores).all()


@every
def test_a_user_has_the_same_scores_alone_and_among_others(name):
    one = fitted(name, circles())
    together, alone = one.scores(np.arange(USERS)), np.concatenate([one.scores(np.array([u])) for u in range(20)])
    assert together[:20] == pytest.approx(alone, rel=1e-4, abs=1e-5)


@every
def test_scores_that_a_caller_changes_do_not_change_the_head(name):
    one = fitted(name, circles())
    before = one.scores(np.arange(10)).copy()
    one.scores(np.arange(10))[:] = 0
    assert (one.scores(np.arange(10)) == before).all()


@every
def test_the_same_seed_gives_the_same_fit_and_a_head_that_is_not_random_any_seed(name):
    split = circles()
    scores = [fitted(name, split, seed).scores(np.arange(USERS)) for seed in (1, 1, 2)]
    assert (scores[0] == scores[1]).all()
    assert head(name).random or (scores[0] == scores[2]).all()


@every
def test_a_head_that_learns_finds_the_next_item_of_a_circle(name):
    split = circles()
    found = evaluate(fitted(name, split), split, "validation")["recall@5"].mean
    # Four of a circle's items are new to its user: a head that knows circles alone has them all among its first five.
    assert found == 1 if name not in ("popularity", "sequence") else found >= 0.05


@every
def test_a_head_learns_again_from_more_acts_without_validation(name):
    split = circles()
    one = fitted(name, split)
    again = one.refit(split.question("test").known, context(split, validation=None), np.random.default_rng(0))
    assert evaluate(again, split)["recall@5"].mean >= (0.05 if name in ("popularity", "sequence") else 0.99)


@every
def test_a_head_can_be_fitted_where_some_users_and_items_have_no_acts(name):
    split = circles()
    some = split.train.keep((split.train.user >= 10) & (split.train.item >= 3))
    one = head(name)().fit(some, context(split), np.random.default_rng(0))
    assert np.isfinite(one.scores(np.arange(USERS))).all()


@every
def test_it_says_in_a_docstring_what_it_is(name):
    assert inspect.getdoc(head(name))
