"""What the living shop sells: its own items and the games of many publishers, some of them not yet released."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.world.calendar import Calendar
from recsys.world.draws import Draws, Flags, Floats, Ints
from recsys.world.words import CATEGORIES, GAMES, HOUSE, LANGUAGES, OWN, PUBLISHERS, TAGS

if TYPE_CHECKING:
    import pyarrow as pa

FACTORS = 12
AT_START, NEW_A_DAY = 1_200, 10
FIRST_PARTY, DELISTED, GROUP_BUY = 0.22, 0.06, 0.10
SHARES = {"cosmetics": 0.85, "subscription": 0.15}
PRICES: dict[str, tuple[int, ...]] = {
    "cosmetics": (99, 299, 499, 999, 1999),
    "subscription": (499, 999, 4999),
    "role-playing": (1999, 3999, 5999, 6999),
    "strategy": (999, 1999, 2999, 4999),
    "racing": (999, 1999, 2999),
    "puzzle": (299, 499, 999, 1499),
    "adventure": (999, 1499, 2499, 5999),
    "shooter": (1999, 2999, 5999),
    "simulation": (999, 1999, 3499),
    "cards": (99, 499, 999, 1499),
}
RATINGS = (0, 12, 16, 18)
NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class Publishers:
    """The first is the shop itself; shape (publishers,).

    Attributes:
        language: place in LANGUAGES.
        tagless, speechless: the chance that an item has no tags, or no description.
        eager: how often it discounts, 1 on average.
        margin: what the shop keeps of a price.
        style: shape (publishers, FACTORS).
    """

    names: tuple[str, ...]
    language: Ints
    tagless: Floats
    speechless: Floats
    eager: Floats
    margin: Floats
    style: Floats


@dataclass(frozen=True, slots=True)
class Assortment:
    """One entry an item, shape (items,); days count from the calendar's first, prices are cents.

    Attributes:
        released, delisted: sold from the first of these days on, and not any more on the second (NEVER).
        rating: from which age, a member of RATINGS.
        group: may be bought by groups.
        factors: what it is like, unit rows, shape (items, FACTORS).
        tags: what it is, shape (items, len(TAGS)); its publisher may say nothing of it.
        chart: how often it is asked for elsewhere, sums to 1 within each category of those ever sold.
    """

    publishers: Publishers
    category: Ints
    publisher: Ints
    list_price: Ints
    released: Ints
    delisted: Ints
    rating: Ints
    group: Flags
    quality: Floats
    factors: Floats
    tags: Flags
    chart: Floats

    def __len__(self) -> int:
        return len(self.category)

    @property
    def durable(self) -> Flags:
        """Bought once; a subscription ends and may be bought again."""
        return np.asarray(self.category != CATEGORIES.index("subscription"))

    def sold_on(self, day: int) -> Flags:
        return np.asarray((self.released <= day) & (day < self.delisted))

    @property
    def ids(self) -> "pa.Array":
        """item_id of each item."""
        import pyarrow as pa

        return pa.array([f"i{k:04d}" for k in range(len(self))])


def draw_catalogue(calendar: Calendar, draws: Draws) -> Assortment:
    """All items that are ever sold; about `NEW_A_DAY` are released on each day."""
    rng = draws.generator("catalogue")
    items = AT_START + NEW_A_DAY * calendar.days
    publishers = _publishers(rng)
    own = rng.random(items) < FIRST_PARTY
    category = np.where(
        own,
        rng.choice(len(OWN), items, p=list(SHARES.values())),
        rng.integers(len(OWN), len(CATEGORIES), items),
    )
    publisher = np.where(own, 0, _favourites(category, rng))
    tags = np.zeros((items, len(TAGS)), bool)
    for _ in range(4):
        tags[np.arange(items), rng.integers(0, len(TAGS), items)] = True
    quality = rng.normal(size=items)
    released = np.concatenate([-rng.integers(1, 1500, AT_START), np.arange(items - AT_START) // NEW_A_DAY])
    ends = np.maximum(released + 20, 0) + rng.integers(1, calendar.days + 1, items)
    return Assortment(
        publishers=publishers,
        category=category,
        publisher=publisher,
        list_price=np.array([rng.choice(PRICES[CATEGORIES[c]]) for c in category]),
        released=released,
        delisted=np.where((rng.random(items) < DELISTED) & ~own, ends, NEVER),
        rating=np.where(own, 0, rng.choice(RATINGS, items, p=[0.35, 0.35, 0.2, 0.1])),
        group=(rng.random(items) < GROUP_BUY) & ~own,
        quality=quality,
        factors=_factors(category, tags, publishers.style[publisher], rng),
        tags=tags,
        chart=_chart(category, quality + 0.6 * rng.normal(size=items)),
    )


def _publishers(rng: np.random.Generator) -> Publishers:
    n = len(PUBLISHERS) + 1
    messy = rng.random(n) ** 2
    messy[0] = 0.0
    eager, margin = rng.gamma(2.0, 0.5, n), rng.uniform(0.15, 0.35, n)
    margin[0] = 0.85
    return Publishers(
        names=(HOUSE, *PUBLISHERS),
        language=np.where(np.arange(n) == 0, 0, rng.choice(len(LANGUAGES), n, p=[0.6, 0.25, 0.15])),
        tagless=0.7 * messy,
        speechless=0.6 * rng.permutation(messy) * (np.arange(n) > 0),
        eager=eager,
        margin=margin,
        style=rng.normal(size=(n, FACTORS)),
    )


def _favourites(category: Ints, rng: np.random.Generator) -> Ints:
    """A publisher for each item; each category has publishers that make most of its games."""
    weight = rng.gamma(0.5, 1.0, (len(CATEGORIES), len(PUBLISHERS))) + 0.02
    edges = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
    u = rng.random(len(category))
    return np.asarray(1 + np.minimum((u[:, None] > edges[category]).sum(axis=1), len(PUBLISHERS) - 1))


def _factors(category: Ints, tags: Flags, style: Floats, rng: np.random.Generator) -> Floats:
    """What an item is like follows from what is said of it, but not wholly."""
    of_tags = rng.normal(size=(len(TAGS), FACTORS))
    mixed = 1.2 * category_factors()[category] * np.sqrt(FACTORS) + 0.5 * (tags @ of_tags) + 0.3 * style
    return unit(mixed + 0.6 * rng.normal(size=mixed.shape))


def category_factors() -> Floats:
    """Where each category lies, unit rows, the same in every shop; shape (categories, FACTORS)."""
    return unit(np.random.default_rng(7).normal(size=(len(CATEGORIES), FACTORS)))


def unit(rows: Floats) -> Floats:
    """The rows with length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def _chart(category: Ints, liked: Floats) -> NDArray[np.float64]:
    weight = np.exp(0.9 * liked)
    return weight / np.bincount(category, weight, len(CATEGORIES))[category]


def is_game(catalogue: Assortment) -> Flags:
    return catalogue.category >= len(CATEGORIES) - len(GAMES)
