"""Features while serving: what a store of counters must be able to do, and the features made of its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import Catalogue
from recsys.features.definitions import GIFT, PURCHASE, Ints, ItemState, PairState, UserState, features
from recsys.interactions import ACTIONS, microseconds
from recsys.prices import UNKNOWN


@dataclass(frozen=True, slots=True)
class Acts:
    """What people did, in any order; row k was done by `user_ids[user[k]]`; all arrays have shape (acts,).

    Attributes:
        user_ids: each person once.
        item: places in the catalogue.
        action: places in ACTIONS.
        time: microseconds since 1970 UTC.
        paid, listed: cents of one item, UNKNOWN (-1) for acts other than purchases and gifts or where not known.
    """

    user_ids: Sequence[str]
    user: Ints
    item: Ints
    action: NDArray[np.int8]
    time: Ints
    paid: Ints
    listed: Ints

    @classmethod
    def of_events(cls, events: Sequence[Mapping[str, Any]], catalogue: Catalogue, place: Mapping[str, int]) -> "Acts":
        """From rows of the table events, times as `datetime`; kinds and items that features do not know are left out.

        Where an event does not say what was paid, it was the public price of the time; so training has it.

        Args:
            place: where in the catalogue each item is, by its id.
        """
        rows = [each for each in events if each.get("kind") in ACTIONS and each.get("item_id") in place]
        ids = tuple(dict.fromkeys(str(each["unit_id"]) for each in rows))
        who = {name: k for k, name in enumerate(ids)}
        time = [microseconds(each["time"]) for each in rows]
        item = np.array([place[each["item_id"]] for each in rows], np.int64)
        action = np.array([ACTIONS.index(each["kind"]) for each in rows], np.int8)
        when = np.array(time, np.int64)
        bought = (action == PURCHASE) | (action == GIFT)
        paid, listed = (np.array([get(each) for each in rows], np.int64) for get in (_paid, _listed))
        paid = np.where(paid >= 0, paid, catalogue.prices.at(item, when))
        listed = np.where(listed >= 0, listed, catalogue.list_price[item])
        user = np.array([who[str(each["unit_id"])] for each in rows], np.int64)
        return cls(ids, user, item, action, when, np.where(bought, paid, UNKNOWN), np.where(bought, listed, UNKNOWN))

    def __len__(self) -> int:
        return len(self.user)


class OnlineStore(Protocol):
    """Counters of users, items and pairs of both; one process writes. `MemoryStore` keeps them in mapped files.

    A store for many processes, in Redis say, does the same: hashes by user, by item and by pair, one transaction a
    batch with its position in it.
    """

    @property
    def position(self) -> int:
        """Of the last batch of the journal that is in, -1 before the first."""
        ...

    def observe(self, acts: Acts, *, position: int | None = None, now: int | None = None) -> None:
        """Count what people did; all of a batch or, after a kill, nothing of it.

        Args:
            position: of the batch in a journal, ever greater; a batch not above the store's position is in already
                and is passed over. None counts in any case.
            now: microseconds since 1970; acts that are not earlier wait until a decision is. None is the clock's.
        """
        ...

    def befriend(self, user_ids: Sequence[str], friend_ids: Sequence[str]) -> None:
        """Row k: this user has this friend from now on; pairs that are known are passed over."""
        ...

    def reprice(self, catalogue: Catalogue) -> None:
        """From now on places are those of this catalogue, and prices its own; items that it lacks are kept by id."""
        ...

    def users(self, user_ids: Sequence[str], times: Ints) -> UserState:
        """Of each user before its time; one whom nobody knows has done nothing."""
        ...

    def items(self, places: Ints, times: Ints) -> ItemState:
        """Of each item (its place in the catalogue) before its time."""
        ...

    def pairs(self, user_ids: Sequence[str], who: NDArray[np.intp], places: Ints, times: Ints) -> PairState:
        """Of each row: the user `user_ids[who[k]]` with the item `places[k]` before `times[k]`."""
        ...


def online_features(
    store: OnlineStore, user_ids: Sequence[str], who: NDArray[np.intp], places: Ints, times: Ints
) -> NDArray[np.float32]:
    """The features of candidates, float32, shape (rows, len(NAMES)): the same numbers as `as_of` gives for decisions at
    these times, if the store has seen what happened before them and nothing else.

    Args:
        user_ids: of each request.
        who: the request of each row, shape (rows,).
        places: the item of each row, a place in the catalogue.
        times: of each request, microseconds since 1970 UTC, shape (requests,).
    """
    rows = times[who]
    user, item = store.users(user_ids, times), store.items(places, rows)
    return features(user, who, item, store.pairs(user_ids, who, places, rows))


def _paid(event: Mapping[str, Any]) -> int:
    value, quantity = event.get("value"), event.get("quantity")
    return UNKNOWN if value is None or value < 0 else int(value) // max(int(quantity if quantity is not None else 1), 1)


def _listed(event: Mapping[str, Any]) -> int:
    listed = event.get("list_price")
    return UNKNOWN if listed is None else int(listed)
