"""One demo shop from one seed: its fact tables, and the truth about its experiments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys.world.behaviour import events_table, treated_chances
from recsys.world.calendar import Calendar
from recsys.world.catalogue import draw_catalogue, items_table
from recsys.world.designs import DESIGNS, Design
from recsys.world.friends import communities_table, draw_friendships, friendships_table, treated_friends
from recsys.world.people import draw_people, users_table
from recsys.world.truth import Truth, true_effects
from recsys.world.visits import Exposures, assign, draw_visits, expose, exposures_table, lost_people

if TYPE_CHECKING:
    import pyarrow as pa

PEOPLE = 91_000
SEED = 2026
CALENDAR = Calendar()


@dataclass(frozen=True, slots=True)
class Simulation:
    """Fact tables by name, as the store's contracts state them, and the true effects."""

    tables: Mapping[str, "pa.Table"]
    truth: Truth


@dataclass(frozen=True, slots=True)
class World:
    """The demo shop's parameters; the experiments together have `people` people, of whom most come and are exposed."""

    people: int = PEOPLE
    seed: int = SEED
    calendar: Calendar = CALENDAR
    designs: tuple[Design, ...] = DESIGNS

    def simulate(self) -> Simulation:
        """The same tables and truth on every call."""
        # One stream a part: a change to one part leaves the draws of the others as they are.
        streams = [np.random.default_rng(child) for child in np.random.SeedSequence(self.seed).spawn(7)]
        calendar, designs = self.calendar, self.designs
        people = draw_people(self.people, calendar, streams[0])
        catalogue = draw_catalogue(calendar, streams[1])
        visits = draw_visits(people, calendar, streams[2])
        assignment = assign(people, designs, streams[3])
        met = expose(visits, assignment, calendar, designs, streams[4])
        friends = draw_friendships(people, calendar, streams[6])
        reached = treated_friends(friends, assignment, met, calendar)
        truth = true_effects(people, visits, assignment, met, reached, designs, catalogue, calendar)
        lost = lost_people(people, assignment, met, calendar, designs)
        visits = visits.keep(~lost[visits.person] | (visits.time < met.first[visits.person]))
        stayed = ~lost[met.person]
        logged = Exposures(met.person[stayed], met.time[stayed], met.treated[stayed], met.first, met.crossed)
        chance = treated_chances(people, visits, assignment, met, reached, designs)
        tables = {
            "users": users_table(people, calendar),
            "items": items_table(catalogue, calendar),
            "friendships": friendships_table(friends, people, calendar),
            "communities": communities_table(people),
            "exposures": exposures_table(logged, assignment, people.ids, calendar, designs),
            "events": events_table(people, visits, chance, catalogue, calendar, streams[5]),
        }
        return Simulation(tables, truth)
