"""Places and metrics against a slow plain version, and against sums worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import DataError, HeadError
from recsys.interactions import Interactions
from recsys.measures.metrics import MEASURES, MeanOverUsers, Measure, per_user
from recsys.measures.positions import places, positions
from recsys.measures.question import Question


def acts(pairs: list[tuple[int, int]], users: int, items: int) -> Interactions:
    user, item = np.asarray(pairs, np.int64).reshape(-1, 2).T
    names = [str(u) for u in range(users)], [str(i) for i in range(items)]
    return Interactions.of(*names, user, item, np.full(len(user), 3), np.arange(len(user)))


class Fixed:
    """Scores that are given; no Head, lest it be known as one."""

    name = "fixed"

    def __init__(self, table: np.ndarray) -> None:
        self.table = table

    def scores(self, users):
        return self.table[users]


def plain_places(scores: np.ndarray, seen: set, wanted: list, deepest: int) -> dict:
    """Sorts each row whole: best score first, and of equals those that are not wanted first."""
    found = {}
    for user in {u for u, _ in wanted}:
        mine = {i for u, i in wanted if u == user}
        order = sorted((-scores[user, i], i in mine, i) for i in range(scores.shape[1]) if (user, i) not in seen)
        for place, (_, is_wanted, item) in enumerate(order, start=1):
            if is_wanted:
                found[user, item] = place if place <= deepest else 0
    return found


@given(seed=st.integers(0, 10_000), levels=st.sampled_from([1, 3, 1000]), deepest=st.sampled_from([1, 3, 12, 50]))
def test_places_equal_those_of_a_whole_sort_with_ties_against_the_model(seed, levels, deepest):
    rng = np.random.default_rng(seed)
    users, items = 6, 12
    table = rng.integers(0, levels, (users, items)).astype(np.float32)
    part = rng.integers(0, 3, (users, items))
    seen, wanted = (list(zip(*np.nonzero(part == k), strict=True)) for k in (1, 2))
    if not wanted:
        return
    question = Question(*(acts(pairs, users, items) for pairs in (seen, seen, wanted)))
    found = positions(Fixed(table), question, deepest)
    expected = plain_places(table, set(seen), wanted, deepest)
    assert {(u, i): p for u, i, p in zip(question.wanted.user, question.wanted.item, found, strict=True)} == expected


def test_a_model_that_scores_all_items_alike_finds_nothing():
    question = Question(*(acts(pairs, 1, 200) for pairs in ([(0, 0)], [(0, 0)], [(0, 5), (0, 6)])))
    assert positions(Fixed(np.zeros((1, 200), np.float32)), question, 50).tolist() == [0, 0]
    assert positions(Fixed(np.zeros((1, 200), np.float32)), question, 200).tolist() == [198, 199]


def test_an_item_that_may_not_be_recommended_has_no_place_and_takes_none():
    table = np.arange(10, dtype=np.float32)[None]
    allowed = np.arange(10) < 8
    question = Question(*(acts(pairs, 1, 10) for pairs in ([(0, 7)], [(0, 7)], [(0, 6), (0, 9)])), candidates=allowed)
    assert positions(Fixed(table), question, 5).tolist() == [1, 0]


def test_batches_of_any_size_find_the_same_places(monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 30)).astype(np.float32)
    part = rng.integers(0, 4, (40, 30))
    seen, wanted = (list(zip(*np.nonzero(part == k), strict=True)) for k in (1, 2))
    question = Question(*(acts(pairs, 40, 30) for pairs in (seen, seen, wanted)))
    whole = positions(Fixed(table), question, 10)
    monkeypatch.setattr("recsys.measures.positions._BATCH_BYTES", 3 * 4 * 30)
    assert (positions(Fixed(table), question, 10) == whole).all() and whole.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_a_number_is_refused(bad):
    table = np.zeros((2, 5), np.float32)
    table[1, 3] = bad
    question = Question(*(acts(pairs, 2, 5) for pairs in ([(1, 0)], [(1, 0)], [(1, 1)])))
    with pytest.raises(HeadError, match="user 1 is not finite"):
        positions(Fixed(table), question, 3)
    with pytest.raises(HeadError, match="shape"):
        positions(Fixed(np.zeros((2, 4), np.float32)), question, 3)


def test_metrics_equal_sums_worked_by_hand():
    # User 0 wants three items, found at 1, 4 and nowhere; user 1 wants one, found at 2; user 2 one, nowhere.
    values = per_user(
        np.array([0, 0, 0, 1, 2]), np.array([1, 4, 0, 2, 0]), [Measure(k, 3) for k in ("recall", "hit_rate", "ndcg")]
    )
    assert values[Measure("recall", 3)] == pytest.approx([1 / 3, 1, 0])
    assert values[Measure("hit_rate", 3)] == pytest.approx([1, 1, 0])
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert values[Measure("ndcg", 3)] == pytest.approx([1 / ideal, 1 / np.log2(3), 0])


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ndcg_equals_that_of_another_library(seed):
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(seed)
    scores = rng.permutation(30).astype(np.float32)
    wanted = np.sort(rng.choice(30, rng.integers(1, 12), replace=False))
    place = places(scores[None], np.zeros(len(wanted), int), wanted, 10)
    relevant = np.isin(np.arange(30), wanted).astype(float)
    ours = per_user(np.zeros(len(wanted), int), place, [Measure("ndcg", 10)])[Measure("ndcg", 10)][0]
    assert ours == pytest.approx(ndcg_score(relevant[None], scores[None], k=10), rel=1e-12)


@given(seed=st.integers(0, 10_000))
def test_metrics_lie_between_0_and_1_and_grow_with_depth_where_they_must(seed):
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(0, 5, 40))
    place = np.concatenate([rng.permutation(60)[: np.sum(user == u)] for u in range(5)])
    values = per_user(user, np.where(place > 50, 0, place))
    for measure in MEASURES:
        assert (values[measure] >= 0).all() and (values[measure] <= 1 + 1e-12).all()
    for kind in ("recall", "hit_rate"):
        assert (np.diff([values[Measure(kind, k)] for k in (5, 10, 20, 50)], axis=0) >= 0).all()


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng, covered, runs = np.random.default_rng(1), 0, 2_000
    for _ in range(runs):
        found = MeanOverUsers.of((rng.random(400) < 0.1).astype(float))
        covered += found.lower <= 0.1 <= found.upper
    from scipy.stats import binomtest

    # Summed over the binomial distribution of 400 users at a rate of 0.1, the normal interval covers in 94.94 %.
    assert binomtest(covered, runs, 0.9494).pvalue > 0.001


@pytest.mark.parametrize("text", ["ndcg", "ndcg@", "ndcg@0", "map@10", "recall@x"])
def test_a_metric_that_is_not_known_is_refused(text):
    with pytest.raises(DataError, match="is not known"):
        Measure.parse(text)
