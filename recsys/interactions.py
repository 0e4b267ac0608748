"""Who did what with which item, and when: the arrays that every model is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# In microseconds, the unit of all times in arrays.
SECOND = 1_000_000
DAY = 86_400 * SECOND
# From the weakest sign of interest to the strongest; `action` holds places in this list.
ACTIONS = ("view", "wishlist", "cart", "purchase", "gift")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(time: datetime) -> int:
    """Since 1970 UTC, exactly; `time` is aware."""
    return (time - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Interactions:
    """Acts in order of user and time; all arrays have shape (acts,).

    Attributes:
        users, items: the ids, in the order of the numbers below; they may hold more than those that acted.
        user, item: places in `users` and `items`, int32.
        action: place in ACTIONS, int8.
        time: microseconds since 1970 UTC, int64; a data set without times counts 0, 1, 2, ... per user.
    """

    users: Sequence[str]
    items: Sequence[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    action: NDArray[np.int8]
    time: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        users: Sequence[str],
        items: Sequence[str],
        user: NDArray[np.integer],
        item: NDArray[np.integer],
        action: NDArray[np.integer],
        time: NDArray[np.integer],
    ) -> "Interactions":
        """The same acts, brought into order; acts of a user at the same time stay as they were."""
        order = np.lexsort((time, user))
        return cls(
            users,
            items,
            user[order].astype(np.int32),
            item[order].astype(np.int32),
            action[order].astype(np.int8),
            time[order].astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.user)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each user's acts begin, shape (users + 1,): user u has rows starts[u]:starts[u + 1]."""
        return np.searchsorted(self.user, np.arange(len(self.users) + 1))

    @property
    def pair(self) -> NDArray[np.int64]:
        """A number for each act's user and item together: user * items + item."""
        return self.user.astype(np.int64) * len(self.items) + self.item

    def are(self, action: str | None) -> NDArray[np.bool_]:
        """True where an act is of this action, a name of ACTIONS; everywhere for None."""
        return np.ones(len(self), bool) if action is None else self.action == ACTIONS.index(action)

    def keep(self, rows: NDArray[np.bool_]) -> "Interactions":
        """Only these acts, with users and items numbered as before."""
        return replace(self, user=self.user[rows], item=self.item[rows], action=self.action[rows], time=self.time[rows])

    def before(self, time: int) -> "Interactions":
        """Only acts earlier than `time` (microseconds since 1970)."""
        return self.keep(self.time < time)

    def matrix(self) -> "csr_array":
        """1 where a user acted on an item at all, float32, shape (users, items)."""
        from scipy.sparse import csr_array

        shape = len(self.users), len(self.items)
        once = np.unique(self.pair)
        return csr_array((np.ones(len(once), np.float32), (once // shape[1], once % shape[1])), shape=shape)
