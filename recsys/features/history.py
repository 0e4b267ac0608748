"""Everything that features are made of, as the lake has it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys import facts
from recsys.catalogue import Catalogue
from recsys.errors import DataError
from recsys.facts import Friendships
from recsys.features.definitions import GIFT, PURCHASE
from recsys.interactions import Interactions
from recsys.prices import UNKNOWN, Prices

if TYPE_CHECKING:
    from store import Workspace


@dataclass(frozen=True, slots=True)
class Payments:
    """Of each row of the interactions, in cents, UNKNOWN (-1) where nothing was bought or it is not known."""

    paid: NDArray[np.int64]
    listed: NDArray[np.int64]

    def filled(self, interactions: Interactions, prices: Prices, list_price: NDArray[np.int64]) -> "Payments":
        """With the public prices of the time where the facts do not say."""
        bought = (interactions.action == PURCHASE) | (interactions.action == GIFT)
        public = prices.at(interactions.item, interactions.time)
        paid = np.where(bought, np.where(self.paid >= 0, self.paid, public), UNKNOWN)
        return Payments(
            paid, np.where(bought, np.where(self.listed >= 0, self.listed, list_price[interactions.item]), UNKNOWN)
        )


@dataclass(frozen=True, slots=True)
class Decisions:
    """What features are wanted of: row k is user `user[k]`, item `item[k]` at `time[k]`, int64, shape (rows,).

    Users and items are places in the lists of the interactions; -1 is a user whom nobody knew.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    time: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True, slots=True)
class History:
    """The facts of one shop; `interactions.items` are the catalogue's."""

    interactions: Interactions
    payments: Payments
    catalogue: Catalogue
    friends: Friendships

    @classmethod
    def read(cls, workspace: "Workspace", before: int | None = None) -> "History":
        """All facts of a workspace; acts only from before a time if one is given.

        Raises:
            DataError: if the workspace has no items.
        """
        catalogue = Catalogue.read(workspace)
        if not len(catalogue):
            raise DataError(f"{workspace.path} has no items. Import the table items first.")
        acts, paid, listed = facts.payments(workspace, before)
        payments = Payments(paid, listed).filled(acts, catalogue.prices, catalogue.list_price)
        return cls(acts, payments, catalogue, facts.friendships(workspace, acts.users))
