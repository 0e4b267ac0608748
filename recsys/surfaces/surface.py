"""The contract of a surface: how many places, who may stand there, by which rules, and why, in words."""

import importlib
import pkgutil
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recsys.errors import EngineError, RequestError
from recsys.interactions import ACTIONS
from recsys.slates.rules import Exploration, Rules

# Names the policy of all surfaces in every logged slate: their rules, sources and exploration.
POLICY = "slates-1"
# Where candidates come from, and what to say of an item that has no better reason.
SOURCES = {
    "asked": "You have it on your list",
    "together": "Often bought together with {partner}",
    "taste": "Close to what you play and look at",
    "alike": "People who liked {partner} liked it too",
    "friends": "Friends of yours have it",
    "new": "New in the shop",
    "popular": "Popular right now",
}
_KNOWN: dict[str, type["Surface"]] = {}


@dataclass(frozen=True, slots=True)
class View:
    """What is known of each candidate when a surface is asked; every array has shape (requests, candidates).

    Attributes:
        for_sale: released and not delisted.
        of_age: the person's stated age is not below the item's rating; items for any age are for anybody.
        owned: the person has bought it.
        asked: the request is about it: it lies in the cart, was just bought, or stands on the wishlist.
        price, list_price: whole cents; -1 where not known.
        days_out: days since it was released; inf where not known.
    """

    for_sale: NDArray[np.bool_]
    of_age: NDArray[np.bool_]
    owned: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    price: NDArray[np.int64]
    list_price: NDArray[np.int64]
    days_out: NDArray[np.float64]

    @property
    def discount(self) -> NDArray[np.float64]:
        """Share of the list price that is taken off now, 0 where there is none or a price is not known."""
        known = (self.list_price > 0) & (self.price >= 0)
        off = 1 - self.price / np.where(known, self.list_price, 1)
        return np.where(known, np.clip(off, 0.0, 1.0), 0.0)

    def take(self, columns: NDArray[np.int64]) -> "View":
        """Those in `columns`, shape (requests, fewer candidates), -1 for padding, which is not for sale."""
        rows = np.arange(len(columns))[:, None]
        taken = {field.name: getattr(self, field.name)[rows, columns] for field in fields(self)}
        taken["for_sale"] &= columns >= 0
        return View(**taken)


@dataclass(frozen=True, slots=True)
class Why:
    """What an item's reason may speak of; `partner` is the title of the item that led to it, "" if none did."""

    source: str
    partner: str = ""
    price: int = -1
    list_price: int = -1
    days_out: float = float("inf")
    friends: int = 0


class Surface(ABC):
    """A subclass in a file of this folder, `class Cart(Surface, name="cart")`, is known by its name.

    Attributes:
        title: what people call the place.
        slots: places of a slate that no size was asked for.
        most: the largest size that may be asked for.
        rules, exploration: of its slates.
        sources: how many candidates each of SOURCES gives at most, the best reason first; "popular" is the
            fallback that needs no model, so every surface has it.
        about: the acts that name what a request is about, of ACTIONS; none for a place that is about nothing.
        most_about: of how many items, the latest.
        about_in_words: what is said of them.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    slots: ClassVar[int]
    most: ClassVar[int] = 100
    rules: ClassVar[Rules] = Rules()
    exploration: ClassVar[Exploration] = Exploration()
    sources: ClassVar[Mapping[str, int]]
    about: ClassVar[tuple[str, ...]] = ()
    most_about: ClassVar[int] = 0
    about_in_words: ClassVar[str] = "About {}"

    def __init_subclass__(cls, *, name: str) -> None:
        if name in _KNOWN and _KNOWN[name].__module__ != cls.__module__:
            raise EngineError(f"two surfaces are named {name!r}: {_KNOWN[name].__module__} and {cls.__module__}.")
        strange = set(cls.sources) - set(SOURCES)
        if strange or "popular" not in cls.sources:
            raise EngineError(f"surface {name!r} has the sources {sorted(cls.sources)}; known: {', '.join(SOURCES)}.")
        if not set(cls.about) <= set(ACTIONS) or bool(cls.about) != (cls.most_about > 0):
            raise EngineError(
                f"surface {name!r} is about {cls.most_about} items of the acts {sorted(cls.about)}; both or neither, "
                f"and acts are {', '.join(ACTIONS)}."
            )
        cls.name = name
        _KNOWN[name] = cls

    def size(self, asked: int | None) -> int:
        """The places of a slate.

        Raises:
            RequestError: if more than `most` or less than 1 is asked for.
        """
        if asked is None:
            return self.slots
        if not 1 <= asked <= self.most:
            raise RequestError(f"size == {asked}, must be 1 to {self.most} on {self.name}.")
        return asked

    def eligible(self, view: View) -> NDArray[np.bool_]:
        """Who may stand here at all: for sale, of age, not owned, and not what the request is about."""
        return view.for_sale & view.of_age & ~view.owned & ~view.asked

    def worth(self, view: View) -> NDArray[np.float64]:
        """By how much the place multiplies an item's value, shape (requests, candidates), above 0."""
        return np.ones(view.price.shape)

    def reason(self, why: Why) -> str:
        """Why an item is shown, one short sentence without a full stop."""
        said = SOURCES[why.source]
        if "{partner}" in said and not why.partner:
            said = SOURCES["popular"]
        if why.source not in ("asked", "together") and why.friends > 0:
            return f"{why.friends} of your friends have it" if why.friends > 1 else "A friend of yours has it"
        return said.format(partner=why.partner)


def surface(name: str) -> Surface:
    """The surface of this name.

    Raises:
        RequestError: if no file in surfaces/ defines it; the message lists those that do.
    """
    from store.errors import did_you_mean

    known = known_surfaces()
    if name not in known:
        raise RequestError(f"surface {name!r} is not known.{did_you_mean(name, tuple(known))}")
    return known[name]()


def known_surfaces() -> Mapping[str, type[Surface]]:
    """All surfaces by name, sorted."""
    _load()
    return dict(sorted(_KNOWN.items()))


@cache
def _load() -> None:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"recsys.surfaces.{module.name}")


def off(why: Why) -> int:
    """Whole percent that are taken off the list price now, 0 if none."""
    if why.list_price <= 0 or not 0 <= why.price < why.list_price:
        return 0
    return round(100 * (1 - why.price / why.list_price))
