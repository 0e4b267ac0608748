"""Who comes to the demo shop: attributes known before any exposure, and the taste and wallet that explain spending."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.world.calendar import DAY, Calendar

if TYPE_CHECKING:
    import pyarrow as pa

COUNTRIES = {"US": 0.34, "DE": 0.17, "GB": 0.14, "FR": 0.13, "BR": 0.12, "JP": 0.10}
PLATFORMS = {"desktop": 0.45, "phone": 0.38, "console": 0.17}
BUYER_TYPES = ("full_price", "deal", "new")
FULL_PRICE_SHARE = np.array([0.88, 0.62, 0.78])
NEWCOMERS = 0.2
TIERS = 4
CIRCLES = (5, 30)
# Standard deviation of the logarithm of what a circle's people share of their activity.
ALIKE = 0.25


@dataclass(frozen=True, slots=True)
class People:
    """One entry a person, shape (people,). country, platform and buyer_type are places in the lists above.

    Attributes:
        first_seen: seconds on the calendar; newcomers are first seen within it.
        activity: visits a day.
        buying: chance that a visit ends in an order, at most 0.6, so that no lift can push it past 1.
        tier: 0 to 3, from thin to fat wallet; decides which prices are chosen.
        circle: of friends, numbered from 0; people of one circle follow each other.
    """

    first_seen: NDArray[np.int64]
    country: NDArray[np.int64]
    platform: NDArray[np.int64]
    buyer_type: NDArray[np.int64]
    activity: NDArray[np.float64]
    buying: NDArray[np.float64]
    tier: NDArray[np.int64]
    circle: NDArray[np.int64]

    @property
    def ids(self) -> "pa.Array":
        """user_id of each person."""
        import pyarrow as pa

        return pa.array([f"u{k:06d}" for k in range(len(self.tier))])


def draw_people(n: int, calendar: Calendar, rng: np.random.Generator) -> People:
    """n people; every draw is independent of every experiment."""
    new = rng.random(n) < NEWCOMERS
    first_seen = np.where(new, rng.integers(0, calendar.end, n), -rng.integers(1, 720 * DAY, n))
    wallet = rng.normal(size=n)
    low, high = CIRCLES
    sizes = rng.integers(low, high + 1, n // low + 1)
    circle = np.repeat(np.arange(len(sizes)), sizes)[:n]
    shared = np.exp(ALIKE * rng.normal(size=len(sizes)) - ALIKE**2 / 2)
    return People(
        first_seen=first_seen,
        country=rng.choice(len(COUNTRIES), n, p=list(COUNTRIES.values())),
        platform=rng.choice(len(PLATFORMS), n, p=list(PLATFORMS.values())),
        buyer_type=np.where(new, 2, (rng.random(n) < 0.4).astype(np.int64)),
        activity=rng.gamma(1.3, 0.13, n) * shared[circle],
        buying=np.minimum(0.16 * np.exp(0.9 * wallet), 0.6),
        tier=np.clip(np.floor(1.7 + 0.9 * wallet + 0.4 * rng.normal(size=n)), 0, TIERS - 1).astype(np.int64),
        circle=circle,
    )


def users_table(people: People, calendar: Calendar) -> "pa.Table":
    """The fact table users."""
    import pyarrow as pa

    return pa.table(
        {
            "user_id": people.ids,
            "first_seen": pa.array(calendar.timestamps(people.first_seen), pa.timestamp("us", "UTC")),
            "country": pa.array(list(COUNTRIES)).take(people.country),
            "platform": pa.array(list(PLATFORMS)).take(people.platform),
            "buyer_type": pa.array(BUYER_TYPES).take(people.buyer_type),
        }
    )
