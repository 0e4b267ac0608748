"""Features of past decisions for training: each is computed from what had happened strictly before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import Catalogue
from recsys.errors import DataError
from recsys.facts import Friendships
from recsys.features.definitions import (
    CART,
    DAYS,
    GIFT,
    PURCHASE,
    REMEMBERED,
    WEEKS,
    WISHLIST,
    ItemState,
    PairState,
    UserState,
    expected_price,
    features,
    paid_share,
)
from recsys.features.grouped import Clock, Grouped, places
from recsys.features.history import Decisions, History
from recsys.interactions import DAY
from recsys.prices import ALWAYS

# Rows at once: what they need beside the answer is about two kilobytes each.
CHUNK = 100_000


def as_of(history: History, decisions: Decisions) -> NDArray[np.float32]:
    """The features of each decision as they were known at its time.

    Returns:
        shape (decisions, len(NAMES)), nan where not known.

    Raises:
        DataError: if the items are not the catalogue's, or a decision names an item or user that is not there.
    """
    acts, catalogue = history.interactions, history.catalogue
    if tuple(acts.items) != tuple(catalogue.ids):
        raise DataError(
            f"the interactions number {len(acts.items)} items, the catalogue {len(catalogue)}, or in another "
            "order. Read both from one workspace."
        )
    _check(decisions.item, len(catalogue), 0, "item")
    _check(decisions.user, len(acts.users), -1, "user")
    past = Past.of(history)
    parts = [past.features(each) for each in _chunks(decisions)]
    return np.concatenate(parts) if parts else past.features(decisions)


@dataclass(frozen=True, slots=True)
class Past:
    """The acts, grouped in every way that features need."""

    clock: Clock
    catalogue: Catalogue
    friends: Friendships
    first_friend: NDArray[np.int64]
    by_user: Grouped
    by_item: Grouped
    by_pair: Grouped
    by_publisher: Grouped
    by_category: Grouped
    purchases: Grouped
    carts: Grouped
    bought: Grouped
    paying: Grouped
    shares: NDArray[np.int64]
    sums: NDArray[np.int64]
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    publisher: NDArray[np.int64]
    category: NDArray[np.int64]

    @classmethod
    def of(cls, history: History) -> "Past":
        acts, catalogue, friends = history.interactions, history.catalogue, history.friends
        payments = history.payments
        clock = Clock.of(acts.time)
        rank = clock.rank(acts.time)
        user, item = acts.user.astype(np.int64), acts.item.astype(np.int64)
        publisher = catalogue.codes(catalogue.publisher)[0].astype(np.int64)
        category = catalogue.codes(catalogue.category)[0].astype(np.int64)
        n, buys = len(catalogue), np.isin(acts.action, (PURCHASE, GIFT))
        shares = paid_share(payments.paid, payments.listed)
        pays = buys & (shares >= 0)
        # Equal times in order of what was paid, so that their order in the table does not matter.
        order = np.lexsort((shares[pays], acts.time[pays], user[pays]))
        paid, listed = payments.paid[pays][order], payments.listed[pays][order]

        def grouped(group: NDArray[np.int64], rows: NDArray[np.bool_] | None = None) -> Grouped:
            which = group >= 0 if rows is None else rows & (group >= 0)
            return Grouped.of(clock, group[which], rank[which], acts.action[which])

        return cls(
            clock=clock,
            catalogue=catalogue,
            friends=friends,
            first_friend=np.searchsorted(friends.user, np.arange(len(acts.users) + 1)),
            by_user=grouped(user),
            by_item=grouped(item),
            by_pair=grouped(user * n + item),
            by_publisher=grouped(np.where(publisher[item] < 0, -1, user * n + publisher[item])),
            by_category=grouped(np.where(category[item] < 0, -1, user * n + category[item])),
            purchases=grouped(user, buys),
            carts=grouped(user * n + item, acts.action == CART),
            bought=grouped(user * n + item, acts.action == PURCHASE),
            paying=Grouped.of(clock, user[pays], rank[pays], acts.action[pays]),
            shares=shares[pays][order],
            sums=np.concatenate([np.zeros((1, 2), np.int64), np.cumsum(np.stack([paid, listed], axis=1), axis=0)]),
            pairs=_firsts(user * n + item, acts.time, acts.action),
            publisher=publisher,
            category=category,
        )

    def features(self, decisions: Decisions) -> NDArray[np.float32]:
        """As `as_of` says."""
        pair = self._pair(decisions)
        return features(self._user(decisions), np.arange(len(decisions)), self._item(decisions), pair)

    def _user(self, at: Decisions) -> UserState:
        counts, (low, high) = self._windows(self.by_user, at.user, at.time)
        paying_low, paying_high = self.paying.span(at.user, self.clock.rank(at.time))
        last = paying_high[:, None] + np.arange(-REMEMBERED, 0)
        inside = last >= paying_low[:, None]
        shares = np.where(inside, _taken(self.shares, np.where(inside, last, 0)), -1)
        sums = self.sums[paying_high] - self.sums[paying_low]
        bought = self.purchases.span(at.user, self.clock.rank(at.time))
        return UserState(
            counts=counts,
            since_first=_since(at.time, _taken(self.by_user.time, low), low < high),
            since_last=_since(at.time, _taken(self.by_user.time, high - 1), low < high),
            since_purchase=_since(at.time, _taken(self.purchases.time, bought[1] - 1), bought[0] < bought[1]),
            paid=sums[:, 0],
            listed=sums[:, 1],
            expected=expected_price(shares),
            friends=self._count_friends(at),
        )

    def _item(self, at: Decisions) -> ItemState:
        return item_state(self.catalogue, at.item, at.time, self._windows(self.by_item, at.item, at.time)[0])

    def _pair(self, at: Decisions) -> PairState:
        n, rank = len(self.catalogue), self.clock.rank(at.time)
        pair = np.where(at.user < 0, -1, at.user * n + at.item)
        low, high = self.by_pair.span(pair, rank)
        cart, bought = self._last(self.carts, pair, rank), self._last(self.bought, pair, rank)
        own, wish = self._friends_with(at)
        return PairState(
            counts=self.by_pair.counts(low, high),
            since_last=_since(at.time, _taken(self.by_pair.time, high - 1), low < high),
            in_cart=cart > bought,
            publisher=self._with(self.by_publisher, self.publisher, at, rank),
            category=self._with(self.by_category, self.category, at, rank),
            friends_own=own,
            friends_wishlist=wish,
        )

    def _with(
        self, acts: Grouped, code: NDArray[np.int64], at: Decisions, rank: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Counts of the user with items of the same publisher or category."""
        known = (at.user >= 0) & (code[at.item] >= 0)
        group = np.where(known, at.user * len(self.catalogue) + code[at.item], -1)
        return acts.counts(*acts.span(group, rank))

    def _last(self, acts: Grouped, group: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
        """The time of the group's last act before, ALWAYS if there was none."""
        low, high = acts.span(group, rank)
        return np.where(low < high, _taken(acts.time, high - 1), ALWAYS)

    def _windows(
        self, acts: Grouped, group: NDArray[np.int64], time: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Counts by action and window, shape (rows, actions, windows), and where the group's earlier acts lie."""
        low, high = acts.span(group, self.clock.rank(time))
        starts = [np.maximum(acts.until(group, self.clock.rank(start)), low) for start in window_starts(time)]
        return np.stack([acts.counts(start, high) for start in (*starts, low)], axis=2), (low, high)

    def _count_friends(self, at: Decisions) -> NDArray[np.int64]:
        row, friend = self._friends_of(at)
        return np.bincount(row[self.friends.since[friend] < at.time[row]], minlength=len(at))

    def _friends_of(self, at: Decisions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each decision with each friend of its user: places in the decisions and in `friends`."""
        known = at.user >= 0
        first = np.where(known, self.first_friend[at.user], 0)
        many = np.where(known, self.first_friend[at.user + 1] - first, 0)
        row = np.repeat(np.arange(len(at)), many)
        return row, np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many) + first[row]

    def _friends_with(self, at: Decisions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many friends bought the item before, and how many put it on their wishlist."""
        row, friend = self._friends_of(at)
        row, friend = (each[self.friends.since[friend] < at.time[row]] for each in (row, friend))
        keys, own, wish = self.pairs
        wanted = self.friends.friend[friend] * len(self.catalogue) + at.item[row]
        place = places(keys, wanted)
        there = (place < len(keys)) & (_taken(keys, place) == wanted)
        before = [there & (_taken(first, place) < at.time[row]) for first in (own, wish)]
        one, other = (np.bincount(row[each], minlength=len(at)) for each in before)
        return one, other


def item_state(
    catalogue: Catalogue, item: NDArray[np.int64], time: NDArray[np.int64], counts: NDArray[np.int64]
) -> ItemState:
    """What the catalogue says of items at times, beside their counts."""
    released = catalogue.released[item]
    out = (released != ALWAYS) & (released <= time)
    return ItemState(
        counts=counts,
        price=catalogue.prices.at(item, time),
        list_price=catalogue.list_price[item],
        age=np.where(out, time - np.where(out, released, 0), -1),
        first_party=catalogue.first_party[item],
    )


def window_starts(time: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """When each of WINDOWS but the last begins."""
    day = time // DAY
    return (day - 1) * DAY, (day - DAYS + 1) * DAY, (day // 7 - WEEKS + 1) * 7 * DAY


def _firsts(
    pair: NDArray[np.int64], time: NDArray[np.int64], action: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pairs in order, and when each first was bought and first wished for; the greatest int64 for never."""
    matters = (action == PURCHASE) | (action == WISHLIST)
    pair, time, action = pair[matters], time[matters], action[matters]
    keys, place = np.unique(pair, return_inverse=True)
    own, wish = np.full((2, len(keys)), np.iinfo(np.int64).max)
    for first, kind in ((own, PURCHASE), (wish, WISHLIST)):
        np.minimum.at(first, place[action == kind], time[action == kind])
    return keys, own, wish


def _taken(values: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """values[places], whatever it is where `values` is empty or a place is outside."""
    if not len(values):
        return np.zeros(places.shape, np.int64)
    return values[np.clip(places, 0, len(values) - 1)]


def _since(now: NDArray[np.int64], then: NDArray[np.int64], there: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.where(there, now - np.where(there, then, now), -1)


def _check(places: NDArray[np.int64], count: int, least: int, noun: str) -> None:
    wrong = (places < least) | (places >= count)
    if wrong.any():
        raise DataError(f"a decision has {noun} {places[wrong][0]}, must be a place from {least} to {count - 1}.")


def _chunks(decisions: Decisions) -> list[Decisions]:
    parts = [slice(start, start + CHUNK) for start in range(0, len(decisions), CHUNK)]
    return [Decisions(decisions.user[each], decisions.item[each], decisions.time[each]) for each in parts]
