"""An encoder as it serves: vectors of length 1, the same whatever else is in the batch, whole on disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.encoder import BUCKETS, Content, Encoder, ModelError, Shape
from recsys.encoder.content import hashed
from recsys.encoder.forward import bucket
from recsys.interactions import ACTIONS

DAY = 86_400_000_000
CONTENTS = [
    Content(title="Star Harvest", publisher="Acme", category="farming", tags="cosy;space", price=1999, age_days=12),
    Content(title="Star Harvest 2", publisher="Acme", category="farming", tags="cosy;space", price=2499, age_days=1),
    Content(title="Grim Tactics", publisher="Borealis", category="strategy", tags="dark", price=5999, age_days=400),
    Content(),
]
ITEMS = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def encoder():
    shape = Shape(width=16, blocks=2, hidden=32, length=8, features=BUCKETS)
    return Encoder.untrained(ITEMS, CONTENTS, shape=shape, rng=np.random.default_rng(1))


def history(rng, rows, long):
    """Random histories of 0 to `long` acts, padded on the left."""
    items = rng.integers(0, len(ITEMS), (rows, long))
    items[np.arange(long) < long - rng.integers(0, long + 1, rows)[:, None]] = -1
    return items, rng.integers(0, len(ACTIONS), (rows, long)), np.sort(rng.integers(0, 9 * DAY, (rows, long)), axis=1)


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 12), long=st.integers(0, 12))
def test_a_persons_vector_does_not_depend_on_who_else_is_asked_for(encoder, seed, rows, long):
    items, actions, times = history(np.random.default_rng(seed), rows, long)
    together = encoder.user_vectors(items, actions, times, 10 * DAY, "cart")
    alone = [
        encoder.user_vectors(items[row : row + 1], actions[row : row + 1], times[row : row + 1], 10 * DAY, "cart")
        for row in range(rows)
    ]
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, np.concatenate(alone), atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@given(seed=st.integers(0, 2**32))
def test_only_the_latest_acts_count(encoder, seed):
    items, actions, times = history(np.random.default_rng(seed), 5, 12)
    whole = encoder.user_vectors(items, actions, times, 10 * DAY)
    latest = encoder.user_vectors(items[:, -8:], actions[:, -8:], times[:, -8:], 10 * DAY)
    # The gap before the oldest act that is read is known only where the act before it was given.
    full = (items >= 0).sum(axis=1) > 8
    np.testing.assert_allclose(whole[~full], latest[~full], atol=2e-6)
    changed = np.where(np.arange(12) < 4, 0, items)
    again = encoder.user_vectors(np.where(full[:, None], changed, items), actions, times, 10 * DAY)
    np.testing.assert_allclose(whole, again, atol=2e-6)


def test_the_surface_the_hoped_for_action_and_the_wait_change_the_answer(encoder):
    items, actions, times = history(np.random.default_rng(3), 3, 6)
    asked = [
        encoder.user_vectors(items, actions, times, now, surface, target=target)
        for now, surface, target in [
            (10 * DAY, "any", None),
            (90 * DAY, "any", None),
            (10 * DAY, "cart", None),
            (10 * DAY, "any", "gift"),
        ]
    ]
    assert all(np.abs(asked[0] - other).max() > 1e-4 for other in asked[1:])


def test_what_is_saved_is_what_is_loaded(encoder, tmp_path):
    encoder.save(tmp_path / "encoder")
    loaded = Encoder.load(tmp_path / "encoder")
    assert (loaded.items, loaded.shape, loaded.version) == (encoder.items, encoder.shape, encoder.version)
    np.testing.assert_array_equal(loaded.vectors, encoder.vectors)
    asked = history(np.random.default_rng(4), 4, 5)
    np.testing.assert_array_equal(loaded.user_vectors(*asked, 10 * DAY), encoder.user_vectors(*asked, 10 * DAY))
    assert [each.name for each in tmp_path.iterdir()] == ["encoder"]


def test_a_folder_without_an_encoder_is_told(tmp_path):
    with pytest.raises(ModelError, match="holds no encoder"):
        Encoder.load(tmp_path)


def test_alike_contents_have_alike_vectors_and_new_items_join_the_known(encoder):
    near, far = encoder.vectors[0] @ encoder.vectors[1], encoder.vectors[0] @ encoder.vectors[2]
    assert near > far + 0.2
    grown = encoder.with_items(["e"], CONTENTS[:1])
    np.testing.assert_allclose(grown.vectors[4], encoder.vectors[0], atol=1e-6)
    grown.user_vectors(np.array([[4]]), np.array([[0]]), np.array([[0]]), DAY)
    with pytest.raises(ModelError, match="'e' is in the encoder already"):
        grown.with_items(["e"], CONTENTS[:1])


@pytest.mark.parametrize(
    ("items", "surface", "target", "told"),
    [
        ([[4]], "any", None, "-1 to 3"),
        ([[0]], "homepag", None, "Did you mean 'homepage'"),
        ([[0]], "any", "purchse", "Did you mean 'purchase'"),
        ([[0, -1]], "any", None, "pad on the left"),
    ],
)
def test_what_an_encoder_cannot_read_is_refused(encoder, items, surface, target, told):
    items = np.array(items)
    with pytest.raises(ModelError, match=told):
        encoder.user_vectors(items, np.zeros_like(items), np.zeros_like(items), 1, surface, target=target)


def test_hashing_is_the_same_in_every_process():
    bags = hashed(CONTENTS[:1])
    assert (len(bags.places), int(bags.places.sum())) == (20, 154604)


@given(seconds=st.integers(0, 2**40))
def test_gaps_are_told_apart_by_powers_of_two(seconds):
    plain = min(len(bin(seconds)) - 2 if seconds else 0, 27)
    assert bucket(np.array([seconds * 1_000_000]))[0] == plain
