"""What the shop asks a policy and what it is shown: arrays over all visits of a day to one surface."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.world.draws import Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

SURFACES = ("homepage", "wishlist", "cart", "post_purchase")
# The places of a slate, whoever fills them: of two policies none is to gain by showing more.
SIZES = {"homepage": 10, "wishlist": 6, "cart": 5, "post_purchase": 5}


@dataclass(frozen=True, slots=True)
class Requests:
    """All requests of one day to one surface, at most one a person; arrays of shape (requests,) unless said.

    Attributes:
        second: of the calendar.
        about_row, about_item: what the surface is about (wishlist, cart, just bought), one entry an item, in order of
            the request.
        owned_row, owned_item: what those who ask own, likewise.
    """

    surface: str
    day: int
    person: Ints
    second: Ints
    about_row: Ints
    about_item: Ints
    owned_row: Ints
    owned_item: Ints


@dataclass(frozen=True, slots=True)
class ShownSlates:
    """The slates in the order of the requests; arrays of shape (requests, places) unless said.

    Attributes:
        item: -1 where a slate is shorter.
        propensity: exact, 0 where there is no item.
        candidates: how many items could have stood there.
        score: nan where the policy has none; None for a policy without.
        chances: of each of OUTCOMES, shape (requests, places, 6); None for a policy without a ranker.
        reason: in words, "" for none; None for a policy that gives none.
    """

    policy: str
    item: Ints
    propensity: Floats
    candidates: Ints
    model: str | None = None
    score: Floats | None = None
    chances: Floats | None = None
    reason: NDArray[np.object_] | None = None


class Policy(Protocol):
    """Chooses what is shown. An engine becomes one by `recsys.world.engine_policy.EnginePolicy`."""

    def show(self, ask: Requests) -> ShownSlates:
        """A slate for each request."""

    def learn(self, tables: Mapping[str, "pa.Table"]) -> None:
        """Is told, after each day, the facts of that day."""
