"""What followed from each impression: events that name its slate, within a window that is stated."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.facts import place
from recsys.interactions import DAY
from recsys.prices import last_before
from recsys.ranking.rows import CLICK, PURCHASE, REFUND, Early
from recsys.slate import OUTCOMES

if TYPE_CHECKING:
    import pyarrow as pa

    from store import Workspace

# How long after the slate an act on the item counts; until then the outcome is not known. What follows a click counts
# where the click does, and a refund where its purchase does: chances are multiplied along the same way.
WINDOWS = {
    "click": 1 * DAY,
    "wishlist": 1 * DAY,
    "cart": 1 * DAY,
    "purchase": 7 * DAY,
    "gift": 7 * DAY,
    "refund": 14 * DAY,
}
# Of so few outcomes it is not known how soon they come; a row of which less than this share is known says too little.
LEAST_DELAYS, LEAST_SHARE = 100, 0.1
# Which kinds of events make an outcome; any act on an item that was shown is a click on it.
KINDS = {
    "click": ("view", "wishlist", "cart", "purchase", "gift"),
    "wishlist": ("wishlist",),
    "cart": ("cart",),
    "purchase": ("purchase",),
    "gift": ("gift",),
    "refund": ("refund",),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """The log of impressions, in order of time, one row a place of a slate, all arrays of shape (rows,).

    Attributes:
        users, items: the ids that were shown and to whom, as texts.
        time: microseconds since 1970.
        surface: as texts.
        position: from 1.
        labels: float32 (rows, outcomes): 1, 0, or nan while the outcome's window is open at `known_until`.
        early: what followed so far, for outcomes whose windows are open too.
        model: which scored it, as texts, null for none.
        chances: as they were logged, float64 (rows, outcomes), nan where none were.
    """

    users: "pa.ChunkedArray"
    items: "pa.ChunkedArray"
    time: NDArray[np.int64]
    surface: "pa.ChunkedArray"
    position: NDArray[np.int32]
    labels: NDArray[np.float32]
    early: Early
    model: "pa.ChunkedArray"
    chances: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[np.bool_]) -> "Shown":
        """Only these rows."""
        return Shown(
            self.users.filter(rows),
            self.items.filter(rows),
            self.time[rows],
            self.surface.filter(rows),
            self.position[rows],
            self.labels[rows],
            self.early.take(rows),
            self.model.filter(rows),
            self.chances[rows],
        )


def shown(workspace: "Workspace", *, since: int | None = None, known_until: int | None = None) -> Shown:
    """The impressions of the lake and what followed.

    An act counts for the impression of its item in the slate that it names, if it lies at or after the slate's time
    and before its window's end. A refund that names no slate counts for the slate of that person's last purchase of
    the item before it.

    Args:
        since: only impressions at or after this, microseconds since 1970.
        known_until: events before this are taken as known, and later impressions are left out; by default just
            after the last event or impression of the lake.
    """
    import pyarrow.compute as pc

    told = [f"p_{outcome}" for outcome in OUTCOMES]
    columns = ["slate_id", "item_id", "user_id", "time", "surface", "position", "model", *told]
    log = _in_microseconds(workspace.lake.table("recommendations").select(columns).to_pyarrow())
    acts = _in_microseconds(_acts(workspace))
    if known_until is None:
        known_until = _last(workspace) + 1
    log = log.filter(pc.less(log["time"], known_until))
    if since is not None:
        log = log.filter(pc.greater_equal(log["time"], since))
    log = log.sort_by([("time", "ascending"), ("slate_id", "ascending"), ("position", "ascending")])
    acts = acts.filter(pc.less(acts["time"], known_until))
    return Shown(
        log["user_id"],
        log["item_id"],
        log["time"].to_numpy(),
        log["surface"],
        log["position"].to_numpy(),
        *_labels(log, _with_slates(acts), known_until),
        log["model"],
        np.stack([log[name].to_numpy().astype(np.float64) for name in told], axis=1),
    )


def _last(workspace: "Workspace") -> int:
    """The time of the last event of any kind, or of the last impression; -1 for a lake without either."""
    ends = [workspace.lake.table(table).time.max().to_pyarrow().as_py() for table in ("events", "recommendations")]
    return max((round(end.timestamp() * 1_000_000) for end in ends if end is not None), default=-1)


def _in_microseconds(table: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    at = table.schema.get_field_index("time")
    return table.set_column(at, "time", table["time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()))


def _acts(workspace: "Workspace") -> "pa.Table":
    """Acts that name a slate; refunds and purchases without one too, as a refund is led back to its purchase."""
    events = workspace.lake.table("events")
    kinds = sorted({kind for kinds in KINDS.values() for kind in kinds})
    wanted = events.kind.isin(kinds) & events.item_id.notnull()
    wanted &= events.slate_id.notnull() | events.kind.isin(["refund", "purchase"])
    table: pa.Table = events.filter(wanted).select(["slate_id", "item_id", "unit_id", "time", "kind"]).to_pyarrow()
    return table


def _with_slates(acts: "pa.Table") -> "pa.Table":
    """Acts that name a slate, and refunds that name none with that of the last purchase of the person and item."""
    import pyarrow as pa
    import pyarrow.compute as pc

    named = acts.filter(pc.is_valid(acts["slate_id"]))
    refunds = acts.filter(pc.and_(pc.is_null(acts["slate_id"]), pc.equal(acts["kind"], "refund")))
    bought = acts.filter(pc.equal(acts["kind"], "purchase"))
    if not len(refunds) or not len(bought):
        return named
    people, items = (acts[name].unique().to_pylist() for name in ("unit_id", "item_id"))

    def keys(table: "pa.Table") -> NDArray[np.int64]:
        return place(table["unit_id"], people) * len(items) + place(table["item_id"], items)

    key, time = keys(bought), bought["time"].to_numpy()
    order = np.lexsort((time, key))
    low, high = (np.searchsorted(key[order], keys(refunds), side) for side in ("left", "right"))
    found = last_before(time[order], low, high, refunds["time"].to_numpy())
    known = found >= low
    slates = bought["slate_id"].take(order[found[known]])
    mended = refunds.filter(known).set_column(0, acts.schema.field("slate_id"), slates)
    mended = mended.filter(pc.is_valid(mended["slate_id"]))
    return pa.concat_tables([named, mended])


def _labels(log: "pa.Table", acts: "pa.Table", known_until: int) -> tuple[NDArray[np.float32], Early]:
    labels = np.zeros((len(log), len(OUTCOMES)), np.float32)
    after = np.full(labels.shape, np.iinfo(np.int64).max)
    shown_at = log["time"].to_numpy()
    row, act = _matched(log, acts)
    since = acts["time"].to_numpy()[act] - shown_at[row]
    for column, outcome in enumerate(OUTCOMES):
        counts = (place(acts["kind"], KINDS[outcome]) >= 0)[act] & (since >= 0) & (since < WINDOWS[outcome])
        labels[row[counts], column] = 1
        np.minimum.at(after[:, column], row[counts], since[counts])
    labels *= labels[:, CLICK : CLICK + 1]
    labels[:, REFUND] *= labels[:, PURCHASE]
    weight, surface = np.ones_like(labels), place(log["surface"], log["surface"].unique().to_pylist())
    for column, outcome in enumerate(OUTCOMES):
        closed = shown_at + WINDOWS[outcome] <= known_until
        happened = closed & (labels[:, column] == 1)
        delay = np.where(happened, after[:, column], -1)
        weight[~closed, column] = _come_so_far(known_until - shown_at, delay, surface)[~closed]
    early = Early(np.where(weight > 0, labels / np.maximum(weight, LEAST_SHARE), 0.0).astype(np.float32), weight)
    for column, outcome in enumerate(OUTCOMES):
        labels[shown_at + WINDOWS[outcome] > known_until, column] = np.nan
    return labels, early


def _come_so_far(
    passed: NDArray[np.int64], delay: NDArray[np.int64], surface: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The share of what follows a row that has come after the time that passed, by the delays of its own surface
    where they are enough: who has just bought buys again days later, others do at once.

    Args:
        delay: of rows on which the outcome happened and whose windows are over, else -1.
    """
    share = _come_by(passed, delay[delay >= 0])
    for each in np.unique(surface):
        of_it = surface == each
        own = delay[of_it & (delay >= 0)]
        if len(own) >= LEAST_DELAYS:
            share[of_it] = _come_by(passed[of_it], own)
    return share


def _come_by(passed: NDArray[np.int64], delays: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of delays that are over after the time that passed; 0 where it is small or delays are few."""
    if len(delays) < LEAST_DELAYS:
        return np.zeros(len(passed))
    share = np.searchsorted(np.sort(delays), passed, side="left") / len(delays)
    return np.where(share >= LEAST_SHARE, share, 0.0)


def _matched(log: "pa.Table", acts: "pa.Table") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the log and of the acts with the same slate and item, one pair an act that has its impression."""
    slates, items = (log[name].unique().to_pylist() for name in ("slate_id", "item_id"))
    key = place(log["slate_id"], slates) * len(items) + place(log["item_id"], items)
    slate, item = place(acts["slate_id"], slates), place(acts["item_id"], items)
    act = np.flatnonzero((slate >= 0) & (item >= 0))
    wanted = slate[act] * len(items) + item[act]
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], wanted)
    hit = (at < len(key)) & (key[order[np.minimum(at, len(key) - 1)]] == wanted) if len(key) else np.zeros(0, bool)
    return order[at[hit]], act[hit]
