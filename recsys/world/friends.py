"""Who is friends with whom in the demo shop: circles of friends, a few friendships between neighbouring ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.world.calendar import Calendar
from recsys.world.people import People
from recsys.world.visits import NEVER, Assignment, Exposures

if TYPE_CHECKING:
    import pyarrow as pa

FRIENDS = 3
INSIDE = 0.75
# How far away, in people, friends outside the circle are.
NEIGHBOURHOOD = 100


@dataclass(frozen=True, slots=True)
class Friendships:
    """Each pair of friends once, shape (friendships, 2), and when they became friends, shape (friendships,)."""

    pairs: NDArray[np.int64]
    since: NDArray[np.int64]


def draw_friendships(people: People, calendar: Calendar, rng: np.random.Generator) -> Friendships:
    """About `FRIENDS` friends a person, the share `INSIDE` of them in the own circle and the others not far away."""
    n = len(people.circle)
    one = rng.integers(0, n, n * FRIENDS // 2)
    size = np.bincount(people.circle)
    first, of = np.cumsum(size) - size, people.circle[one]
    near = first[of] + rng.integers(0, size[of])
    away = one + rng.integers(-NEIGHBOURHOOD, NEIGHBOURHOOD + 1, len(one))
    other = np.where(rng.random(len(one)) < INSIDE, near, np.clip(away, 0, n - 1))
    pairs = np.sort(np.stack([one, other], axis=1), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    known = people.first_seen[pairs].max(axis=1)
    return Friendships(pairs, known + (rng.random(len(pairs)) * (calendar.end - known)).astype(np.int64))


def treated_friends(
    friends: Friendships, assignment: Assignment, exposures: Exposures, calendar: Calendar
) -> NDArray[np.float64]:
    """Of each person's friends in the same experiment, the share that is treated, shape (people,); nan without any.

    As a readout maps it: friends since before the experiment who both meet it, each in one arm only.
    """
    there = (exposures.first != NEVER) & ~exposures.crossed
    pairs = friends.pairs[friends.since < calendar.opening]
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    counts = there[one] & there[other] & (assignment.experiment[one] == assignment.experiment[other])
    one, other, n = one[counts], other[counts], len(there)
    with np.errstate(invalid="ignore"):
        return np.bincount(one, assignment.treated[other], n) / np.bincount(one, minlength=n)


def friendships_table(friends: Friendships, people: People, calendar: Calendar) -> "pa.Table":
    """The fact table friendships: both directions."""
    import pyarrow as pa

    one, other = friends.pairs.T
    return pa.table(
        {
            "user_id": people.ids.take(np.concatenate([one, other])),
            "friend_id": people.ids.take(np.concatenate([other, one])),
            "since": pa.array(calendar.timestamps(np.tile(friends.since, 2)), pa.timestamp("us", "UTC")),
        }
    )


def communities_table(people: People) -> "pa.Table":
    """The fact table communities: everybody's circle."""
    import pyarrow as pa

    return pa.table({"user_id": people.ids, "community": pa.array([f"c{k:04d}" for k in people.circle])})
