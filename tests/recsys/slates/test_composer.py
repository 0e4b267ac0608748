"""Slates keep their rules, and every propensity is the exact chance with which the place was drawn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recsys.slates.candidates import Candidates
from recsys.slates.composer import chances_of, compose, relaxed_rules
from recsys.slates.draws import uniforms
from recsys.slates.rules import Exploration, Rules, SlateError
from tests.recsys.slates.plain_slates import plain_slate


def some(
    rng: np.random.Generator, requests: int, items: int, *, publishers: int = 6, eligible: float = 0.9
) -> Candidates:
    vectors = rng.normal(size=(requests, items, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return Candidates(
        value=rng.lognormal(size=(requests, items)),
        eligible=rng.random((requests, items)) < eligible,
        publisher=rng.integers(0, publishers, (requests, items)),
        first_party=rng.random((requests, items)) < 0.25,
        vectors=vectors,
    )


def seeds_of(rng: np.random.Generator, requests: int) -> np.ndarray:
    return rng.integers(0, 2**63, requests).astype(np.uint64)


def row_of(candidates: Candidates, row: int, items: int | None = None) -> Candidates:
    return Candidates(
        candidates.value[row : row + 1, :items],
        candidates.eligible[row : row + 1, :items],
        candidates.publisher[row : row + 1, :items],
        candidates.first_party[row : row + 1, :items],
        None if candidates.vectors is None else candidates.vectors[row : row + 1, :items],
    )


RULES = Rules(row=4, per_publisher=2, first_party=0.2, third_party=0.5)
EXPLORATION = Exploration(epsilon=0.1, temperature=0.3, top=15, diversity=0.7)


def test_the_arrays_give_the_same_slates_as_the_plain_loop():
    rng = np.random.default_rng(1)
    for _ in range(12):
        candidates = some(rng, 3, int(rng.integers(1, 40)), publishers=int(rng.integers(1, 8)))
        candidates = replace(candidates, vectors=candidates.vectors.astype(np.float64))
        seeds = seeds_of(rng, 3)
        fast = compose(candidates, RULES, EXPLORATION, size=12, seeds=seeds)
        for row in range(3):
            chosen, chances, scores, counts, relaxed = plain_slate(
                row_of(candidates, row), RULES, EXPLORATION, uniforms(seeds[row : row + 1], 12)[0]
            )
            assert fast.chosen[row].tolist() == chosen
            assert fast.propensity[row] == pytest.approx(chances, rel=1e-9)
            assert fast.score[row] == pytest.approx(scores, rel=1e-9, nan_ok=True)
            assert fast.candidates[row].tolist() == counts
            assert fast.relaxed[row].tolist() == relaxed


def test_one_request_alone_gets_the_slate_that_it_gets_among_many_to_the_last_bit():
    rng = np.random.default_rng(2)
    many = some(rng, 40, 120)
    padded = np.array([int(rng.integers(20, 120)) for _ in range(40)])
    many.eligible[np.arange(120) >= padded[:, None]] = False
    seeds = seeds_of(rng, 40)
    together = compose(many, RULES, EXPLORATION, size=16, seeds=seeds)
    for row in range(40):
        alone = compose(row_of(many, row, padded[row]), RULES, EXPLORATION, size=16, seeds=seeds[row : row + 1])
        assert np.array_equal(alone.chosen[0], together.chosen[row])
        assert np.array_equal(alone.propensity[0], together.propensity[row])


def test_the_same_seed_gives_the_same_slate_and_a_short_slate_is_the_beginning_of_a_long_one():
    rng = np.random.default_rng(3)
    candidates, seeds = some(rng, 20, 60), seeds_of(rng, 20)
    long = compose(candidates, RULES, EXPLORATION, size=20, seeds=seeds)
    short = compose(candidates, RULES, EXPLORATION, size=7, seeds=seeds)
    assert np.array_equal(long.chosen[:, :7], short.chosen)
    assert np.array_equal(long.propensity[:, :7], short.propensity)
    other = compose(candidates, RULES, EXPLORATION, size=20, seeds=seeds + np.uint64(1))
    assert not np.array_equal(long.chosen, other.chosen)


def test_a_logged_slate_has_the_same_chances_when_it_is_given():
    rng = np.random.default_rng(4)
    candidates, seeds = some(rng, 30, 50, eligible=0.2), seeds_of(rng, 30)
    drawn = compose(candidates, RULES, EXPLORATION, size=14, seeds=seeds)
    given_ = chances_of(candidates, RULES, EXPLORATION, drawn.chosen)
    assert np.array_equal(drawn.propensity, given_.propensity)
    assert np.array_equal(drawn.chosen, given_.chosen)


def test_what_a_policy_could_not_have_shown_has_no_chance():
    candidates = some(np.random.default_rng(5), 1, 10, eligible=1.0)
    candidates.eligible[0, 3] = False
    assert chances_of(candidates, RULES, EXPLORATION, np.array([[3]])).propensity[0, 0] == 0
    twice = chances_of(candidates, Rules(per_publisher=9), EXPLORATION, np.array([[2, 2]]))
    assert twice.propensity[0, 0] > 0 and twice.propensity[0, 1] == 0


def test_drawn_frequencies_are_the_logged_propensities_at_the_first_and_the_second_place():
    runs = 40_000
    one = some(np.random.default_rng(6), 1, 12, eligible=1.0)
    many = Candidates(
        *(
            np.repeat(getattr(one, name), runs, axis=0)
            for name in ("value", "eligible", "publisher", "first_party", "vectors")
        )
    )
    rules = Rules(row=3, per_publisher=1)
    drawn = compose(many, rules, EXPLORATION, size=2, seeds=np.arange(runs, dtype=np.uint64), keep_chances=True)
    first = drawn.chances[0, 0]
    counts = np.bincount(drawn.chosen[:, 0], minlength=12)
    assert stats.chisquare(counts[first > 0], first[first > 0] * runs).pvalue > 1e-3
    for leader in np.argsort(-counts)[:3]:
        rows = np.flatnonzero(drawn.chosen[:, 0] == leader)
        second = drawn.chances[rows[0], 1]
        counts_after = np.bincount(drawn.chosen[rows, 1], minlength=12)
        assert counts_after[second == 0].sum() == 0
        assert stats.chisquare(counts_after[second > 0], second[second > 0] * len(rows)).pvalue > 1e-3


def test_the_uniform_numbers_are_uniform_and_unrelated_over_seeds_and_places():
    draws = uniforms(np.arange(20_000, dtype=np.uint64), 8)
    assert draws.min() >= 0 and draws.max() < 1
    assert all(stats.kstest(draws[:, place], "uniform").pvalue > 1e-3 for place in range(8))
    related = np.corrcoef(draws.T)[np.triu_indices(8, 1)]
    assert np.abs(related).max() < 4.5 / np.sqrt(20_000)
    assert np.abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 4.5 / np.sqrt(20_000)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    items=st.integers(0, 30),
    size=st.integers(1, 14),
    row=st.integers(1, 6),
    most=st.integers(1, 4),
    first=st.sampled_from([0.0, 0.1, 0.25, 0.5]),
    third=st.sampled_from([0.0, 0.3, 0.5]),
    top=st.integers(1, 30),
)
def test_rules_always_hold_or_the_slate_says_which_gave_way(seed, items, size, row, most, first, third, top):
    rng = np.random.default_rng(seed)
    candidates = some(rng, 4, items, publishers=int(rng.integers(1, 9)), eligible=float(rng.random()))
    rules = Rules(row=row, per_publisher=most, first_party=first, third_party=third)
    exploration = Exploration(epsilon=0.2, temperature=0.5, top=top, diversity=0.3)
    made = compose(candidates, rules, exploration, size=size, seeds=seeds_of(rng, 4), keep_chances=True)
    for r in range(4):
        stands = made.chosen[r][made.chosen[r] >= 0]
        assert len(stands) == min(size, candidates.eligible[r].sum())
        assert len(set(stands.tolist())) == len(stands)
        assert candidates.eligible[r, stands].all()
        filled = np.arange(size) < len(stands)
        assert (made.propensity[r][filled] >= exploration.floor - 1e-12).all()
        assert (made.propensity[r][~filled] == 0).all()
        assert made.chances[r][filled].sum(axis=1) == pytest.approx(1)
        assert ((made.chances[r] > 0).sum(axis=1) == made.candidates[r]).all()
        own, publisher = candidates.first_party[r, stands], candidates.publisher[r, stands]
        for k in range(len(stands)):
            gave_way = made.relaxed[r, k]
            if gave_way < 1:
                assert own[: k + 1].sum() >= int(first * (k + 1) + 1e-9)
                assert (~own[: k + 1]).sum() >= int(third * (k + 1) + 1e-9)
            if own[k]:
                continue
            same = ~own[:k] & (publisher[:k] == publisher[k])
            if gave_way < 2:
                assert not same[: k - k % row].any()
            if gave_way < 3:
                assert same.sum() < most


def test_rules_give_way_in_their_order_and_only_where_they_must():
    value = np.arange(6, 0, -1.0)[None]
    everything, nobody = np.ones((1, 6), bool), np.zeros((1, 6), bool)
    same, unlike = np.zeros((1, 6), int), np.arange(6)[None]
    seeds = np.array([1], np.uint64)

    def relaxed(publisher: np.ndarray, rules: Rules) -> tuple[str, ...]:
        made = compose(Candidates(value, everything, publisher, nobody), rules, EXPLORATION, size=6, seeds=seeds)
        return relaxed_rules(made.relaxed[0])

    assert relaxed(unlike, Rules(row=3, per_publisher=1)) == ()
    assert relaxed(unlike, Rules(row=3, per_publisher=1, first_party=0.2)) == ("party",)
    assert relaxed(same, Rules(row=3, per_publisher=6)) == ("party", "row")
    assert relaxed(same, Rules(row=6, per_publisher=5)) == ("party", "row", "publisher")


def test_a_likeness_penalty_makes_slates_less_alike():
    rng = np.random.default_rng(8)
    candidates, seeds = some(rng, 300, 60), seeds_of(rng, 300)

    def alike(diversity: float) -> float:
        exploration = Exploration(epsilon=0.05, temperature=0.1, top=40, diversity=diversity)
        chosen = compose(candidates, Rules(), exploration, size=10, seeds=seeds).chosen
        shown = np.take_along_axis(candidates.vectors, chosen[:, :, None], 1)
        return float(np.mean([(row @ row.T)[np.triu_indices(10, 1)].mean() for row in shown]))

    assert alike(2.0) < alike(0.5) < alike(0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rules(row=0), "row == 0, must be 1 or more"),
        (lambda: Rules(first_party=0.7, third_party=0.6), r"first_party \+ third_party == 1.3, must be at most 1"),
        (lambda: Exploration(epsilon=0), "epsilon == 0, must be in"),
        (lambda: Exploration(temperature=0), "temperature == 0, must be above 0"),
        (
            lambda: Candidates(
                np.full((1, 1), np.nan), np.ones((1, 1), bool), np.zeros((1, 1), int), np.zeros((1, 1), bool)
            ),
            "not finite",
        ),
        (
            lambda: Candidates(np.ones((1, 2)), np.ones((1, 1), bool), np.zeros((1, 2), int), np.zeros((1, 2), bool)),
            "shape",
        ),
    ],
)
def test_what_is_not_possible_is_refused_with_the_value_found(make, message):
    with pytest.raises(SlateError, match=message):
        make()
