"""The lake's facts as the arrays that models are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.interactions import ACTIONS, Interactions
from recsys.prices import ALWAYS

if TYPE_CHECKING:
    import pyarrow as pa

    from store import Workspace


@dataclass(frozen=True, slots=True)
class Friendships:
    """Row k: user `user[k]` has the friend `friend[k]` since `since[k]`; each pair once, in order of user and friend.

    Attributes:
        user, friend: places in the list of users, int64, shape (rows,).
        since: microseconds since 1970 UTC, int64.
    """

    user: NDArray[np.int64]
    friend: NDArray[np.int64]
    since: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: NDArray[np.integer], since: NDArray[np.integer] | None = None) -> "Friendships":
        """From pairs, shape (rows, 2), of one that is there twice the earliest; since ALWAYS if no times are given."""
        times = np.full(len(pairs), ALWAYS) if since is None else np.asarray(since, np.int64)
        pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        order = np.lexsort((times, pairs[:, 1], pairs[:, 0]))
        pairs, times = pairs[order], times[order]
        first = np.ones(len(pairs), bool)
        first[1:] = np.any(pairs[1:] != pairs[:-1], axis=1)
        return cls(pairs[first, 0], pairs[first, 1], times[first])


def interactions(workspace: "Workspace", before: int | None = None) -> Interactions:
    """What users did with items, from the lake's events of the kinds ACTIONS.

    Users are all of the users table and of the events, items all of the items table (in the order of
    `Catalogue.read`), each in order of their ids. Acts on items that the items table lacks are left out, unless
    the table is empty: then items are those of the events. A user's acts at one time are in order of action and item.

    Args:
        before: only acts earlier than this, microseconds since 1970; None takes all. The numbering stays the same.
    """
    return payments(workspace, before)[0]


def payments(
    workspace: "Workspace", before: int | None = None
) -> tuple[Interactions, NDArray[np.int64], NDArray[np.int64]]:
    """`interactions`, and of each act what was paid and what the list price was: cents of one item, int64, shape
    (acts,), -1 where the events do not say."""
    acts = _acts(workspace, before)
    users = _ids(workspace, "users", "user_id", "unit_id")
    items = _ids(workspace, "items", "item_id")
    items = items or tuple(sorted(set(acts["item_id"].to_pylist())))
    user, item = place(acts["unit_id"], users), place(acts["item_id"], items)
    action, time = place(acts["kind"], ACTIONS), acts["time"].to_numpy()
    paid, listed = cents(acts)
    order = np.lexsort((listed, paid, item, action, time, user))
    order = order[item[order] >= 0]
    data = Interactions.of(users, items, user[order], item[order], action[order], time[order])
    return data, paid[order], listed[order]


def cents(acts: "pa.Table") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What was paid for one item and what its list price was in rows of the table events; -1 where not said."""
    value, quantity, listed = (
        np.array(acts[name].fill_null(missing).to_numpy(), np.int64)
        for name, missing in (("value", -1), ("quantity", 1), ("list_price", -1))
    )
    return np.where(value >= 0, value // np.maximum(quantity, 1), -1), listed


def friendships(workspace: "Workspace", users: Sequence[str]) -> Friendships:
    """Who is whose friend among `users`, both directions; since ALWAYS where the table does not say."""
    import pyarrow as pa

    table = workspace.lake.table("friendships").to_pyarrow()
    one, other = place(table["user_id"], users), place(table["friend_id"], users)
    since = np.array(table["since"].cast(pa.int64()).fill_null(ALWAYS).to_numpy())
    known = (one >= 0) & (other >= 0) & (one != other)
    pairs = np.stack([one[known], other[known]], axis=1)
    return Friendships.of(np.concatenate([pairs, pairs[:, ::-1]]), np.tile(since[known], 2))


def place(texts: "pa.ChunkedArray", known: Sequence[str]) -> NDArray[np.int64]:
    """The place of each text in `known`, -1 where it is not there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(known):
        return np.full(len(texts), -1)
    return np.array(pc.index_in(texts, pa.array(known, texts.type)).fill_null(-1).to_numpy(), np.int64)


def _acts(workspace: "Workspace", before: int | None) -> "pa.Table":
    import pyarrow as pa

    events = workspace.lake.table("events")
    wanted = events.kind.isin(ACTIONS) & events.item_id.notnull()
    columns = ["unit_id", "time", "kind", "item_id", "value", "quantity", "list_price"]
    table: pa.Table = events.filter(wanted).select(columns).to_pyarrow()
    table = table.set_column(1, "time", table["time"].cast(pa.int64()))
    return table if before is None else table.filter(pa.compute.less(table["time"], before))


def _ids(workspace: "Workspace", table: str, column: str, in_events: str | None = None) -> tuple[str, ...]:
    found = set(workspace.lake.table(table).select(column).distinct().to_pyarrow()[column].to_pylist())
    if in_events:
        more = workspace.lake.table("events").select(in_events).distinct().to_pyarrow()
        found |= set(more[in_events].to_pylist())
    return tuple(sorted(found))
