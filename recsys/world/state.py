"""All that a day leaves to the next one, and how it is saved: arrays in one npz file, nothing pickled."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from recsys.world.beliefs import Beliefs
from recsys.world.catalogue import Assortment
from recsys.world.draws import Flags, Floats, Ints
from recsys.world.offers import LONG_AGO, Wallets
from recsys.world.pairs import Pairs
from recsys.world.people import Population
from recsys.world.words import CATEGORIES


@dataclass(frozen=True, slots=True)
class Returns:
    """Items that will not be owned any more after day `due`; shape (returns,).

    Attributes:
        owner: who owns the item; `payer` who paid and gets `paid` cents back, 0 where a subscription ends.
        second: of the day on which the money goes back.
    """

    due: Ints
    owner: Ints
    payer: Ints
    item: Ints
    paid: Ints
    second: Ints
    slate: Ints
    campaign: Ints


@dataclass(frozen=True, slots=True)
class Groups:
    """Open group buys, one row a member, the opener among them; shape (members,).

    Attributes:
        group: its number; `until` the last day on which friends can join.
        second: of the calendar, when the member joined; `slate` what made the opener open it.
    """

    group: Ints
    opener: Ints
    item: Ints
    until: Ints
    person: Ints
    second: Ints
    slate: Ints


Table = TypeVar("Table", Returns, Groups)


def joined_rows(first: Table, second: Table) -> Table:
    """Both, one after the other."""
    columns = (np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(first))
    return type(first)(*columns)


def kept_rows(rows: Table, keep: Flags) -> Table:
    return type(rows)(*(getattr(rows, f.name)[keep] for f in fields(rows)))


def no_rows(kind: type[Table]) -> Table:
    return kind(*(np.zeros(0, np.int64) for _ in fields(kind)))


@dataclass(slots=True)
class ShopState:
    """The shop at the beginning of `day`.

    Attributes:
        balance: cents that each person can spend, shape (people,); `last_bought` the day, LONG_AGO for never.
        groups_opened: how many there ever were; the next one gets this number.
        exposed: the second of each person's first exposure to each experiment, `NOT_YET` before, `LOST` after leaving
            (recsys.world.trials); shape (people, experiments).
    """

    day: int
    balance: Floats
    last_bought: Ints
    beliefs: Beliefs
    wallets: Wallets
    owned: Pairs
    wishlist: Pairs
    cart: Pairs
    returns: Returns
    groups: Groups
    groups_opened: int
    exposed: Ints

    @classmethod
    def first(cls, people: Population, catalogue: Assortment, experiments: int = 0) -> "ShopState":
        """Before the first day: nobody owns or knows anything."""
        n, items = len(people), len(catalogue)
        return cls(
            day=0,
            balance=people.wallet.copy(),
            last_bought=np.full(n, LONG_AGO),
            beliefs=Beliefs.first(n, len(CATEGORIES)),
            wallets=Wallets.empty(n),
            owned=Pairs.none(items),
            wishlist=Pairs.none(items),
            cart=Pairs.none(items),
            returns=no_rows(Returns),
            groups=no_rows(Groups),
            groups_opened=0,
            exposed=np.full((n, experiments), -1),
        )

    def save(self, file: Path) -> None:
        """Write it to `file`, which ends in .npz."""
        np.savez(file, allow_pickle=False, **dict(_flat(self)))

    @classmethod
    def load(cls, file: Path) -> "ShopState":
        with np.load(file, allow_pickle=False) as saved:
            state: ShopState = _nested(cls, saved, "")
            return state


_PARTS: dict[str, type[Any]] = {
    "beliefs": Beliefs,
    "wallets": Wallets,
    "owned": Pairs,
    "wishlist": Pairs,
    "cart": Pairs,
    "returns": Returns,
    "groups": Groups,
}


def _flat(part: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for each in fields(part):
        value = getattr(part, each.name)
        if each.name in _PARTS:
            yield from _flat(value, f"{prefix}{each.name}.")
        else:
            yield prefix + each.name, np.asarray(value)


def _nested(kind: type[Any], saved: Any, prefix: str) -> Any:
    values = {}
    for each in fields(kind):
        if each.name in _PARTS:
            values[each.name] = _nested(_PARTS[each.name], saved, f"{prefix}{each.name}.")
        else:
            value = saved[prefix + each.name]
            values[each.name] = int(value) if value.ndim == 0 else value
    return kind(**values)
