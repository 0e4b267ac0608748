"""What is learnt from, chosen by and judged on never mixes, under every protocol."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import DataError
from recsys.evaluation.protocols import PROTOCOLS, split
from recsys.evaluation.sources import Source
from recsys.interactions import ACTIONS, Interactions

PURCHASE, CART = ACTIONS.index("purchase"), ACTIONS.index("cart")


def source(rows, *, users=20, items=30, target=None, test=None, ordered=True) -> Source:
    """From (user, item) or (user, item, action) rows in order of time."""
    return Source(
        "made",
        acts(rows, users, items),
        test=acts(test, users, items) if test else None,
        target=target,
        ordered=ordered,
    )


def acts(rows, users, items) -> Interactions:
    columns = np.asarray([(*row, PURCHASE)[:3] for row in rows]).T
    names = [f"u{u}" for u in range(users)], [f"i{i}" for i in range(items)]
    return Interactions.of(*names, *columns, np.arange(len(rows)))


def pairs(part: Interactions) -> list[tuple[int, int]]:
    return list(zip(part.user.tolist(), part.item.tolist(), strict=True))


def drawn(seed: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(seed)
    return [(u, int(i)) for u in range(20) for i in rng.permutation(30)[: rng.integers(1, 25)]]


def test_leave_one_out_holds_out_the_last_two_acts_of_users_who_have_three():
    found = split(source([(0, 5), (1, 7), (0, 6), (0, 4), (1, 8), (2, 9), (0, 9)]), "leave_one_out")
    assert pairs(found.test) == [(0, 9)] and pairs(found.validation) == [(0, 4)]
    assert pairs(found.train) == [(0, 5), (0, 6), (1, 7), (1, 8), (2, 9)]
    assert pairs(found.question("test").known) == [(0, 5), (0, 6), (0, 4), (1, 7), (1, 8), (2, 9)]


def test_leave_one_out_with_a_target_lets_nothing_of_after_the_purchase_through():
    rows = [(0, 1), (0, 2, CART), (0, 3), (0, 4, CART), (0, 5), (0, 6, CART), (1, 1), (1, 2), (1, 3)]
    found = split(source(rows, target="purchase"), "leave_one_out")
    assert pairs(found.test)[:1] == [(0, 5)] and pairs(found.validation)[:2] == [(0, 3), (0, 4)]
    assert (0, 6) not in pairs(found.train) + pairs(found.validation) + pairs(found.test)
    assert pairs(found.question("validation").wanted) == [(0, 3), (1, 2)]


def test_a_carted_item_can_be_found_as_a_purchase_but_a_bought_one_not():
    rows = [(0, 1), (0, 2, CART), (0, 3), (0, 2), (1, 1), (1, 2), (1, 3), (1, 1)]
    asked = split(source(rows, target="purchase"), "leave_one_out").question("test")
    assert pairs(asked.wanted) == [(0, 2)]
    assert (0, 2) not in pairs(asked.seen)


@given(seed=st.integers(0, 1_000))
def test_ratio_split_rounds_as_its_paper_does_and_loses_nothing(seed):
    rows = drawn(seed)
    found = split(source(rows), "ratio_split", seed)
    assert sorted(pairs(found.train) + pairs(found.validation) + pairs(found.test)) == sorted(rows)
    # The published figures of this protocol were learnt from train alone, and leave out what validation holds.
    asked = found.question("test")
    assert pairs(asked.known) == pairs(found.train) and len(asked.seen) == len(found.train) + len(found.validation)
    for user in range(20):
        total = sum(u == user for u, _ in rows)
        sizes = [sum(part.user == user) for part in (found.train, found.validation, found.test)]
        # RecBole's own loop, written out.
        expected = [0, int(0.1 * total), int(0.1 * total)]
        expected[0] = total - sum(expected)
        for k in (2, 1):
            if expected[0] <= 1:
                break
            if 0 < 0.1 * total < 1:
                expected[k] += 1
                expected[0] -= 1
        assert sizes == expected


def test_every_item_of_a_user_is_as_likely_to_be_in_the_test():
    from scipy.stats import chisquare

    rows = [(u, i) for u in range(20) for i in range(10)]
    counts = sum(
        np.bincount(split(source(rows, items=10), "ratio_split", seed).test.item, minlength=10) for seed in range(300)
    )
    assert chisquare(counts).pvalue > 0.001


@settings(deadline=None)
@given(seed=st.integers(0, 200), protocol=st.sampled_from(PROTOCOLS))
def test_what_is_wanted_was_not_known_and_is_wanted_once(seed, protocol):
    rows = drawn(seed)
    test = rows[::5] if protocol == "given_split" else None
    found = split(source([row for row in rows if not test or row not in test], test=test), protocol, seed)
    for name in ("validation", "test"):
        question = found.question(name)
        wanted = pairs(question.wanted)
        assert not set(wanted) & set(pairs(question.known)) and not set(wanted) & set(pairs(question.seen))
        assert len(set(wanted)) == len(wanted)
    # What is judged on the test never was in train or in validation.
    assert not set(pairs(found.test)) & set(pairs(found.train) + pairs(found.validation))


@given(seed=st.integers(0, 200))
def test_left_out_items_have_no_act_that_could_be_learnt_from(seed):
    found, ranked_all = (split(source(drawn(seed)), name, seed) for name in ("new_items", "leave_items_out"))
    assert pairs(found.test) == pairs(ranked_all.test) and ranked_all.question("test").candidates is None
    for name in ("validation", "test"):
        question = found.question(name)
        assert set(question.wanted.item) <= set(np.flatnonzero(question.candidates))
        assert not set(question.known.item) & set(np.flatnonzero(question.candidates))
        assert set(question.wanted.user) <= set(question.known.user)


def test_the_validation_that_is_drawn_from_a_given_train_is_the_same_each_time_and_a_tenth():
    rows = [(u, i) for u in range(200) for i in range(20)]
    cut = [split(source(rows, users=200, test=[(0, 25)]), "given_split", seed) for seed in (0, 1)]
    assert pairs(cut[0].validation) == pairs(cut[1].validation)
    from scipy.stats import binomtest

    assert binomtest(len(cut[0].validation), len(rows), 0.1).pvalue > 0.001


def test_nothing_tells_of_validations_acts_where_nothing_tells_of_the_tests():
    rows = [(u, i, action) for u in range(200) for i in range(10) for action in (CART, PURCHASE)]
    blind = split(source(rows, users=200, target="purchase", test=[(0, 25)]), "given_split")
    assert not set(pairs(blind.train)) & set(pairs(blind.validation))
    assert len(blind.train) + len(blind.validation) == len(rows)
    told = split(source([*rows, (0, 25, CART)], users=200, target="purchase", test=[(0, 25)]), "given_split")
    assert set(pairs(told.train)) >= set(pairs(told.validation))


@pytest.mark.parametrize(
    ("protocol", "test", "message"),
    [
        ("given_split", None, "needs train and test files"),
        ("leave_one_out", [(0, 3)], "comes with its own test acts; use --protocol given_split"),
        ("holdout", None, "is not known; known: leave_one_out"),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused(protocol, test, message):
    with pytest.raises(DataError, match=message):
        split(source([(0, 1), (0, 2)], test=test), protocol)


def test_a_split_without_anything_to_find_is_refused():
    with pytest.raises(DataError, match="no act is left for validation"):
        split(source([(0, 1), (0, 2), (1, 3)]), "leave_one_out")
