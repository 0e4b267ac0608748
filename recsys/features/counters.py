"""Counters by day, week and ever in fixed-size rows, which any order of the same acts brings to the same state."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.features.definitions import (
    DAYS,
    GIFT,
    PURCHASE,
    REMEMBERED,
    WEEKS,
    Ints,
    expected_price,
    paid_share,
)
from recsys.features.tables import Rows
from recsys.interactions import ACTIONS, DAY

_N = len(ACTIONS)
# `day` is the last one with an act; bucket d % 7 of `days` is of the latest day d up to it, `weeks` alike. A time of 0
# is never. `shares` are the last purchases by time and share, oldest first, where `bought` says when, or is 0.
_COUNTERS = [
    ("day", np.int64),
    ("days", np.uint32, (_N, DAYS)),
    ("weeks", np.uint32, (_N, WEEKS)),
    ("ever", np.uint32, (_N,)),
]
ITEM = np.dtype(_COUNTERS, align=True)
USER = np.dtype(
    [
        *_COUNTERS,
        *((name, np.int64) for name in ("first", "last", "purchase", "paid", "listed", "expected", "friends")),
        ("bought", np.int64, (REMEMBERED,)),
        ("shares", np.int64, (REMEMBERED,)),
    ],
    align=True,
)
GROUP = np.dtype([("key", np.uint64), ("ever", np.uint32, (_N,))], align=True)
PAIR = np.dtype(
    [("key", np.uint64), ("ever", np.uint32, (_N,)), ("last", np.int64), ("cart", np.int64), ("purchase", np.int64)],
    align=True,
)
SOCIAL = np.dtype([("key", np.uint64), ("own", np.uint32), ("wish", np.uint32)], align=True)
FRIEND = np.dtype([("user", np.int64), ("friend", np.int64)])


def count(rows: Rows, at: NDArray[np.intp], action: NDArray[np.int8], time: Ints) -> None:
    """Count acts in rows with counters, in place; act k belongs to rows[at[k]]."""
    day = time // DAY
    latest = rows["day"].copy()
    np.maximum.at(latest, at, day)
    _keep(rows["days"], rows["day"], latest, DAYS)
    _keep(rows["weeks"], rows["day"] // 7, latest // 7, WEEKS)
    rows["day"] = latest
    for name, unit, size in (("days", 1, DAYS), ("weeks", 7, WEEKS)):
        period = day // unit
        recent = period > latest[at] // unit - size
        np.add.at(rows[name], (at[recent], action[recent], period[recent] % size), 1)
    np.add.at(rows["ever"], (at, action), 1)


def windows(rows: Rows, times: Ints) -> Ints:
    """Counts by action and window, shape (rows, actions, windows), at times not before the day of the last act."""
    latest, today = rows["day"], (times // DAY)[:, None]
    day, week = _periods(latest, DAYS), _periods(latest // 7, WEEKS)
    days, weeks = rows["days"].astype(np.int64), rows["weeks"].astype(np.int64)
    made = np.empty((len(rows), _N, 4), np.int64)
    # Products of whole numbers with 0 and 1: sums over the buckets that lie inside.
    made[:, :, 0] = np.matvec(days, (day >= today - 1).astype(np.int64))
    made[:, :, 1] = np.matvec(days, (day > today - DAYS).astype(np.int64))
    made[:, :, 2] = np.matvec(weeks, (week > today // 7 - WEEKS).astype(np.int64))
    made[:, :, 3] = rows["ever"]
    return made


def count_users(
    rows: Rows, at: NDArray[np.intp], action: NDArray[np.int8], time: Ints, money: tuple[Ints, Ints]
) -> None:
    """Count acts in rows of users, in place; `money` is what was paid and what the list price was."""
    count(rows, at, action, time)
    earliest = np.where(rows["first"] == 0, np.iinfo(np.int64).max, rows["first"])
    np.minimum.at(earliest, at, time)
    rows["first"] = earliest
    np.maximum.at(rows["last"], at, time)
    buys = (action == PURCHASE) | (action == GIFT)
    np.maximum.at(rows["purchase"], at[buys], time[buys])
    share = paid_share(*money)
    pays = buys & (share >= 0)
    for name, cents in zip(("paid", "listed"), money, strict=True):
        np.add.at(rows[name], at[pays], cents[pays])
    if pays.any():
        _remember(rows, at[pays], time[pays], share[pays])


def count_pairs(rows: Rows, at: NDArray[np.intp], action: NDArray[np.int8], time: Ints, kinds: dict[str, int]) -> None:
    """Count acts in rows of pairs, in place; the latest of each of `kinds` is kept in the field of its name."""
    np.add.at(rows["ever"], (at, action), 1)
    np.maximum.at(rows["last"], at, time)
    for name, kind in kinds.items():
        np.maximum.at(rows[name], at[action == kind], time[action == kind])


def _remember(rows: Rows, at: NDArray[np.intp], time: Ints, share: Ints) -> None:
    """Bring purchases among the last ones of their users."""
    touched = np.unique(at)
    there = np.nonzero(rows["bought"][touched] > 0)
    who = np.concatenate([touched[there[0]], at])
    when = np.concatenate([rows["bought"][touched][there], time])
    what = np.concatenate([rows["shares"][touched][there], share])
    order = np.lexsort((what, when, who))
    who, when, what = who[order], when[order], what[order]
    ends = np.searchsorted(who, who, side="right")
    from_end = ends - np.arange(len(who))
    kept = from_end <= REMEMBERED
    for name, values in (("bought", when), ("shares", what)):
        rows[name][touched] = 0
        rows[name][who[kept], REMEMBERED - from_end[kept]] = values[kept]
    known = np.where(rows["bought"][touched] > 0, rows["shares"][touched], -1)
    rows["expected"][touched] = expected_price(known)


def _keep(buckets: NDArray[Any], before: Ints, latest: Ints, size: int) -> None:
    """Empty the buckets of periods that are too old once `latest` is the last."""
    old = _periods(before, size) <= (latest - size)[:, None]
    buckets[...] = np.where(old[:, None, :], 0, buckets)


def _periods(latest: Ints, size: int) -> Ints:
    """Which day or week each bucket is of, shape (rows, size)."""
    places = np.arange(size)
    return latest[:, None] - (latest[:, None] - places) % size
