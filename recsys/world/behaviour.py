"""What people do in a visit: the chances, and the events drawn from them."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.world.calendar import DAY, Calendar
from recsys.world.catalogue import Catalogue, item_ids
from recsys.world.designs import Change, Design
from recsys.world.people import FULL_PRICE_SHARE, People
from recsys.world.visits import Assignment, Exposures, Visits

if TYPE_CHECKING:
    import pyarrow as pa

# An order that paid the list price has a "full_price" event beside its "purchase"; "page_load" counts milliseconds.
KINDS = ("session", "page_load", "view", "wishlist", "cart", "purchase", "full_price", "refund")
SECONDS = {"session": 0, "page_load": 1, "view": 20, "wishlist": 60, "cart": 90, "purchase": 150, "full_price": 150}
WISHLIST, REFUND, CART = 0.09, 0.08, 0.12
PAGE_LOAD = np.array([820.0, 1240.0, 980.0])
PAGE_SPREAD = 0.3
REFUND_DAYS = (1.0, 8.0)


@dataclass(frozen=True, slots=True)
class Chances:
    """Of each visit, shape (visits,): probabilities, and the expected page load in milliseconds."""

    buys: NDArray[np.float64]
    full_price: NDArray[np.float64]
    refunds: NDArray[np.float64]
    wishlists: NDArray[np.float64]
    page_load: NDArray[np.float64]


def chances(people: People, visits: Visits) -> Chances:
    """The chances without any treatment."""
    who = visits.person
    return Chances(
        buys=people.buying[who],
        full_price=FULL_PRICE_SHARE[people.buyer_type[who]],
        refunds=np.full(len(who), REFUND),
        wishlists=np.full(len(who), WISHLIST),
        page_load=PAGE_LOAD[people.platform[who]],
    )


def changed(usual: Chances, change: Change, acts: NDArray[np.floating] | NDArray[np.bool_]) -> Chances:
    """The chances when `change` acts on each visit: wholly (1), not at all (0), or in part."""
    return Chances(**{
        each.name: getattr(usual, each.name) * (1 + acts * (getattr(change, each.name) - 1)) for each in fields(Chances)
    })  # fmt: skip


def treated_chances(
    people: People,
    visits: Visits,
    assignment: Assignment,
    exposures: Exposures,
    treated_friends: NDArray[np.float64],
    designs: tuple[Design, ...],
) -> Chances:
    """The chances as they are: from a first exposure on, one's own treatment acts and that of one's friends."""
    result = chances(people, visits)
    since = visits.time >= exposures.first[visits.person]
    own, reached = assignment.treated[visits.person], np.nan_to_num(treated_friends)[visits.person]
    for k, design in enumerate(designs):
        here = since & (assignment.experiment[visits.person] == k)
        result = changed(changed(result, design.change, here & own), design.passed_on, here * reached)
    return result


def refunded_before(time: NDArray[np.int64] | int, bought: NDArray[np.int64]) -> NDArray[np.float64]:
    """The chance that the refund of an order bought then comes before `time`."""
    low, high = REFUND_DAYS
    return np.clip(((time - bought) / DAY - low) / (high - low), 0.0, 1.0)


def events_table(
    people: People,
    visits: Visits,
    chance: Chances,
    catalogue: Catalogue,
    calendar: Calendar,
    rng: np.random.Generator,
) -> "pa.Table":
    """The fact table events, in order of time."""
    n = len(visits.person)
    tier = people.tier[visits.person]
    every = np.arange(n)
    buys = rng.random(n) < chance.buys
    wishes, carts = rng.random(n) < chance.wishlists, buys | (rng.random(n) < CART)
    full = buys & (rng.random(n) < chance.full_price)
    bought = catalogue.choose(tier, rng)
    paid = np.where(full, catalogue.list_price[bought], catalogue.deal_price[bought])
    low, high = REFUND_DAYS
    refund_time = visits.time + SECONDS["purchase"] + (rng.uniform(low, high, n) * DAY).astype(np.int64)
    refunds = buys & (rng.random(n) < chance.refunds) & (refund_time < calendar.end)
    load = np.rint(chance.page_load * np.exp(PAGE_SPREAD * rng.normal(size=n) - PAGE_SPREAD**2 / 2))
    viewed = np.repeat(every, rng.integers(0, 3, n))
    looked_at = catalogue.choose(tier[viewed], rng)
    none, no_item = np.zeros(n, np.int64), np.full(n, -1)
    # kind: visits, items (-1 is none), values
    drawn = {
        "session": (every, no_item, none),
        "page_load": (every, no_item, load),
        "view": (viewed, looked_at, np.zeros(len(viewed))),
        "wishlist": (every[wishes], catalogue.choose(tier[wishes], rng), none[wishes]),
        "cart": (every[carts], bought[carts], none[carts]),
        "purchase": (every[buys], bought[buys], paid[buys]),
        "full_price": (every[full], bought[full], paid[full]),
        "refund": (every[refunds], bought[refunds], -paid[refunds]),
    }
    visit = np.concatenate([rows for rows, _, _ in drawn.values()])
    kind = np.repeat(np.arange(len(KINDS)), [len(rows) for rows, _, _ in drawn.values()])
    item = np.concatenate([items for _, items, _ in drawn.values()])
    value = np.concatenate([values for _, _, values in drawn.values()]).astype(np.int64)
    after = np.array([SECONDS.get(each, 0) for each in KINDS])
    time = np.where(kind == KINDS.index("refund"), refund_time[visit], visits.time[visit] + after[kind])
    return _arrow(people, catalogue, calendar, visits.person[visit], time, kind, item, value)


def _arrow(
    people: People,
    catalogue: Catalogue,
    calendar: Calendar,
    person: NDArray[np.int64],
    time: NDArray[np.int64],
    kind: NDArray[np.int64],
    item: NDArray[np.int64],
    value: NDArray[np.int64],
) -> "pa.Table":
    import pyarrow as pa

    order = np.argsort(time, kind="stable")
    kind, item = kind[order], item[order]
    valueless = np.isin(kind, [KINDS.index(each) for each in ("session", "view", "wishlist", "cart")])
    return pa.table(
        {
            "unit_id": people.ids.take(person[order]),
            "time": pa.array(calendar.timestamps(time[order]), pa.timestamp("us", "UTC")),
            "kind": pa.array(KINDS).take(kind),
            "item_id": item_ids(catalogue).take(pa.array(item, mask=item < 0)),
            "value": pa.array(value[order], mask=valueless),
            "quantity": pa.array(np.ones(len(kind), np.int32), mask=item < 0),
        }
    )
