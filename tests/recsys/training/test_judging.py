"""What the card says of recall: never a figure that any model would have."""

import numpy as np
import pytest

from recsys.interactions import Interactions
from recsys.training.judging import Future, in_words


def a_future(people, items, seed):
    generator = np.random.default_rng(seed)
    had, wanted = generator.random((people, items)) < 0.1, generator.random((people, items)) < 0.1
    nothing = np.zeros(0, np.int64)
    past = Interactions.__new__(Interactions)
    return Future(past, nothing, wanted & ~had, had), generator.random((people, items))


def plain_recall(future, scores, depth):
    shares = []
    for had, wanted, row in zip(future.had, future.wanted, scores, strict=True):
        new = [item for item in np.argsort(-row) if not had[item]][:depth]
        if wanted.any():
            shares.append(sum(wanted[item] for item in new) / wanted.sum())
    return np.mean(shares)


def test_recall_is_the_share_of_new_items_among_the_best():
    future, scores = a_future(40, 80, 1)
    found = future.recalls(scores)
    for depth in (10, 50):
        assert found[f"recall@{depth}"] == pytest.approx(plain_recall(future, scores, depth), abs=1e-12)


def test_a_depth_that_holds_the_whole_shop_has_no_recall():
    future, scores = a_future(40, 30, 2)
    found = future.recalls(scores)
    assert found["recall@50"] is None and found["recall@50_error"] is None
    assert 0 < found["recall@10"] < 1
    assert "recall@50 not known" in in_words(found, found) and "recall@10 0." in in_words(found, found)
