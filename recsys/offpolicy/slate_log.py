"""The slates that the lake logged on a surface, with what followed from each place."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.interactions import microseconds
from recsys.offpolicy.logged import Array

if TYPE_CHECKING:
    from ibis.expr.types import Table

    from store import Workspace

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reward:
    """What is counted for a place of a slate.

    Attributes:
        unit: of the value per slate, in words.
        kinds: the events on the item that count, if they name the slate.
        window: how long after the slate they count; younger slates are left out, as their reward is not known yet.
        money: whether the value of the events is added up; else a place has 1 where there is any and 0 elsewhere.
        share: whether money is multiplied by the margin of the item.
    """

    title: str
    unit: str
    kinds: tuple[str, ...]
    window: timedelta
    money: bool = False
    share: bool = False


REWARDS = {
    "click": Reward("Clicks", "items clicked a slate", ("view", "wishlist", "cart", "purchase", "gift"), DAY),
    "purchase": Reward("Purchases", "items bought a slate", ("purchase", "gift"), 3 * DAY),
    "revenue": Reward("Revenue", "cents a slate", ("purchase", "gift"), 3 * DAY, money=True),
    "margin": Reward("Margin", "cents a slate", ("purchase", "gift"), 3 * DAY, money=True, share=True),
}


@dataclass(frozen=True, slots=True)
class SlateLog:
    """Slates in order of time; arrays of shape (slates, places) unless said, places that were not shown hold 0.

    Attributes:
        policy: the version that chose all of them.
        user: numbers of people, shape (slates,).
        time: microseconds since 1970, shape (slates,).
        candidates: how many items could have stood at the place; 0 where it was not logged.
        open: slates left out because the reward's window has not ended.
    """

    surface: str
    policy: str
    reward_name: str
    user: NDArray[np.int64]
    time: NDArray[np.int64]
    reward: Array
    propensity: Array
    candidates: Array
    score: Array
    shown: NDArray[np.bool_]
    open: int

    def __len__(self) -> int:
        return len(self.user)

    @property
    def what(self) -> Reward:
        return REWARDS[self.reward_name]


def logged_policies(workspace: "Workspace") -> dict[tuple[str, str], tuple[int, datetime]]:
    """Of each surface and policy in the log: how many slates, and when the last; the newest policy first."""
    log = workspace.lake.table("recommendations")
    some = log.group_by(["surface", "policy"]).aggregate(slates=log.slate_id.nunique(), last=log.time.max())
    rows = some.to_pyarrow().to_pylist()
    rows.sort(key=lambda row: (row["surface"], -row["last"].timestamp(), row["policy"]))
    return {(row["surface"], row["policy"]): (row["slates"], row["last"]) for row in rows}


def read_slates(
    workspace: "Workspace",
    surface: str,
    reward: str,
    *,
    policy: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> SlateLog:
    """The slates of a surface that one policy chose, in [since, until), whose reward is known.

    Args:
        reward: a name in REWARDS.
        policy: its version as logged; the one that chose last if None.

    Raises:
        DataError: if the reward is not known, or the log has no such slates; the message lists what it has. Or if
            margin is asked for and that of an item that was bought is not known.
    """
    from store.errors import did_you_mean

    if reward not in REWARDS:
        raise DataError(f"reward {reward!r} is not known.{did_you_mean(reward, tuple(REWARDS))}")
    chosen = _newest(workspace, surface, policy)
    rows, end = _rows(workspace, surface, chosen, REWARDS[reward], (since, until))
    if not len(rows["time"]):
        raise DataError(
            f"no slate of {surface} by {chosen} is in the log in this period. Choose another period; the log has "
            f"{_listed(workspace)}."
        )
    window = REWARDS[reward].window // timedelta(microseconds=1)
    return _as_matrix(rows, surface, chosen, reward, end - window)


def _newest(workspace: "Workspace", surface: str, policy: str | None) -> str:
    known = [name for (where, name) in logged_policies(workspace) if where == surface]
    if not known or (policy is not None and policy not in known):
        asked = f"surface {surface!r}" if not known else f"policy {policy!r} on {surface}"
        raise DataError(f"the log has no slates of {asked}. It has {_listed(workspace)}.")
    return policy or known[0]


def _listed(workspace: "Workspace") -> str:
    found = [
        f"{surface} by {policy} ({slates:,} slates until {last:%d %b %Y})"
        for (surface, policy), (slates, last) in logged_policies(workspace).items()
    ]
    return (
        "; ".join(found) or "none at all: `holdout serve` logs what it shows, `holdout import recommendations` others"
    )


def _rows(
    workspace: "Workspace",
    surface: str,
    policy: str,
    reward: Reward,
    period: tuple[datetime | None, datetime | None],
) -> tuple[dict[str, NDArray[np.generic]], int]:
    """Places in order of time and slate with their rewards, and when the log ends (microseconds since 1970)."""
    import ibis
    import pyarrow as pa

    log = workspace.lake.table("recommendations")
    events = workspace.lake.table("events")
    wanted = (log.surface == surface) & (log.policy == policy)
    since, until = period
    wanted = wanted & (log.time >= ibis.literal(since)) if since else wanted
    wanted = wanted & (log.time < ibis.literal(until)) if until else wanted
    columns = ["slate_id", "position", "user_id", "time", "item_id", "propensity", "candidates", "score"]
    places = log.filter(wanted).select(columns)
    earned = _earned(workspace, places, events, reward)
    joined = places.left_join(earned, ["slate_id", "position"]).drop("slate_id_right", "position_right")
    table: pa.Table = joined.order_by(["time", "slate_id", "position"]).to_pyarrow()
    ends = [each.time.max().to_pyarrow().as_py() for each in (log, events)]
    end = max((microseconds(each) for each in ends if each is not None), default=0)
    filled = {"candidates": 0, "score": float("nan"), "reward": 0.0}
    read = {name: table[name].fill_null(value).to_numpy() for name, value in filled.items()}
    read["user"] = table["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    read["slate"] = table["slate_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    read["time"] = table["time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return read | {name: table[name].to_numpy() for name in ("position", "propensity")}, end


def _earned(workspace: "Workspace", places: "Table", events: "Table", reward: Reward) -> "Table":
    """The reward of each place that has one: slate_id, position, reward."""
    import ibis

    acts = events.filter(events.kind.isin(reward.kinds) & events.slate_id.notnull() & events.item_id.notnull())
    acts = acts.select("slate_id", "item_id", act_time="time", value="value")
    met = places.select("slate_id", "position", "item_id", "time").inner_join(acts, ["slate_id", "item_id"])
    end = met.time + ibis.interval(hours=int(reward.window / timedelta(hours=1)))
    met = met.filter((met.act_time >= met.time) & (met.act_time < end))
    amount = met.value.cast("float64").fill_null(0.0) if reward.money else ibis.literal(1.0)
    if reward.share:
        items = workspace.lake.table("items").select("item_id", "margin")
        met = met.left_join(items, "item_id")
        _check_margins(met)
        amount = met.value.cast("float64").fill_null(0.0) * met.margin
    met = met.mutate(amount=amount)
    total = met.amount.sum() if reward.money else met.amount.max()
    return met.group_by(["slate_id", "position"]).aggregate(reward=total)


def _check_margins(bought: "Table") -> None:
    unknown = bought.filter(bought.margin.isnull()).item_id.nunique().to_pyarrow().as_py()
    if unknown:
        raise DataError(
            f"the margin of {unknown:,} items that were bought is not in the table items (column `margin`), so what is "
            "kept of their price cannot be told. Import it, or ask of revenue."
        )


def _as_matrix(rows: dict[str, NDArray[np.generic]], surface: str, policy: str, reward: str, closed: int) -> SlateLog:
    """Rows as slates by places, without the slates that are younger than `closed`."""
    old = np.asarray(rows["time"]) <= closed
    dropped = len(np.unique(np.asarray(rows["slate"])[~old]))
    if not old.any():
        days = REWARDS[reward].window // DAY
        raise DataError(
            f"all {dropped:,} slates that were asked about are too new: a {reward} counts for {days} "
            f"{'day' if days == 1 else 'days'} after its slate. Wait until then"
            + ("." if reward == "click" else ", or ask of clicks, which count for one day.")
        )
    slate = np.unique(np.asarray(rows["slate"])[old], return_inverse=True)[1]
    position = np.asarray(rows["position"])[old]
    place = _rank(slate, position)
    shape = int(slate.max()) + 1, int(place.max()) + 1

    def matrix(name: str) -> Array:
        whole = np.zeros(shape)
        whole[slate, place] = np.asarray(rows[name], np.float64)[old]
        return whole

    shown = np.zeros(shape, bool)
    shown[slate, place] = True
    user, time = np.zeros(shape[0], np.int64), np.zeros(shape[0], np.int64)
    user[slate], time[slate] = np.asarray(rows["user"])[old], np.asarray(rows["time"])[old]
    parts = {name: matrix(name) for name in ("reward", "propensity", "candidates", "score")}
    return SlateLog(surface, policy, reward, user, time, shown=shown, open=dropped, **parts)


def _rank(slate: NDArray[np.integer], position: NDArray[np.integer]) -> NDArray[np.int64]:
    """The place of each row within its slate, from 0, whatever numbers positions have."""
    order = np.lexsort((position, slate))
    first = np.searchsorted(slate[order], slate[order], side="left")
    rank = np.empty(len(slate), np.int64)
    rank[order] = np.arange(len(slate)) - first
    return rank
