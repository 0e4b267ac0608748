"""Features by hand, and the page that describes them."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa

from recsys.catalogue import Catalogue
from recsys.facts import Friendships
from recsys.features.definitions import NAMES, expected_price, paid_share
from recsys.features.history import Decisions, History, Payments
from recsys.features.offline import as_of
from recsys.interactions import ACTIONS, DAY, SECOND, Interactions

DOCS = Path(__file__).parents[3] / "docs" / "features.md"
# A Thursday, on which weeks begin.
THURSDAY = 20_006 * DAY


def test_a_small_shop_by_hand():
    assert THURSDAY // DAY % 7 == 0
    moment = pa.timestamp("us", "UTC")
    items = {"item_id": ["a", "b"], "publisher": ["p", "p"], "category": ["x", "y"], "list_price": [1000, 2000]}
    items |= {"first_party": [True, False], "released": pa.array([THURSDAY - 10 * DAY, THURSDAY + 9 * DAY], moment)}
    day = pa.array([THURSDAY, THURSDAY], moment), pa.array([THURSDAY + 2 * DAY, THURSDAY + 5 * DAY], moment)
    deals = pa.table({"item_id": ["a", "a"], "starts": day[0], "ends": day[1], "price": [700, 900]})
    catalogue = Catalogue.of(pa.table(items), deals)
    # user, item, action, when, paid, listed
    acts = [
        (0, 0, "view", THURSDAY - 22 * DAY, -1, -1),
        (0, 0, "view", THURSDAY - 21 * DAY, -1, -1),
        (0, 0, "cart", THURSDAY - DAY, -1, -1),
        (0, 0, "purchase", THURSDAY, 700, 1000),
        (0, 1, "gift", THURSDAY + DAY - SECOND, 2000, 2000),
        (0, 1, "wishlist", THURSDAY + DAY, -1, -1),
        (1, 0, "cart", THURSDAY + DAY, -1, -1),
    ]
    user, item, action, time, paid, listed = zip(*acts, strict=True)
    data = Interactions.of(
        ["u", "v"], catalogue.ids, *map(np.array, (user, item, [ACTIONS.index(each) for each in action], time))
    )
    friends = Friendships.of(np.array([[1, 0]]), np.array([THURSDAY]))
    history = History(data, Payments(np.array(paid), np.array(listed)), catalogue, friends)

    def at(who, what, when):
        made = as_of(history, Decisions(np.array([who]), np.array([what]), np.array([when])))[0]
        return dict(zip(NAMES, made.tolist(), strict=True))

    now = at(0, 0, THURSDAY + DAY)
    assert [now[f"user_view_{window}"] for window in ("2d", "7d", "4w", "ever")] == [0, 0, 1, 2]
    assert [now[f"item_cart_{window}"] for window in ("2d", "7d", "4w", "ever")] == [0, 1, 1, 1]
    assert [now[f"user_purchase_{window}"] for window in ("2d", "ever")] == [1, 1]
    assert now["user_seconds_since_purchase"] == 1 and now["user_seconds_since_last"] == 1
    assert now["user_seconds_since_first"] == 23 * 86_400
    assert now["user_paid_of_list"] == np.float32(0.9)
    # (8 · 1 + 2 · 0.7) / 10 = 0.94, then (8 · 0.94 + 2 · 1) / 10 = 0.952.
    assert now["user_expected_price"] == np.float32(0.952)
    assert (now["item_price"], now["item_list_price"]) == (700, 1000)
    assert now["item_discount"] == np.float32(1 - 0.7)
    assert now["pair_price_above_expected"] == np.float32(0.7 - 0.952)
    assert now["item_days_since_release"] == 11 and now["item_first_party"] == 1
    assert (now["pair_owned"], now["pair_in_cart"], now["pair_on_wishlist"]) == (1, 0, 0)
    assert (now["pair_publisher_acts"], now["pair_publisher_purchases"]) == (5, 2)
    assert (now["pair_category_acts"], now["pair_category_purchases"]) == (4, 1)
    assert np.isnan(at(0, 1, THURSDAY)["item_days_since_release"])
    friend = at(1, 0, THURSDAY + 2 * DAY)
    assert (friend["user_friends"], friend["pair_friends_own"], friend["pair_friends_wishlist"]) == (1, 1, 0)
    assert friend["pair_in_cart"] == 1 and friend["item_price"] == 900
    assert at(1, 1, THURSDAY + 2 * DAY)["pair_friends_wishlist"] == 1
    assert at(1, 0, THURSDAY)["user_friends"] == 0
    stranger = at(-1, 1, THURSDAY + 9 * DAY)
    assert stranger["user_expected_price"] == 1 and np.isnan(stranger["user_seconds_since_last"])
    assert np.isnan(stranger["user_paid_of_list"]) and stranger["item_gift_ever"] == 1


def test_the_expected_price_moves_a_fifth_of_the_way_and_forgets_nothing_else():
    shares = np.array([[-1, -1, -1], [500_000, -1, -1], [500_000, 500_000, 1_000_000], [-1, -1, 999_999]])
    assert expected_price(shares).tolist() == [1_000_000, 900_000, 856_000, 999_999]


def test_the_paid_share_is_not_known_without_a_list_price_and_never_above_twice_the_whole():
    share = paid_share(np.array([500, 500, -1, 0, 5000]), np.array([1000, 0, 1000, 1000, 1000]))
    assert share.tolist() == [500_000, -1, -1, 0, 2_000_000]


def test_the_page_describes_every_feature_and_no_other():
    described = set()
    for line in re.findall(r"^\| (`.*?) \|", DOCS.read_text("utf-8"), re.MULTILINE):
        for pattern in re.findall(r"`([^`]+)`", line):
            parts = [part.strip("{}").split(", ") for part in re.findall(r"\{[^}]*\}|[^{}]+", pattern)]
            described |= {"".join(each) for each in product(*parts)}
    assert described == set(NAMES) and len(NAMES) == len(set(NAMES))
