"""One day in the making: what does not change, who is there, what they think of items."""

from dataclasses import dataclass

import numpy as np

from recsys.world.calendar import DAY, Calendar
from recsys.world.catalogue import Assortment
from recsys.world.deals import Deals
from recsys.world.draws import Draws, Flags, Floats, Ints
from recsys.world.friends import Friends
from recsys.world.log import Log
from recsys.world.offers import PersonalPrices
from recsys.world.people import Population
from recsys.world.state import ShopState
from recsys.world.trials import Acting, Trials

# Worth over list price: exp(OFFSET + LIKING x match + ease + SURPRISE x normal).
OFFSET, LIKING, SURPRISE = -1.0, 0.5, 0.3
QUALITY = 0.3
# How much of what a price lies above the reference price hurts, and the spread of moods, over the list price.
RESENTMENT, MOOD = 0.5, 0.12
# Visits start so early that they end on the same day.
LAST_START = DAY - 1_000
NEW_DAYS = 14


@dataclass(frozen=True, slots=True)
class ShopPlan:
    """What a shop is made from; the same plan gives the same facts.

    Attributes:
        conditioning: how strongly people act on what deals taught them: 0 nobody waits or resents a price, 1 as usual.
        social: how much an item gains in worth (in logarithms) for each doubling of one plus the friends who own it.
        deals: how many public deals there are, 1 as usual.
        without: campaigns or families of campaigns that do not take place.
        experiments: for how many days at the end there are experiments.
    """

    people: int = 10_000
    days: int = 120
    seed: int = 2026
    conditioning: float = 1.0
    social: float = 0.08
    deals: float = 1.0
    without: tuple[str, ...] = ()
    experiments: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change from day to day."""

    plan: ShopPlan
    calendar: Calendar
    draws: Draws
    catalogue: Assortment
    people: Population
    friends: Friends
    deals: Deals
    trials: Trials

    def match(self, person: Ints, item: Ints) -> Floats:
        """How well an item suits a person, about -2 to 3; people and items broadcast together."""
        taste, factors = self.people.taste[person], self.catalogue.factors[item]
        suits = np.einsum("...f,...f->...", taste, factors)
        return np.asarray(suits + QUALITY * self.catalogue.quality[item])


@dataclass(frozen=True, slots=True)
class Today:
    """The visits of a day, one a person; `person` and `start` (second of the calendar) have shape (visits,)."""

    setting: Setting
    state: ShopState
    log: Log
    prices: PersonalPrices
    acting: Acting
    person: Ints
    start: Ints

    @property
    def day(self) -> int:
        return self.state.day

    def worth(self, person: Ints, item: Ints) -> Floats:
        """What an item is worth to a person over its list price; it changes only as friends come to own it."""
        setting = self.setting
        surprise = setting.draws.normal("surprise", 0, person, item)
        liking = LIKING * setting.match(person, item) + setting.people.ease[person] + SURPRISE * surprise
        friends = np.log2(1 + friends_who_own(self, person, item)) if setting.plan.social else 0.0
        return np.exp(OFFSET + liking + self.acting.ease[person] + setting.plan.social * friends)

    def may_have(self, person: Ints, item: Ints) -> Flags:
        """Sold today, fit for the person's age, and not owned."""
        catalogue, people = self.setting.catalogue, self.setting.people
        sold = catalogue.sold_on(self.day)[item]
        return np.asarray(sold & (catalogue.rating[item] <= people.age[person]) & ~self.state.owned.has(person, item))

    def intent(self, person: Ints, item: Ints, mood: str) -> tuple[Floats, Floats]:
        """The surplus of buying now and that of waiting, over the list price; shape of `person`.

        A price above the reference price hurts, and deals are believed to come, both times the plan's `conditioning`;
        unless that is 0 a deal that is announced is waited for as it is. `mood` names the random number.
        """
        setting, strength, beliefs = self.setting, self.setting.plan.conditioning, self.state.beliefs
        worth, ratio = self.worth(person, item), self.prices.ratio(person, item)
        now = worth - ratio - strength * RESENTMENT * beliefs.loss(person, ratio)
        now = now + MOOD * setting.draws.normal(mood, self.day, person, item)
        patience = setting.people.patience[person]
        category = setting.catalogue.category[item]
        later = beliefs.waiting(person, category, worth, patience, strength)
        if strength > 0:
            days, cents = setting.deals.announced_on(self.day)
            known = worth - np.minimum(cents[item] / setting.catalogue.list_price[item], 1e9)
            later = np.maximum(
                later, np.where(np.isfinite(days[item]), patience ** np.minimum(days[item], 99) * known, 0)
            )
        return now, later


def friends_who_own(today: Today, person: Ints, item: Ints) -> Floats:
    """How many friends of each person own the item by now, of today's purchases too; shape of `person`."""
    friends = today.setting.friends
    place, row = friends.of(person)
    there = (friends.since[row] <= today.day) & today.state.owned.has(friends.friend[row], item[place])
    return np.bincount(place, there, len(person)).astype(np.float64)
