"""What the demo shop sells: its own cosmetics and subscriptions, and games of other publishers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.world.calendar import DAY, Calendar
from recsys.world.people import TIERS

if TYPE_CHECKING:
    import pyarrow as pa

HOUSE = "Lantern Commons"
OTHERS = ("Copper Finch", "Northlamp", "Paper Moth", "Tidewheel", "Quiet Anvil")
# category: share of items, prices in cents
OWN = {"cosmetics": (0.25, (99, 299, 499, 999, 1999)), "subscription": (0.05, (499, 999, 4999))}
GAMES = {
    "role-playing": (0.15, (1999, 3999, 5999, 6999)),
    "strategy": (0.15, (999, 1999, 2999, 4999)),
    "racing": (0.12, (999, 1999, 2999)),
    "puzzle": (0.16, (299, 499, 999, 1499)),
    "adventure": (0.12, (999, 1499, 2499, 5999)),
}
FIRST = ("Amber", "Hollow", "Silver", "Distant", "Iron", "Gentle", "Last", "Crimson", "Quiet", "Broken")
SECOND = ("Harbour", "Orbit", "Garden", "Kingdom", "Signal", "Caravan", "Tower", "River", "Engine", "Archive")
DEAL_PRICE = 0.6


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One entry an item, shape (items,); `chance` is the share of each item in a tier's choices, shape (TIERS, items).

    Prices are whole cents; `deal_price` is what a discounted order pays.
    """

    category: NDArray[np.int64]
    publisher: NDArray[np.int64]
    list_price: NDArray[np.int64]
    deal_price: NDArray[np.int64]
    released: NDArray[np.int64]
    chance: NDArray[np.float64]

    def choose(self, tier: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """An item for each entry of `tier`."""
        u = rng.random(len(tier))
        chosen = np.empty(len(tier), np.int64)
        for t, chance in enumerate(self.chance):
            edges = np.cumsum(chance)
            chosen[tier == t] = np.searchsorted(edges / edges[-1], u[tier == t], side="right")
        return chosen


def draw_catalogue(calendar: Calendar, rng: np.random.Generator, *, items: int = 200) -> Catalogue:
    """`items` items; few are popular, and fatter wallets choose dearer ones."""
    kinds = OWN | GAMES
    category = rng.choice(len(kinds), items, p=[share for share, _ in kinds.values()])
    price = np.array([rng.choice(prices) for _, prices in (list(kinds.values())[c] for c in category)])
    popularity = rng.permutation((np.arange(items) + 5.0) ** -0.8)
    taste = np.array([-0.5, -0.1, 0.3, 0.7])
    weight = popularity * (price / 1000) ** taste[:TIERS, None]
    return Catalogue(
        category=category,
        publisher=np.where(category < len(OWN), 0, rng.integers(1, len(OTHERS) + 1, items)),
        list_price=price,
        deal_price=np.rint(price * DEAL_PRICE).astype(np.int64),
        released=-rng.integers(1, 1500, items) * DAY + calendar.opening,
        chance=weight / weight.sum(axis=1, keepdims=True),
    )


def item_ids(catalogue: Catalogue) -> "pa.Array":
    """item_id of each item."""
    import pyarrow as pa

    return pa.array([f"i{k:04d}" for k in range(len(catalogue.list_price))])


def items_table(catalogue: Catalogue, calendar: Calendar) -> "pa.Table":
    """The fact table items."""
    import pyarrow as pa

    names = [f"{first} {second}" for second in SECOND for first in FIRST]
    titles = [names[k % len(names)] + " II" * (k >= len(names)) for k in range(len(catalogue.category))]
    return pa.table(
        {
            "item_id": item_ids(catalogue),
            "title": titles,
            "publisher": pa.array((HOUSE, *OTHERS)).take(catalogue.publisher),
            "category": pa.array([*OWN, *GAMES]).take(catalogue.category),
            "first_party": catalogue.publisher == 0,
            "list_price": catalogue.list_price,
            "released": pa.array(calendar.timestamps(catalogue.released), pa.timestamp("us", "UTC")),
        }
    )
