"""Sets of (person, item) against sets of tuples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.world.pairs import Pairs, first_of_each, ranges

ITEMS = 5
SOME = st.lists(st.tuples(st.integers(0, 4), st.integers(0, ITEMS - 1)), max_size=12)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p for p, _ in pairs], np.int64), np.array([i for _, i in pairs], np.int64)


@given(st.lists(st.tuples(st.booleans(), SOME), max_size=6))
def test_pairs_are_the_set_that_was_added_less_what_was_dropped_and_the_first_slate_stays(steps) -> None:
    pairs, plain = Pairs.none(ITEMS), {}
    for step, (adds, some) in enumerate(steps):
        person, item = columns(some)
        if adds:
            pairs = pairs.add(person, item, np.arange(len(some)) + 100 * step, step)
            for place, pair in enumerate(some):
                plain.setdefault(pair, (100 * step + place, step))
        else:
            pairs = pairs.drop(person, item)
            plain = {pair: value for pair, value in plain.items() if pair not in some}
    found = zip(pairs.person.tolist(), pairs.item.tolist(), strict=True)
    assert dict(zip(found, zip(pairs.slate.tolist(), pairs.day.tolist(), strict=True), strict=True)) == plain
    assert pairs.key.tolist() == sorted(pairs.key.tolist())
    everyone, all_items = np.arange(5)[:, None], np.arange(ITEMS)
    assert pairs.has(everyone, all_items).tolist() == [[(p, i) in plain for i in range(ITEMS)] for p in range(5)]
    asked = np.array([3, 0, 3])
    row, at = pairs.of(asked)
    assert [(int(r), int(i)) for r, i in zip(row, pairs.item[at], strict=True)] == [
        (r, i) for r, person in enumerate(asked) for p, i in sorted(plain) if p == person
    ]


@given(SOME)
def test_the_first_of_each_combination_is_marked(some) -> None:
    marked = first_of_each(*columns(some))
    assert marked.tolist() == [pair not in some[:k] for k, pair in enumerate(some)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=6))
def test_ranges_are_all_numbers_of_each_in_order(spans) -> None:
    low = np.array([a for a, _ in spans], np.int64)
    high = low + np.array([b for _, b in spans], np.int64)
    place, number = ranges(low, high)
    plain = [(k, x) for k, (a, b) in enumerate(spans) for x in range(a, a + b)]
    assert list(zip(place.tolist(), number.tolist(), strict=True)) == plain
