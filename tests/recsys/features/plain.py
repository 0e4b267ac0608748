"""Features by reading the whole past for every decision: what the fast ways are compared with. And shops to do it in."""

import numpy as np
import pyarrow as pa

from recsys.catalogue import Catalogue
from recsys.facts import Friendships
from recsys.features.definitions import ItemState, PairState, UserState, expected_price, features, paid_share
from recsys.features.history import Decisions, History, Payments
from recsys.features.online import Acts
from recsys.interactions import ACTIONS, DAY, Interactions
from recsys.prices import ALWAYS

PURCHASE, GIFT, WISHLIST, CART = (ACTIONS.index(name) for name in ("purchase", "gift", "wishlist", "cart"))
START = 20_000 * DAY


class PlainStore:
    """An OnlineStore of a list of acts and a set of friendships."""

    def __init__(self, catalogue):
        self.catalogue, self.acts, self.friends, self.position = catalogue, [], {}, -1

    def observe(self, acts, *, position=None, now=None):
        if position is not None and position <= self.position:
            return
        columns = (acts.user, acts.item, acts.action, acts.time, acts.paid, acts.listed)
        for user, *rest in zip(*(each.tolist() for each in columns), strict=True):
            self.acts.append((acts.user_ids[user], *rest))
        self.position = self.position if position is None else position

    def befriend(self, user_ids, friend_ids, since=ALWAYS):
        for user, friend in zip(user_ids, friend_ids, strict=True):
            self.friends[user, friend] = min(since, self.friends.get((user, friend), since))

    def reprice(self, catalogue):
        self.catalogue = catalogue

    def users(self, user_ids, times):
        rows = [self._user(user, time) for user, time in zip(user_ids, times.tolist(), strict=True)]
        counts, *rest = zip(*rows, strict=True)
        return UserState(np.array(counts), *(np.array(each) for each in rest))

    def items(self, places, times):
        rows = list(zip(places.tolist(), times.tolist(), strict=True))
        counts = [_counts([act for act in self._before(time) if act[1] == item], time) for item, time in rows]
        released = self.catalogue.released
        age = [t - released[i] if ALWAYS != released[i] <= t else -1 for i, t in rows]
        price = [self.catalogue.prices.at(np.array([i]), t)[0] for i, t in rows]
        listed, own = self.catalogue.list_price[places], self.catalogue.first_party[places]
        return ItemState(np.array(counts), np.array(price), listed, np.array(age), own)

    def pairs(self, user_ids, who, places, times):
        asked = zip([user_ids[w] for w in who], places.tolist(), times.tolist(), strict=True)
        rows = [self._pair(user, item, time) for user, item, time in asked]
        return PairState(*(np.array(each) for each in zip(*rows, strict=True)))

    def _before(self, time):
        return [act for act in self.acts if act[3] < time]

    def _friends(self, user, time):
        return [other for (one, other), since in self.friends.items() if one == user and since < time]

    def _user(self, user, time):
        acts = [act for act in self._before(time) if act[0] == user]
        buys = sorted((a[3], _share(a), a[4], a[5]) for a in acts if a[2] in (PURCHASE, GIFT))
        paying = [each for each in buys if each[1] >= 0]
        shares = [each[1] for each in paying[-8:]]
        since = [time - pick(each[3] for each in acts) if acts else -1 for pick in (min, max)]
        return (
            _counts(acts, time),
            *since,
            time - buys[-1][0] if buys else -1,
            sum(each[2] for each in paying),
            sum(each[3] for each in paying),
            int(expected_price(np.array([shares], np.int64).reshape(1, -1))[0]),
            len(self._friends(user, time)),
        )

    def _pair(self, user, item, time):
        past, catalogue = self._before(time), self.catalogue
        acts = [act for act in past if act[0] == user and act[1] == item]
        last = {kind: max((a[3] for a in acts if a[2] == kind), default=ALWAYS) for kind in (CART, PURCHASE)}
        alike = []
        for texts in (catalogue.publisher, catalogue.category):
            same = [a for a in past if a[0] == user and texts[a[1]] == texts[item] != ""]
            alike.append([sum(a[2] == kind for a in same) for kind in range(len(ACTIONS))])
        have = [
            sum(any(a[0] == f and a[1] == item and a[2] == kind for a in past) for f in self._friends(user, time))
            for kind in (PURCHASE, WISHLIST)
        ]
        return (
            [sum(a[2] == kind for a in acts) for kind in range(len(ACTIONS))],
            time - max(a[3] for a in acts) if acts else -1,
            last[CART] > last[PURCHASE],
            *alike,
            *have,
        )


def _share(act):
    return int(paid_share(np.array([act[4]]), np.array([act[5]]))[0])


def _counts(acts, time):
    today = time // DAY
    inside = (
        lambda day: day >= today - 1,
        lambda day: day >= today - 6,
        lambda day: day // 7 >= today // 7 - 3,
        lambda day: True,
    )
    return [
        [sum(a[2] == kind and within(a[3] // DAY) for a in acts) for within in inside] for kind in range(len(ACTIONS))
    ]


def a_history(seed, *, users=6, items=5, acts=60, days=40, coarse=True):
    """A small shop; with `coarse` times many acts and decisions fall on the same moment, and on midnight."""
    rng = np.random.default_rng(seed)
    grain = DAY // 4 if coarse else 1

    def moment(n):
        return START + rng.integers(0, days * DAY // grain, n) * grain

    def pick(texts, n):
        return [texts[k] for k in rng.integers(0, len(texts), n)]

    table = pa.table(
        {
            "item_id": [f"i{k:03d}" for k in range(items)],
            "publisher": pick(["ours", "theirs", None], items),
            "category": pick(["puzzle", "racing", None], items),
            "list_price": pa.array([None if k == 3 else 500 + 100 * k for k in range(items)], pa.int64()),
            "released": pa.array(moment(items), pa.timestamp("us", "UTC")),
            "first_party": pick([True, False, None], items),
        }
    )
    starts = moment(4)
    discounts = pa.table(
        {
            "item_id": pick(table["item_id"].to_pylist(), 4),
            "starts": pa.array(starts, pa.timestamp("us", "UTC")),
            "ends": pa.array(starts + rng.integers(1, 9, 4) * DAY, pa.timestamp("us", "UTC")),
            "price": rng.integers(1, 900, 4),
        }
    )
    catalogue = Catalogue.of(table, discounts)
    who, what = rng.integers(0, users, acts), rng.integers(0, items, acts)
    kind, when = rng.integers(0, len(ACTIONS), acts), moment(acts)
    order = np.lexsort((what, kind, when, who))
    names = [f"u{k:03d}" for k in range(users)]
    data = Interactions.of(names, catalogue.ids, who[order], what[order], kind[order], when[order])
    said = Payments(*np.where(rng.random((2, acts)) < 0.5, -1, rng.integers(0, 900, (2, acts))))
    payments = said.filled(data, catalogue.prices, catalogue.list_price)
    pairs = rng.integers(0, users, (2 * users, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return History(data, payments, catalogue, Friendships.of(pairs, moment(len(pairs))))


def some_decisions(history, seed, count, *, coarse=True):
    """At moments of the history and after it, of users of whom one is a stranger."""
    rng = np.random.default_rng(seed)
    times = history.interactions.time
    low, high = (int(times.min()), int(times.max())) if len(times) else (START, START + 1)
    grain = DAY // 4 if coarse else 1
    time = rng.integers(low // grain, high // grain + 8, count) * grain
    return Decisions(
        rng.integers(-1, len(history.interactions.users), count),
        rng.integers(0, len(history.catalogue), count),
        time,
    )


def acts_of(history, rows=slice(None)):
    data, paid = history.interactions, history.payments
    return Acts(
        tuple(data.users),
        data.user[rows].astype(np.int64),
        data.item[rows].astype(np.int64),
        data.action[rows],
        data.time[rows],
        paid.paid[rows],
        paid.listed[rows],
    )


def plain_features(history, decisions):
    store = PlainStore(history.catalogue)
    store.observe(acts_of(history))
    for user, friend, since in zip(history.friends.user, history.friends.friend, history.friends.since, strict=True):
        names = history.interactions.users
        store.befriend([names[user]], [names[friend]], int(since))
    ids = [history.interactions.users[u] if u >= 0 else "stranger" for u in decisions.user]
    who = np.arange(len(ids))
    user, item = store.users(ids, decisions.time), store.items(decisions.item, decisions.time)
    return features(user, who, item, store.pairs(ids, who, decisions.item, decisions.time))


def bits(array):
    """Floats as whole numbers: nan equals nan, and -0.0 is not 0.0."""
    return np.ascontiguousarray(array).view(np.uint32)
