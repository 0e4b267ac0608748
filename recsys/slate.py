"""What a surface asks the engine, and what it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# What may follow from showing an item; the ranker has one head for each.
OUTCOMES = ("click", "wishlist", "cart", "purchase", "gift", "refund")


@dataclass(frozen=True, slots=True)
class Request:
    """One question of the shop.

    Attributes:
        surface: homepage, cart, post_purchase or wishlist: a file in surfaces/.
        items: what the surface is about: the items in the cart, those just bought, those on the wishlist.
        size: how many items to show; the surface's own number if None.
        seed: makes the answer repeatable; drawn by the engine and logged with the slate if None.
    """

    user_id: str
    surface: str
    time: datetime
    items: tuple[str, ...] = ()
    size: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One item of a slate.

    Attributes:
        propensity: the chance of this item at this place under the policy, given the places before it; never 0.
        candidates: how many items could have stood here.
        chances: of each of OUTCOMES, as the ranker predicts it; empty for a policy without one.
        reason: why it is shown, in words.
    """

    item_id: str
    position: int
    propensity: float
    score: float
    candidates: int
    chances: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Slate:
    """The ordered items shown on one surface; `policy` and `model` are the versions that chose and scored them.

    `relaxed` names the rules that gave way because a place could not be filled otherwise; see slates/rules.py.
    """

    slate_id: str
    request: Request
    policy: str
    model: str | None
    places: tuple[Place, ...]
    relaxed: tuple[str, ...] = ()
