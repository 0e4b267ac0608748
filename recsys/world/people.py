"""Who comes to the living shop: what is known of people, and the tastes, wallets and habits that nobody sees."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys.world.calendar import DAY, Calendar
from recsys.world.catalogue import FACTORS, category_factors, unit
from recsys.world.draws import Draws, Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

COUNTRIES = {"US": 0.34, "DE": 0.17, "GB": 0.14, "FR": 0.13, "BR": 0.12, "JP": 0.10}
PLATFORMS = {"desktop": 0.45, "phone": 0.38, "console": 0.17}
BUYER_TYPES = ("full_price", "deal", "new")
NEWCOMERS, AGE_UNKNOWN = 0.2, 0.1
CIRCLES = (5, 30)
FRIENDS, INSIDE, NEIGHBOURHOOD = 4, 0.75, 100
# The share of accounts that belong to abusers, and how many accounts each of those has.
ABUSERS, ACCOUNTS = 0.015, 5
TASTE = 2.2


@dataclass(frozen=True, slots=True)
class Population:
    """One entry a person, shape (people,); country, platform and buyer_type are places in the lists above.

    Attributes:
        joined: the day of the first visit, negative before the calendar.
        age: years; `stated_age` is -1 where the shop does not know it.
        birthday: day of the year, from 0.
        circle: of friends, numbered from 0; people of one circle follow each other.
        ring: the abuser who owns the account, -1 for honest people.
        activity: chance of a visit on an average day.
        taste: length TASTE, shape (people, FACTORS).
        wallet: cents a month; `ease` adds to the logarithm of what an item is worth to them.
        patience: what a pleasure of tomorrow is worth today.
    """

    joined: Ints
    country: Ints
    platform: Ints
    buyer_type: Ints
    age: Ints
    stated_age: Ints
    birthday: Ints
    circle: Ints
    ring: Ints
    activity: Floats
    taste: Floats
    wallet: Floats
    ease: Floats
    patience: Floats

    def __len__(self) -> int:
        return len(self.joined)

    @property
    def ids(self) -> "pa.Array":
        """user_id of each person."""
        import pyarrow as pa

        return pa.array([f"u{k:06d}" for k in range(len(self))])


def draw_people(n: int, calendar: Calendar, draws: Draws) -> Population:
    """n people; those of one circle are somewhat alike."""
    rng = draws.generator("people")
    low, high = CIRCLES
    sizes = rng.integers(low, high + 1, n // low + 1)
    circle = np.repeat(np.arange(len(sizes)), sizes)[:n]
    ring = _rings(n, rng)
    abuser = ring >= 0
    new = (rng.random(n) < NEWCOMERS) | abuser
    # The accounts of one abuser are opened within days of each other.
    opened = rng.integers(0, calendar.days, n // ACCOUNTS + 1)[np.maximum(ring, 0)] + rng.integers(0, 3, n)
    joined = np.where(new, rng.integers(0, calendar.days, n), -rng.integers(1, 720, n))
    favourite = np.where(rng.random(n) < 0.5, rng.integers(0, 10, len(sizes))[circle], rng.integers(0, 10, n))
    liked = unit(rng.normal(size=(len(sizes), FACTORS)))[circle]
    taste = 1.1 * category_factors()[favourite] + 0.6 * liked + 0.6 * unit(rng.normal(size=(n, FACTORS)))
    wallet = rng.normal(size=n)
    alike = 0.25 * rng.normal(size=len(sizes))[circle]
    age = np.clip(np.rint(12 + rng.gamma(3.0, 6.0, n)), 12, 80).astype(np.int64)
    return Population(
        joined=np.where(abuser, np.minimum(opened, calendar.days - 1), joined),
        country=rng.choice(len(COUNTRIES), n, p=list(COUNTRIES.values())),
        platform=rng.choice(len(PLATFORMS), n, p=list(PLATFORMS.values())),
        buyer_type=np.where(new, 2, (wallet + rng.normal(size=n) < -0.3).astype(np.int64)),
        age=age,
        stated_age=np.where(rng.random(n) < AGE_UNKNOWN, -1, age),
        birthday=rng.integers(0, 365, n),
        circle=circle,
        ring=ring,
        activity=1 - np.exp(-rng.gamma(1.3, 0.22, n) * np.exp(alike)),
        taste=TASTE * unit(taste),
        wallet=np.exp(np.log(3000.0) + 0.8 * wallet),
        ease=0.22 * wallet + 0.15 * rng.normal(size=n),
        patience=rng.uniform(0.95, 0.995, n),
    )


def _rings(n: int, rng: np.random.Generator) -> Ints:
    """Runs of `ACCOUNTS` neighbours with one owner, about the share `ABUSERS` of all."""
    block = np.arange(n) // ACCOUNTS
    bad = rng.random(n // ACCOUNTS + 1) < ABUSERS
    return np.where(bad[block], block, -1)


def users_table(people: Population, calendar: Calendar, draws: Draws) -> "pa.Table":
    """The fact table users, newcomers of later days too."""
    import pyarrow as pa

    second = (draws.uniform("joined", 0, np.arange(len(people))) * DAY).astype(np.int64)
    first = people.joined * DAY + np.where(people.joined < 0, second, 0)
    return pa.table(
        {
            "user_id": people.ids,
            "first_seen": pa.array(calendar.timestamps(first), pa.timestamp("us", "UTC")),
            "country": pa.array(list(COUNTRIES)).take(people.country),
            "platform": pa.array(list(PLATFORMS)).take(people.platform),
            "buyer_type": pa.array(BUYER_TYPES).take(people.buyer_type),
            "age": pa.array(people.stated_age.astype(np.int32), mask=people.stated_age < 0),
        }
    )


def communities_table(people: Population) -> "pa.Table":
    """The fact table communities: everybody's circle."""
    import pyarrow as pa

    return pa.table({"user_id": people.ids, "community": pa.array([f"c{k:04d}" for k in people.circle])})
