"""Offers to single people: decided at a visit by a fair coin, logged whether made or withheld, and what they pay."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.world.catalogue import Assortment
from recsys.world.deals import Deals, left_out
from recsys.world.draws import Draws, Floats, Ints

# Who decides on offers: a coin for each programme, the rule of group buys, an experiment.
POLICIES = ("coin-1", "rule-1", "experiment-1")
LONG_AGO = -10_000


@dataclass(frozen=True, slots=True)
class Programme:
    """A campaign of targeted offers on the whole shop: `depth` with chance `chance`, for `days` days."""

    name: str
    depth: float
    chance: float
    days: int


NEW_BUYER = Programme("new_buyer", 0.2, 0.5, 14)
WIN_BACK = Programme("win_back", 0.15, 0.5, 7)
# Made only by an experiment, to its treated people.
DEEP_DROP = Programme("deep_drop", 0.2, 0.5, 1)
PROGRAMMES = (NEW_BUYER, WIN_BACK, DEEP_DROP)
# Nobody is asked back who bought or was asked within so many days.
AWAY = 30
GROUP_BUY = "group_buy"


@dataclass(frozen=True, slots=True)
class Decided:
    """Offers made and withheld on one day, one entry a decision; `programme` is a place in PROGRAMMES."""

    person: Ints
    programme: Ints
    depth: Floats
    propensity: Floats


@dataclass(slots=True)
class Wallets:
    """What the shop has offered to people, a row a person and a column a programme.

    Attributes:
        decided: the day of the last decision, LONG_AGO without one.
        depth: of the last offer, 0 where it was withheld.
        until: the day on which the offer is over.
    """

    decided: NDArray[np.int32]
    depth: NDArray[np.float32]
    until: NDArray[np.int32]

    @classmethod
    def empty(cls, people: int) -> "Wallets":
        shape = people, len(PROGRAMMES)
        return cls(np.full(shape, LONG_AGO, np.int32), np.zeros(shape, np.float32), np.zeros(shape, np.int32))

    def decide(
        self, person: Ints, joined: Ints, last_bought: Ints, day: int, draws: Draws, *, without: tuple[str, ...]
    ) -> Decided:
        """Decide for those who visit on this day; a programme that is left out decides nothing.

        Args:
            joined, last_bought: days, of these people; LONG_AGO for nothing bought.
        """
        new = (joined >= 0) & (last_bought == LONG_AGO) & (self.decided[person, 0] == LONG_AGO)
        asked = self.decided[person, 1]
        away = (joined < day - AWAY) & (np.maximum(last_bought, asked) < day - AWAY)
        made = []
        for k, (programme, eligible) in enumerate(zip((NEW_BUYER, WIN_BACK), (new, away), strict=True)):
            if left_out(programme.name, without):
                continue
            who = person[eligible]
            yes = draws.happens(programme.chance, programme.name, day, who)
            self.note(k, who, np.where(yes, programme.depth, 0.0), day)
            chance = np.where(yes, programme.chance, 1 - programme.chance)
            made.append((who, np.full(len(who), k), np.where(yes, programme.depth, 0.0), chance))
        if not made:
            return Decided(*(np.zeros(0, np.int64),) * 2, *(np.zeros(0),) * 2)
        return Decided(*(np.concatenate(column) for column in zip(*made, strict=True)))

    def note(self, programme: int, person: Ints, depth: Floats, day: int) -> None:
        """Remember a decision of this programme (its place), 0 where the offer was withheld."""
        self.decided[person, programme], self.depth[person, programme] = day, depth
        self.until[person, programme] = day + PROGRAMMES[programme].days

    @staticmethod
    def place(programme: Programme) -> int:
        return PROGRAMMES.index(programme)

    def live(self, person: Ints, day: int) -> tuple[Floats, Ints]:
        """The deepest live offer of each person and its programme, 0 and -1 without one."""
        depth = np.where(self.until[person] > day, self.depth[person], 0.0)
        best = depth.argmax(axis=-1)
        deepest = np.take_along_axis(depth, best[..., None], -1)[..., 0].astype(np.float64)
        # Depths are kept in single precision: the programme's own number decides the price.
        exact = np.array([each.depth for each in PROGRAMMES])[best]
        return np.where(deepest > 0, exact, 0.0), np.where(deepest > 0, best, -1)


@dataclass(frozen=True, slots=True)
class PersonalPrices:
    """What items cost each person on one day: the lowest of list price, public deals and own offers.

    A campaign is a number: places in PROGRAMMES first, then group_buy, then the public ones; -1 is the list price.
    """

    catalogue: Assortment
    deals: Deals
    wallets: Wallets
    day: int

    def of(self, person: Ints, item: Ints) -> tuple[Ints, Ints]:
        """Cents and campaign, of people and items broadcast together."""
        public, by = self.deals.price[self.day, item], self.deals.by[self.day, item]
        depth, programme = self.wallets.live(person, self.day)
        own = np.rint(self.catalogue.list_price[item] * (1 - depth)).astype(np.int64)
        personal = own < public
        campaign = np.where(by >= 0, by + len(PROGRAMMES) + 1, -1)
        return np.where(personal, own, public), np.where(personal, programme, campaign)

    def ratio(self, person: Ints, item: Ints) -> Floats:
        """Price over list price."""
        return np.asarray(self.of(person, item)[0] / self.catalogue.list_price[item])


def campaign_names(deals: Deals) -> tuple[str, ...]:
    """By number, as `PersonalPrices` counts them."""
    return (*(each.name for each in PROGRAMMES), GROUP_BUY, *deals.campaigns)
