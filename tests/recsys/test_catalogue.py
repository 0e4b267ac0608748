"""The catalogue and the facts as arrays, against hand-worked cases and a slow plain reading."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.catalogue import Catalogue
from recsys.errors import DataError
from recsys.facts import friendships, interactions
from recsys.prices import ALWAYS, NEVER, UNKNOWN, Prices, last_before
from store import Workspace


def a_time(day: int, second: int = 0) -> datetime:
    return datetime.fromtimestamp(1_760_000_000 + 86_400 * day + second, UTC)


def microseconds(day: int) -> int:
    return int(a_time(day).timestamp()) * 1_000_000


DISCOUNTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 9), st.integers(1, 99)), max_size=12
)


@given(DISCOUNTS)
def test_a_price_is_the_lowest_valid_discount_or_else_the_list_price(discounts):
    rows = np.array(discounts, np.int64).reshape(-1, 4)
    listed = np.array([50, 60, UNKNOWN])
    prices = Prices.of(listed, rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3])
    for time in range(-1, 11):
        valid = [[p for k, a, b, p in discounts if k == item and a <= time < b] for item in range(3)]
        plain = [min(found) if found else int(listed[item]) for item, found in enumerate(valid)]
        assert prices.at(np.arange(3), time).tolist() == plain


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(-1, 10), st.booleans())
def test_the_last_before_is_found_in_any_ascending_stretch(values, limit, inclusive):
    array = np.sort(np.array(values, np.int64))
    for low in range(len(values) + 1):
        found = last_before(array, np.array([low]), np.array([len(values)]), np.array([limit]), inclusive=inclusive)
        plain = [k for k in range(low, len(values)) if array[k] < limit or (inclusive and array[k] == limit)]
        assert found[0] == max(plain, default=low - 1)


def test_what_the_items_table_does_not_say_is_marked_and_not_made_up():
    catalogue = Catalogue.of(pa.table({"item_id": ["b", "a"], "released": [None, None]}))
    assert catalogue.ids == ("a", "b")
    assert catalogue.list_price.tolist() == [UNKNOWN, UNKNOWN]
    assert catalogue.released.tolist() == [ALWAYS, ALWAYS] and catalogue.delisted.tolist() == [NEVER, NEVER]
    assert catalogue.tags == ((), ()) and np.isnan(catalogue.margin).all()


def test_an_item_that_is_there_twice_is_refused():
    with pytest.raises(DataError, match="'a' is in the items table more than once"):
        Catalogue.of(pa.table({"item_id": ["a", "b", "a"]}))


def test_codes_number_the_distinct_texts_and_leave_out_the_empty_one():
    catalogue = Catalogue.of(pa.table({"item_id": ["a", "b", "c"], "publisher": ["z", None, "y"]}))
    codes, names = catalogue.codes(catalogue.publisher)
    assert names == ("y", "z") and codes.tolist() == [1, -1, 0]


@pytest.fixture
def shop(tmp_path):
    workspace = Workspace.create(tmp_path / "shop")
    lake = workspace.lake
    lake.append("items", pa.table({"item_id": ["i2", "i1"], "list_price": pa.array([2000, 1000])}), source="items")
    lake.append("users", pa.table({"user_id": ["u2", "u1"]}), source="users")
    discount = {"item_id": ["i1", "gone"], "starts": [a_time(2)] * 2, "ends": [a_time(4)] * 2, "price": [700, 1]}
    lake.append("prices", pa.table(discount), source="prices")
    acts = [("u3", 1, "view", "i1"), ("u1", 3, "purchase", "i2"), ("u1", 2, "cart", "i2"), ("u1", 2, "refund", "i2")]
    acts += [("u1", 1, "view", "gone"), ("u1", 5, "gift", "i1")]
    events = {"unit_id": [a[0] for a in acts], "time": [a_time(a[1]) for a in acts]}
    events |= {"kind": [a[2] for a in acts], "item_id": [a[3] for a in acts]}
    lake.append("events", pa.table(events), source="events")
    pairs = {"user_id": ["u1", "u2", "u1"], "friend_id": ["u2", "u1", "stranger"], "since": [a_time(1), None, None]}
    lake.append("friendships", pa.table(pairs), source="friends")
    return workspace


def test_the_catalogue_of_a_workspace_has_its_prices(shop):
    prices, both = Catalogue.read(shop).prices, np.arange(2)
    assert prices.at(both, microseconds(1)).tolist() == [1000, 2000]
    assert prices.at(both, microseconds(2)).tolist() == [700, 2000]
    assert prices.at(both, microseconds(4)).tolist() == [1000, 2000]


def test_interactions_are_the_acts_on_known_items_in_order_and_before_a_time(shop):
    data = interactions(shop)
    assert list(data.users) == ["u1", "u2", "u3"] and list(data.items) == ["i1", "i2"]
    assert data.user.tolist() == [0, 0, 0, 2] and data.item.tolist() == [1, 1, 0, 0]
    assert data.action.tolist() == [2, 3, 4, 0] and data.time[1] == microseconds(3)
    earlier = interactions(shop, before=microseconds(3))
    assert earlier.users == data.users and earlier.action.tolist() == [2, 0]


def test_friends_are_there_in_both_directions_once_and_since_the_earliest(shop):
    found = friendships(shop, ("u1", "u2", "u3"))
    assert found.user.tolist() == [0, 1] and found.friend.tolist() == [1, 0] and found.since.tolist() == [ALWAYS] * 2
