"""What people look at: places of slates, what they search for, what is on sale."""

from dataclasses import dataclass, fields

import numpy as np

from recsys.world.draws import Flags, Floats, Ints
from recsys.world.pairs import first_of_each
from recsys.world.policy import Policy, Requests
from recsys.world.today import NEW_DAYS, Today

# The chance that a place is examined falls with the places above it.
EXAMINED, DEEPER = 0.95, 0.16
# The chance of a look at an examined place: logistic in the match, the discount and whether the item is new.
LOOK, BY_MATCH, BY_DISCOUNT, BY_NOVELTY = -2.5, 1.0, 1.2, 0.3
SEARCHES, BROWSES = 0.35, 0.12
# Rows of a search that are worked on at a time, to bound memory.
ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Looks:
    """Views, shape (views,): `row` is the visit's place in `Today`, `slate` -1 where it followed from none."""

    row: Ints
    item: Ints
    slate: Ints
    second: Ints

    def keep(self, rows: Flags) -> "Looks":
        return Looks(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def all(cls, *parts: "Looks") -> "Looks":
        """One after the other; of an item that one visit looks at again, the first look."""
        whole = cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))
        return whole.keep(first_of_each(whole.row, whole.item))


def ask(today: Today, surface: str, rows: Ints, about_row: Ints, about_item: Ints, after: int) -> Requests:
    """The requests of these visits, `after` seconds after they began; `about_row` are places in `rows`, in order."""
    person = today.person[rows]
    owned_row, at = today.state.owned.of(person)
    owned = today.state.owned.item[at]
    return Requests(surface, today.day, person, today.start[rows] + after, about_row, about_item, owned_row, owned)


def look_at_slates(today: Today, policy: Policy, asked: Requests, rows: Ints) -> Looks:
    """Show the slates and log them; people learn from the prices that they see, and look at some of the items."""
    if not len(rows):
        return nothing()
    shown = policy.show(asked)
    number = today.log.slate(asked, shown)
    draws, day, setting = today.setting.draws, today.day, today.setting
    place = np.arange(shown.item.shape[1])
    item = np.maximum(shown.item, 0)
    person = np.broadcast_to(asked.person[:, None], item.shape)
    chance = np.asarray(EXAMINED / (1 + DEEPER * place), np.float64)
    examined = draws.happens(chance, f"{asked.surface} examined", day, person, place) & (shown.item >= 0)
    ratio = today.prices.ratio(person, item)
    today.state.beliefs.learn(asked.person, setting.catalogue.category[item], ratio, examined)
    row, at = np.nonzero(examined)
    who, what = asked.person[row], item[row, at]
    looks = draws.happens(_chance(today, who, what, ratio[row, at]), f"{asked.surface} look", day, who, what)
    row, at, what = row[looks], at[looks], what[looks]
    return Looks(rows[row], what, number[row], asked.second[row] + 5 + 9 * at)


def _chance(today: Today, person: Ints, item: Ints, ratio: Floats) -> Floats:
    setting = today.setting
    new = today.day - setting.catalogue.released[item] < NEW_DAYS
    logit = LOOK + BY_MATCH * setting.match(person, item) + BY_DISCOUNT * (1 - ratio) + BY_NOVELTY * new
    return np.asarray(1 / (1 + np.exp(-logit)))


def searches(today: Today) -> Looks:
    """Some look for one item of their own taste."""
    some = np.flatnonzero(today.setting.draws.happens(SEARCHES, "searches", today.day, today.person))
    item = found(today, today.person[some], today.person[some], "search")
    good = item >= 0
    rows = some[good]
    return Looks(rows, item[good], np.full(len(rows), -1), today.start[rows] + 150)


def found(today: Today, person: Ints, taste: Ints, purpose: str) -> Ints:
    """An item that suits each of `taste` (people), sought by `person`; -1 where they own it or are too young for it."""
    setting = today.setting
    catalogue = setting.catalogue
    sold = np.flatnonzero(catalogue.sold_on(today.day))
    u = setting.draws.uniform(purpose, today.day, person, taste)
    base = 0.6 * catalogue.quality[sold] + 0.5 * (today.day - catalogue.released[sold] < NEW_DAYS)
    item = np.empty(len(person), np.int64)
    for low in range(0, len(person), ROWS):
        part = slice(low, low + ROWS)
        suits = setting.people.taste[taste[part]] @ catalogue.factors[sold].T
        edges = np.cumsum(np.exp(1.5 * suits + base), axis=1)
        place = (edges < u[part, None] * edges[:, -1:]).sum(axis=1)
        item[part] = sold[np.minimum(place, len(sold) - 1)]
    return np.where(today.may_have(taste, item), item, -1)


def browses(today: Today) -> Looks:
    """Some go through the page of deals and look at the one that suits them best, of a few that they notice."""
    setting, day = today.setting, today.day
    on_sale = np.flatnonzero((setting.deals.by[day] >= 0) & setting.catalogue.sold_on(day))
    some = np.flatnonzero(setting.draws.happens(BROWSES, "browses", day, today.person))
    if not len(on_sale) or not len(some):
        return nothing()
    notice = np.arange(4)
    person = today.person[some][:, None]
    # Which deals are noticed depends on each deal alone: one that is left out leaves the others as they are.
    u = setting.draws.uniform("notices", day, np.broadcast_to(person, (len(some), len(notice))), notice)
    slots = (u * len(setting.catalogue)).astype(np.int64)
    place = np.searchsorted(on_sale, slots)
    item = on_sale[place % len(on_sale)]
    best = np.argmax(setting.match(np.broadcast_to(person, item.shape), item), axis=1)
    chosen = item[np.arange(len(some)), best]
    good = today.may_have(today.person[some], chosen)
    return Looks(some[good], chosen[good], np.full(int(good.sum()), -1), today.start[some[good]] + 165)


def nothing() -> Looks:
    return Looks(*(np.zeros(0, np.int64) for _ in fields(Looks)))
