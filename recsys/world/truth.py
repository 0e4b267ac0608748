"""The true effects: expected values over the shop's own people and visits, without the luck of what they bought."""

import json
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from recsys.world.behaviour import SECONDS, Chances, chances, changed, refunded_before
from recsys.world.calendar import DAY, Calendar
from recsys.world.catalogue import Catalogue
from recsys.world.designs import Change, Design
from recsys.world.people import People
from recsys.world.visits import NEVER, Assignment, Exposures, Visits

CONVERSION_DAYS = 7
Persons = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrueEffect:
    """Expected means over the exposed people if all were in control, and if all were treated (money in cents)."""

    control: float
    treatment: float

    @property
    def absolute(self) -> float:
        return self.treatment - self.control

    @property
    def relative(self) -> float:
        """Of control; 0.02 is +2 %."""
        return self.treatment / self.control - 1


Effects = dict[str, dict[str, TrueEffect]]


@dataclass(frozen=True, slots=True)
class Truth:
    """The true effects at the end of the calendar, each experiment -> metric -> effect.

    Attributes:
        effects: on everyone who was exposed, if all are treated against none.
        direct: on those with friends in the experiment if no friend is treated; only where something is passed on.
        spillover: on the same people if they are not treated and all of their friends are, against none of them; it is
            in proportion to the share of friends treated.
    """

    effects: Effects
    direct: Effects
    spillover: Effects

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Truth":
        return cls(**{
            name: {e: {m: TrueEffect(**true) for m, true in of.items()} for e, of in effects.items()}
            for name, effects in json.loads(text).items()
        })  # fmt: skip


def true_effects(
    people: People,
    visits: Visits,
    assignment: Assignment,
    exposures: Exposures,
    treated_friends: NDArray[np.float64],
    designs: tuple[Design, ...],
    catalogue: Catalogue,
    calendar: Calendar,
) -> Truth:
    """The truth if nobody were lost; people seen in both arms are left out, as a readout leaves them out."""
    truth = Truth({}, {}, {})

    def effects(who: Persons, *changes: tuple[Change, Persons]) -> dict[str, TrueEffect]:
        own = visits.keep(who[visits.person])
        control, treatment = (
            _expected(people, own, exposures.first[own.person], acting, catalogue, calendar) for acting in ((), changes)
        )
        return {name: TrueEffect(control[name], treatment[name]) for name in control}

    for k, design in enumerate(designs):
        units = (assignment.experiment == k) & (exposures.first != NEVER) & ~exposures.crossed
        friends = units & ~np.isnan(treated_friends)
        truth.effects[design.id] = effects(units, (design.change, units), (design.passed_on, friends))
        if design.passed_on != Change():
            truth.direct[design.id] = effects(friends, (design.change, friends))
            truth.spillover[design.id] = effects(friends, (design.passed_on, friends))
    return truth


def _expected(
    people: People,
    visits: Visits,
    first: NDArray[np.int64],
    acting: tuple[tuple[Change, Persons], ...],
    catalogue: Catalogue,
    calendar: Calendar,
) -> dict[str, float]:
    """Expected value of every metric; the keys are the metric ids of experiments/*.toml.

    `first` is the first exposure of each visit's person; each change is with those on whom it acts from then on.
    """
    counts = visits.time >= first
    chance = chances(people, visits)
    for change, who in acting:
        chance = changed(chance, change, counts & who[visits.person])
    bought = visits.time + SECONDS["purchase"]
    # Orders from before the first exposure may be refunded after it, and then count too.
    late_refund = refunded_before(calendar.end, bought) - refunded_before(first, bought)
    refunds = np.sum(chance.buys * chance.refunds * late_refund)
    visits, first, bought = visits.keep(counts), first[counts], bought[counts]
    chance = Chances(**{each.name: getattr(chance, each.name)[counts] for each in fields(Chances)})
    units, tier = len(np.unique(visits.person)), people.tier[visits.person]
    full, deal = ((catalogue.chance @ price)[tier] for price in (catalogue.list_price, catalogue.deal_price))
    revenue = np.sum(chance.buys * (chance.full_price * full + (1 - chance.full_price) * deal))
    orders = np.sum(chance.buys)
    soon = bought <= first + CONVERSION_DAYS * DAY
    log_nothing = np.bincount(visits.person[soon], np.log1p(-chance.buys[soon]), minlength=len(people.tier))
    means = {
        "revenue": revenue / units,
        "conversion": np.sum(-np.expm1(log_nothing)) / units,
        "orders": orders / units,
        "order_value": revenue / orders,
        "full_price_orders": np.sum(chance.buys * chance.full_price) / units,
        "refund_rate": refunds / orders,
        "wishlist": np.sum(chance.wishlists) / units,
        "visits": len(visits.person) / units,
        "page_load": np.mean(chance.page_load),
    }
    return {name: float(value) for name, value in means.items()}
