"""Who is friends with whom: circles of friends, a few friendships between neighbouring circles."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys.world.calendar import DAY, Calendar
from recsys.world.draws import Draws, Ints
from recsys.world.pairs import ranges
from recsys.world.people import FRIENDS, INSIDE, NEIGHBOURHOOD, Population

if TYPE_CHECKING:
    import pyarrow as pa

# The share of friendships that are older than the calendar's first day, among people who are.
OLD = 0.8


@dataclass(frozen=True, slots=True)
class Friends:
    """Both directions of each friendship, in order of `person`; shape (2 x friendships,).

    Attributes:
        since: the day from which on they are friends.
        start: person u has rows start[u]:start[u + 1], shape (people + 1,).
    """

    person: Ints
    friend: Ints
    since: Ints
    start: Ints

    def of(self, persons: Ints) -> tuple[Ints, Ints]:
        """For each friendship of these people: the place in `persons`, and the row here."""
        return ranges(self.start[persons], self.start[persons + 1])


def draw_friends(people: Population, calendar: Calendar, draws: Draws) -> Friends:
    """About `FRIENDS` friends a person, the share `INSIDE` of them in the own circle; the accounts of a ring know each
    other."""
    rng, n = draws.generator("friends"), len(people)
    one = rng.integers(0, n, n * FRIENDS // 2)
    size = np.bincount(people.circle)
    first, of = np.cumsum(size) - size, people.circle[one]
    near = first[of] + rng.integers(0, size[of])
    away = one + rng.integers(-NEIGHBOURHOOD, NEIGHBOURHOOD + 1, len(one))
    other = np.where(rng.random(len(one)) < INSIDE, near, np.clip(away, 0, n - 1))
    linked = np.flatnonzero((people.ring[1:] >= 0) & (people.ring[1:] == people.ring[:-1]))
    pairs = np.sort(np.stack([np.append(one, linked), np.append(other, linked + 1)], axis=1), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    met = people.joined[pairs].max(axis=1)
    later = np.maximum(met, 0) + (rng.random(len(pairs)) * (calendar.days - np.maximum(met, 0))).astype(np.int64)
    since = np.where((met < 0) & (rng.random(len(pairs)) < OLD), met, later)
    person, friend = np.concatenate([pairs, pairs[:, ::-1]]).T
    order = np.lexsort((friend, person))
    person, friend, since = person[order], friend[order], np.tile(since, 2)[order]
    return Friends(person, friend, since, np.searchsorted(person, np.arange(n + 1)))


def friendships_table(friends: Friends, people: Population, calendar: Calendar) -> "pa.Table":
    """The fact table friendships: both directions."""
    import pyarrow as pa

    return pa.table(
        {
            "user_id": people.ids.take(friends.person),
            "friend_id": people.ids.take(friends.friend),
            "since": pa.array(calendar.timestamps(friends.since * DAY), pa.timestamp("us", "UTC")),
        }
    )
