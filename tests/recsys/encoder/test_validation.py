"""What is held out tells nothing of itself, and what is measured is what a plain count says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.encoder.training import train
from recsys.encoder.validation import Validation, held_out, vectors_of_people
from recsys.interactions import Interactions
from tests.recsys.encoder.sample import a_task


def random_acts(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, 200))
    names = [f"u{k}" for k in range(12)], [f"i{k}" for k in range(9)]
    return Interactions.of(
        *names, rng.integers(0, 12, n), rng.integers(0, 9, n), rng.integers(0, 5, n), rng.integers(0, 50, n)
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), ordered=st.booleans(), target=st.sampled_from([None, "purchase"]))
def test_nothing_that_is_left_tells_of_what_is_held_out(seed, ordered, target):
    data = random_acts(seed)
    rows = held_out(data, ordered, target, np.random.default_rng(seed))
    left, held = data.keep(~rows), data.keep(rows)
    for user in np.unique(held.user):
        mine, past = held.user == user, left.user == user
        new = set(held.item[mine].tolist()) - set(left.item[past].tolist())
        assert new
        if ordered:
            assert left.time[past].max(initial=-1) <= held.time[mine].min()
        else:
            assert len(set(held.item[mine].tolist())) == 1 and new == set(held.item[mine].tolist())
    assert len(np.unique(held.user)) <= 4


def test_the_quality_is_what_a_plain_count_says():
    task = a_task(rounds=1)
    encoder = train(task).encoder
    validation = task.validation
    gains = []
    for user in np.unique(validation.held.user):
        seen = set(validation.data.item[validation.data.user == user].tolist())
        acts = np.flatnonzero(validation.held.user == user)
        wanted = {int(item) for item in validation.held.item[acts]} - seen
        if not wanted:
            continue
        now = np.array([validation.held.time[acts[0]]])
        scores = (vectors_of_people(encoder, validation.data, np.array([user]), now) @ encoder.vectors.T)[0]
        open_to = [item for item in range(60) if item not in seen]
        ranks = [1 + sum(scores[other] >= scores[item] for other in open_to if other != item) for item in wanted]
        ideal = sum(1 / np.log2(1 + rank) for rank in range(1, len(wanted) + 1))
        gains.append(sum(1 / np.log2(1 + rank) for rank in ranks) / ideal)
    assert len(gains) > 200
    assert validation.quality(encoder) == pytest.approx(np.mean(gains), abs=1e-6)


def test_equal_scores_count_against_the_encoder():
    task = a_task()
    encoder = train(a_task(rounds=1)).encoder
    flat = type(encoder)(encoder.shape, encoder.items, encoder.weights, np.ones_like(encoder.vectors), "flat")
    # All 60 items are tied: whatever is wanted stands last among those not seen.
    assert Validation(task.validation.data, task.validation.held).quality(flat) < 0.2
