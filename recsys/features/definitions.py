"""What every feature is: arithmetic on whole numbers, the same in training and in serving, to the last bit.

Features are computed in float64 from integers by +, -, * and / alone, each of which IEEE 754 rounds in one way, and
stored as float32. Logarithms are left to the ranker: their last bit depends on the processor.

A decision at time t knows what happened strictly before t. Windows are of UTC days: "2d" is the day of t so far and the
day before, "7d" the last seven days with that of t, "4w" the last four weeks with that of t, weeks of seven days
from Thursday on (day 0 is 1970-01-01), "ever" everything. What is not known is nan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.interactions import ACTIONS, DAY, SECOND

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DAYS, WEEKS = 7, 4
WINDOWS = ("2d", "7d", "4w", "ever")
PURCHASE, GIFT = ACTIONS.index("purchase"), ACTIONS.index("gift")
WISHLIST, CART = ACTIONS.index("wishlist"), ACTIONS.index("cart")

# The price that a user has come to expect, as a share of the list price in millionths: it begins at the whole and
# moves by a fifth of the way to what was paid, at each of the user's last eight purchases.
WHOLE, KEPT, MOVED = 1_000_000, 8, 2
REMEMBERED = 8

_COUNTS = tuple(f"{action}_{window}" for action in ACTIONS for window in WINDOWS)
USER_NAMES = (
    *(f"user_{name}" for name in _COUNTS),
    "user_seconds_since_first",
    "user_seconds_since_last",
    "user_seconds_since_purchase",
    "user_paid_of_list",
    "user_expected_price",
    "user_friends",
)
ITEM_NAMES = (
    *(f"item_{name}" for name in _COUNTS),
    "item_price",
    "item_list_price",
    "item_discount",
    "item_days_since_release",
    "item_first_party",
)
PAIR_NAMES = (
    *(f"pair_{action}_ever" for action in ACTIONS),
    "pair_seconds_since_last",
    "pair_owned",
    "pair_on_wishlist",
    "pair_in_cart",
    "pair_publisher_acts",
    "pair_publisher_purchases",
    "pair_category_acts",
    "pair_category_purchases",
    "pair_friends_own",
    "pair_friends_wishlist",
    "pair_price_above_expected",
)
NAMES: Sequence[str] = (*USER_NAMES, *ITEM_NAMES, *PAIR_NAMES)


@dataclass(frozen=True, slots=True)
class UserState:
    """Of each user; spans of time are microseconds before the decision, -1 for never; money is in cents.

    Attributes:
        counts: acts by action and window, shape (users, actions, windows).
        paid, listed: sums over purchases and gifts of which both are known.
        expected: millionths of the list price; see `expected_price`.
        friends: how many friends the user has.
    """

    counts: Ints
    since_first: Ints
    since_last: Ints
    since_purchase: Ints
    paid: Ints
    listed: Ints
    expected: Ints
    friends: Ints


@dataclass(frozen=True, slots=True)
class ItemState:
    """Of each row's item; prices in cents, -1 where not known; `age` in microseconds, -1 where not known.

    Attributes:
        counts: acts by action and window, shape (rows, actions, windows).
    """

    counts: Ints
    price: Ints
    list_price: Ints
    age: Ints
    first_party: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairState:
    """Of each row's user with its item.

    Attributes:
        counts: acts of the user with the item by action, shape (rows, actions).
        since_last: microseconds, -1 for never.
        in_cart: it was put into the cart after it was last bought.
        publisher, category: acts of the user with items of the same, by action, shape (rows, actions).
        friends_own, friends_wishlist: how many friends ever bought it, ever put it on their wishlist.
    """

    counts: Ints
    since_last: Ints
    in_cart: NDArray[np.bool_]
    publisher: Ints
    category: Ints
    friends_own: Ints
    friends_wishlist: Ints


def features(user: UserState, who: NDArray[np.intp], item: ItemState, pair: PairState) -> NDArray[np.float32]:
    """The features of each row, float32, shape (rows, len(NAMES)).

    Args:
        who: the place of each row's user in `user`, shape (rows,).
    """
    made = np.empty((len(who), len(NAMES)), np.float32)
    users, items = len(USER_NAMES), len(ITEM_NAMES)
    made[:, :users] = _user(user)[who]
    made[:, users : users + items] = _item(item)
    _pair(pair, item, user.expected[who], made[:, users + items :])
    return made


def expected_price(shares: Ints) -> Ints:
    """What users expect to pay after their last purchases, in millionths of the list price.

    Args:
        shares: what was paid of the list price, in millionths, oldest first; -1 where there was no purchase; shape
            (users, purchases).
    """
    expected = np.full(len(shares), WHOLE)
    for share in shares.T:
        moved = (KEPT * expected + MOVED * share) // (KEPT + MOVED)
        expected = np.where(share >= 0, moved, expected)
    return expected


def paid_share(paid: Ints, listed: Ints) -> Ints:
    """What was paid of the list price in millionths, -1 where either is not known; never above twice the whole."""
    known = (paid >= 0) & (listed > 0)
    return np.where(known, np.minimum(paid * WHOLE // np.where(known, listed, 1), 2 * WHOLE), -1)


def _user(state: UserState) -> NDArray[np.float32]:
    made = np.empty((len(state.paid), len(USER_NAMES)), np.float32)
    k = len(_COUNTS)
    made[:, :k] = state.counts.reshape(-1, k)
    made[:, k] = _seconds(state.since_first)
    made[:, k + 1] = _seconds(state.since_last)
    made[:, k + 2] = _seconds(state.since_purchase)
    made[:, k + 3] = _ratio(state.paid, state.listed)
    made[:, k + 4] = state.expected / WHOLE
    made[:, k + 5] = state.friends
    return made


def _item(state: ItemState) -> NDArray[np.float32]:
    made = np.empty((len(state.price), len(ITEM_NAMES)), np.float32)
    k = len(_COUNTS)
    made[:, :k] = state.counts.reshape(-1, k)
    made[:, k] = _known(state.price)
    made[:, k + 1] = _known(state.list_price)
    made[:, k + 2] = 1 - _price_share(state)
    made[:, k + 3] = np.where(state.age >= 0, state.age / DAY, np.nan)
    made[:, k + 4] = state.first_party
    return made


def _pair(state: PairState, item: ItemState, expected: Ints, made: NDArray[np.float32]) -> None:
    k = len(ACTIONS)
    made[:, :k] = state.counts
    made[:, k] = _seconds(state.since_last)
    made[:, k + 1] = state.counts[:, PURCHASE] > 0
    made[:, k + 2] = state.counts[:, WISHLIST] > 0
    made[:, k + 3] = state.in_cart
    for place, group in ((k + 4, state.publisher), (k + 6, state.category)):
        made[:, place] = group.sum(axis=1)
        made[:, place + 1] = group[:, PURCHASE] + group[:, GIFT]
    made[:, k + 8] = state.friends_own
    made[:, k + 9] = state.friends_wishlist
    made[:, k + 10] = _price_share(item) - expected / WHOLE


def _seconds(span: Ints) -> Floats:
    return np.where(span >= 0, span / SECOND, np.nan)


def _known(cents: Ints) -> Floats:
    return np.where(cents >= 0, cents, np.nan)


def _ratio(part: Ints, whole: Ints) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _price_share(item: ItemState) -> Floats:
    known = (item.price >= 0) & (item.list_price > 0)
    return np.where(known, item.price / np.where(known, item.list_price, 1), np.nan)
