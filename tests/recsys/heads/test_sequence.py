"""The encoder as a head: it reads order where there is one, and shares the work with the linear heads by validation."""

import time
from dataclasses import replace

import numpy as np
import pytest

from recsys.encoder.recipe import Recipe
from recsys.errors import HeadError
from recsys.evaluation.comparison import run
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.split import Sides, Split
from recsys.heads.hybrid import POWERS, SHARES, Hybrid
from recsys.heads.sequence import Sequence
from recsys.interactions import Interactions

ITEMS = 60


def chains(*, ordered: bool = True) -> Split:
    """400 people of 4 to 9 acts, each on the item 7 after the one before; only the order tells which is next."""
    rng = np.random.default_rng(2)
    user, item = [], []
    for person in range(400):
        start, long = int(rng.integers(ITEMS)), int(rng.integers(4, 10))
        user += [person] * long
        item += [(start + 7 * step) % ITEMS for step in range(long)]
    names = [f"u{each}" for each in range(400)], [f"i{each}" for each in range(ITEMS)]
    data = Interactions.of(*names, np.array(user), np.array(item), np.full(len(user), 3), np.arange(len(user)))
    from_end = data.starts[data.user + 1] - 1 - np.arange(len(data))
    parts = [data.keep(rows) for rows in (from_end > 1, from_end == 1, from_end == 0)]
    return Split("chains", "the last act is the test, the one before it validation", *parts, ordered=ordered)


def fitted(kind, split):
    return kind().fit(split.train, split.context(60), np.random.default_rng(1))


def test_order_is_read_where_there_is_one():
    ordered, any_order = (
        evaluate(fitted(Sequence, split), split, "validation") for split in (chains(), chains(ordered=False))
    )
    assert ordered["recall@5"].mean > 0.9
    assert ordered["ndcg@5"].lower > any_order["ndcg@5"].upper


def test_a_refit_reads_the_acts_that_validation_held():
    split = chains()
    one, everybody = fitted(Sequence, split), np.arange(400)

    def found(part, known):
        scores = one.scores(everybody)
        scores[known.user, known.item] = -np.inf
        return (scores.argmax(axis=1) == part.item).mean()

    assert found(split.validation, split.train) > 0.6 > 0.2 > found(split.test, split.train)
    known = split.question("test").known
    one.refit(known, replace(split.context(60), validation=None), np.random.default_rng(2))
    assert found(split.test, known) > 0.6


def genres() -> Split:
    """300 people who keep to one of 6 genres; six items have no act before validation, six others none before the test."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng(3)
    user = np.repeat(np.arange(300), 8)
    item = rng.integers(0, 10, len(user)) * 6 + user % 6
    names = [f"u{each}" for each in range(300)], [f"i{each}" for each in range(ITEMS)]
    data = Interactions.of(*names, user, item, np.full(len(user), 3), np.arange(len(user)))
    parts = [data.keep(rows) for rows in (data.item >= 12, data.item < 6, (data.item >= 6) & (data.item < 12))]
    attributes = csr_array((np.arange(ITEMS)[:, None] % 6 == np.arange(6)).astype(np.float32))
    return Split(
        "genres", "new items are asked for", *parts, refit=False, ordered=False, sides=Sides(attributes=attributes)
    )


def test_new_items_have_the_lead_that_validation_asks_for():
    split = genres()
    one = fitted(Sequence, split)
    assert one.lead > 0
    with_lead = evaluate(one, split)
    # Of the 12 items without acts two are of the person's genre, and one of those is wanted.
    assert with_lead["recall@5"].mean > 0.9
    one.lead = 0.0
    assert evaluate(one, split)["ndcg@5"].mean < with_lead["ndcg@5"].mean


def test_the_encoders_share_is_the_one_that_validation_likes_best():
    split = chains()
    one = fitted(Hybrid, split)
    assert one.share > 0
    best = evaluate(one, split, "validation")["ndcg@20"].mean
    alone = evaluate(one._linear, split, "validation")["ndcg@20"]
    assert alone.upper < best
    for one.share in SHARES:
        for one.power in POWERS:
            assert evaluate(one, split, "validation")["ndcg@20"].mean <= best + 1e-9


@pytest.mark.parametrize("kind", [Sequence, Hybrid])
def test_a_head_that_trains_until_its_budget_is_spent_keeps_it(kind):
    """It would train for minutes; what it has by then is served, not refused, and it has learnt again from all acts."""
    import torch  # noqa: F401  (importing it is no training)

    endless = Recipe(patience=10_000, rounds=10_000)
    begun = time.process_time()
    found = run(kind(recipe=endless), chains(), seconds=8)
    assert 8 * 0.6 < found.seconds < 8 and time.process_time() - begun < 12
    assert found.test["recall@5"].mean > 0.6


def test_scores_of_a_head_that_was_not_fitted_are_refused():
    one = Sequence()
    with pytest.raises(HeadError, match="not fitted"):
        one._fitted()
