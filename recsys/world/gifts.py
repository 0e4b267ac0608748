"""Gifts to friends: before a birthday, now and then without one, and within the rings of abusers."""

import numpy as np

from recsys.world.choices import Sales, own
from recsys.world.draws import Ints
from recsys.world.looks import Looks, found
from recsys.world.pairs import first_of_each
from recsys.world.today import Today

BIRTHDAY, OTHERWISE, IN_RING = 0.25, 0.004, 0.06
DAYS_BEFORE = 6
FROM_WISHLIST = 0.5
# How well an item that the giver looked at must suit the friend.
SUITS = 0.8
GIFT_SECOND = 800


def give(today: Today, looks: Looks) -> None:
    """Some who visit give a friend what is on the friend's wishlist, what they just looked at, or what they find."""
    row, friend = _occasions(today)
    giver = today.person[row]
    wished = _from_wishlist(today, giver, friend)
    seen, slate = _from_looks(today, row, friend, looks)
    item = np.where(wished >= 0, wished, seen)
    sought = np.flatnonzero(item < 0)
    item[sought] = found(today, giver[sought], friend[sought], "gift")
    slate = np.where((wished < 0) & (seen >= 0), slate, -1)
    good = item >= 0
    good[good] = today.may_have(friend[good], item[good])
    price, campaign = today.prices.of(giver, np.maximum(item, 0))
    good &= price <= today.state.balance[giver]
    good[good] = first_of_each(friend[good], item[good])
    second = today.start[row] + GIFT_SECOND
    columns = giver, friend, item, price, campaign, second, slate
    own(today, Sales(*(column[good] for column in columns)), kind="gift")


def _occasions(today: Today) -> tuple[Ints, Ints]:
    """Visits on which a gift is made, at most one each, and for whom."""
    setting, day = today.setting, today.day
    people, friends = setting.people, setting.friends
    row, at = friends.of(today.person)
    giver, friend = friends.person[at], friends.friend[at]
    date = setting.calendar.date(day).timetuple().tm_yday - 1
    soon = (people.birthday[friend] - date) % 365 <= DAYS_BEFORE
    ring = (people.ring[giver] >= 0) & (people.ring[giver] == people.ring[friend])
    chance = np.where(ring, IN_RING, np.where(soon, BIRTHDAY, OTHERWISE))
    chance = np.minimum(chance * today.acting.gifts[giver], 1.0)
    chance = np.where((friends.since[at] <= day) & (people.joined[friend] <= day), chance, 0.0)
    gives = setting.draws.happens(chance, "gives", day, giver, friend)
    row, friend = row[gives], friend[gives]
    first = first_of_each(row)
    return row[first], friend[first]


def _from_wishlist(today: Today, giver: Ints, friend: Ints) -> Ints:
    """One of the friend's wishes, -1 where there is none or it is not looked at."""
    wishes, draws = today.state.wishlist, today.setting.draws
    low, high = (np.searchsorted(wishes.key, (friend + k) * wishes.items) for k in (0, 1))
    reads = draws.happens(FROM_WISHLIST, "reads wishlist", today.day, giver, friend) & (high > low)
    at = low + (draws.uniform("which wish", today.day, giver, friend) * (high - low)).astype(np.int64)
    item = np.full(len(giver), -1)
    item[reads] = wishes.item[at[reads]]
    return item


def _from_looks(today: Today, row: Ints, friend: Ints, looks: Looks) -> tuple[Ints, Ints]:
    """Of what the giver looked at, the item that suits the friend best and its slate; -1 where nothing does."""
    to = np.full(len(today.person), -1)
    to[row] = np.arange(len(row))
    here = np.flatnonzero(to[looks.row] >= 0)
    place = to[looks.row[here]]
    match = today.setting.match(friend[place], looks.item[here])
    order = np.lexsort((-match, place))
    order = order[first_of_each(place[order]) & (match[order] > SUITS)]
    item, slate = np.full(len(row), -1), np.full(len(row), -1)
    item[place[order]], slate[place[order]] = looks.item[here[order]], looks.slate[here[order]]
    return item, slate
