"""Packed neighbours say what the plain arrays say, in any order of items."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from recsys.engine.neighbours import KEPT, KINDS, Near, Neighbours


def plain(rng: np.random.Generator, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Arrays of shape (items, KEPT): some items have none, some all."""
    near, weight = np.full((items, KEPT), -1, np.int32), np.zeros((items, KEPT), np.float32)
    for item in range(items):
        count = int(rng.choice([0, 1, 3, KEPT]))
        near[item, :count] = rng.integers(0, items, count)
        weight[item, :count] = np.sort(rng.random(count))[::-1] + 0.01
    return near, weight


@given(some.integers(0, 12), some.integers(0, 2**32 - 1))
def test_what_is_packed_comes_out_as_it_went_in(items: int, seed: int) -> None:
    near, weight = plain(np.random.default_rng(seed), items)
    for found, expected in zip(Near.of(near, weight).spread(), (near, weight), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(some.integers(1, 12), some.integers(0, 2**32 - 1))
def test_any_items_may_be_asked_for_and_the_item_that_is_none_has_none(items: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    near, weight = plain(rng, items)
    asked = rng.integers(-1, items, (3, 4))
    found, heavy = Near.of(near, weight)(asked)
    np.testing.assert_array_equal(found, np.where(asked[..., None] >= 0, near[asked], -1))
    np.testing.assert_array_equal(heavy, np.where(asked[..., None] >= 0, weight[asked], 0))


@given(some.integers(1, 10), some.integers(0, 2**32 - 1), some.data())
def test_in_another_order_everything_is_where_its_item_is(items: int, seed: int, data: some.DataObject) -> None:
    near, weight = plain(np.random.default_rng(seed), items)
    old = tuple(f"i{k}" for k in range(items))
    kept = data.draw(some.permutations([*old, "new 1", "new 2"]))[: data.draw(some.integers(0, items + 2))]
    moved = Neighbours(old, dict.fromkeys(KINDS, Near.of(near, weight))).renumbered(kept)
    found, heavy = moved.near["alike"].spread()
    for row, name in enumerate(kept):
        pairs = [] if name not in old else zip(near[old.index(name)], weight[old.index(name)], strict=True)
        expected = [(kept.index(old[k]), w) for k, w in pairs if k >= 0 and old[k] in kept]
        assert [(int(k), w) for k, w in zip(found[row], heavy[row], strict=True) if k >= 0] == expected


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    near, weight = plain(np.random.default_rng(1), 9)
    saved = Neighbours(tuple(f"i{k}" for k in range(9)), dict.fromkeys(KINDS, Near.of(near, weight)))
    saved.save(tmp_path / "linear")
    read = Neighbours.load(tmp_path / "linear")
    assert read.items == saved.items
    for kind in KINDS:
        np.testing.assert_array_equal(read.near[kind].spread()[0], near)
        np.testing.assert_array_equal(read.near[kind].spread()[1], weight)
