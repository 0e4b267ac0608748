"""Who is in which arm of the demo shop's experiments, when they meet them, and what acts on whom from then on."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from recsys.world.calendar import DAY
from recsys.world.designs import CROSSOVERS, DESIGNS, Change, Design
from recsys.world.draws import Draws, Flags, Floats, Ints
from recsys.world.friends import Friends
from recsys.world.log import Log
from recsys.world.people import PLATFORMS, Population
from recsys.world.state import ShopState

NOT_YET, LOST = -1, -2


@dataclass(frozen=True, slots=True)
class Acting:
    """What experiments do to each person on this day, as in `Change`; shape (people,)."""

    ease: Floats
    wishes: Floats
    gifts: Floats
    refunds: Floats
    load: Floats

    @classmethod
    def nothing(cls, people: int) -> "Acting":
        return cls(np.zeros(people), *(np.ones(people) for _ in range(4)))

    def more(self, change: Change, share: Floats) -> "Acting":
        """With this change, acting on each person wholly (1), not at all (0), or in part."""
        parts = {f.name: getattr(self, f.name) * (1 + share * (getattr(change, f.name) - 1)) for f in fields(self)}
        return Acting(**parts | {"ease": self.ease + share * change.ease})


@dataclass(frozen=True, slots=True)
class Trials:
    """The experiments of a shop, from day `opening` on.

    Attributes:
        treated: the arm of each person, shape (people, designs).
        friends_treated: the same as friends of the person feel it; differs from `treated` only in replays.
        crossed: people who are logged in the other arm when they come back, likewise.
        losses: False in a shop in which nobody is lost.
    """

    designs: tuple[Design, ...]
    opening: int
    treated: Flags
    friends_treated: Flags
    crossed: Flags
    losses: bool = True

    def meet(
        self, day: int, person: Ints, start: Ints, state: ShopState, log: Log, *, draws: Draws, people: Population
    ) -> Flags:
        """Expose and log the visits that meet an experiment; returns which people stay.

        Whoever leaves does so before this visit meets any experiment, and meets none later.
        """
        meets = [draws.happens(design.reach, f"meets {design.id}", day, person) for design in self.designs]
        for k, design in enumerate(self.designs):
            if design.loss is None or not self.losses or day < self.opening + design.loss.day:
                continue
            there = people.platform[person] == list(PLATFORMS).index(design.loss.platform)
            lost = meets[k] & there & self.treated[person, k] & (state.exposed[person, k] == NOT_YET)
            state.exposed[person[lost], k] = LOST
        stay: Flags = (state.exposed[person] != LOST).all(axis=1)
        for k, seen in enumerate(each & stay for each in meets):
            self._expose(k, person[seen], start[seen], state, log)
        return stay

    def _expose(self, experiment: int, person: Ints, start: Ints, state: ShopState, log: Log) -> None:
        first = state.exposed[person, experiment]
        other = (first >= 0) & self.crossed[person, experiment]
        arm = (self.treated[person, experiment] ^ other).astype(np.int64)
        log.exposures.append((np.full(len(person), experiment), person, start, arm))
        state.exposed[person, experiment] = np.where(first == NOT_YET, start, first)

    def acting(self, state: ShopState, friends: Friends) -> Acting:
        """What acts on everybody who has been exposed by now."""
        result = Acting.nothing(len(self.treated))
        for k, design in enumerate(self.designs):
            met = state.exposed[:, k] >= 0
            result = result.more(design.change, (met & self.treated[:, k]).astype(np.float64))
            if design.passed_on != Change():
                result = result.more(design.passed_on, met * self.reached(k, met, friends))
        return result

    def reached(self, experiment: int, met: Flags, friends: Friends) -> Floats:
        """Of each person's friends of before the experiments who have met this one, the share that is treated."""
        n = len(met)
        counts = (friends.since < self.opening) & met[friends.friend]
        one, arm = friends.person[counts], self.friends_treated[friends.friend[counts], experiment]
        return np.bincount(one, arm, n) / np.maximum(np.bincount(one, minlength=n), 1)

    def offer(self, day: int, weekday: int, person: Ints, start: Ints, state: ShopState, log: Log) -> None:
        """Make the offers of this weekday to the treated who were exposed, and withhold them from the others."""
        for k, design in enumerate(self.designs):
            if design.offers is None or weekday not in design.weekdays:
                continue
            rows = state.exposed[person, k] >= 0
            who, programme = person[rows], state.wallets.place(design.offers)
            depth = np.where(self.treated[who, k], design.offers.depth, 0.0)
            state.wallets.note(programme, who, depth, day)
            none, half = np.full(len(who), -1), np.full(len(who), 0.5)
            ends = np.full(len(who), (day + design.offers.days) * DAY)
            log.offer(who, np.full(len(who), programme), start[rows], depth, half, none, ends)


def draw_trials(people: Population, opening: int, draws: Draws) -> Trials:
    """Arms drawn blindly and for each experiment alone."""
    n = len(people)
    everyone = np.arange(n)
    treated, crossed = np.zeros((n, len(DESIGNS)), bool), np.zeros((n, len(DESIGNS)), bool)
    for k, design in enumerate(DESIGNS):
        treated[:, k] = draws.happens(0.5, f"arm {design.id}", 0, people.circle if design.by_circle else everyone)
        # One crossed person would count against a whole circle.
        if not design.by_circle:
            crossed[:, k] = draws.happens(CROSSOVERS, f"crossed {design.id}", 0, everyone)
    return Trials(DESIGNS, opening, treated, treated, crossed)


def no_trials(people: Population, days: int) -> Trials:
    empty: NDArray[np.bool_] = np.zeros((len(people), 0), bool)
    return Trials((), days, empty, empty, empty)
