"""The online store of one server: counters in memory-mapped files of a folder, no server beside it."""

import shutil
import threading
import time as clock
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import Catalogue
from recsys.errors import DataError
from recsys.features.commit import Commit, append_names, read_names
from recsys.features.counters import FRIEND, GROUP, ITEM, PAIR, SOCIAL, USER, count, count_pairs, count_users, windows
from recsys.features.definitions import (
    CART,
    PURCHASE,
    WHOLE,
    WINDOWS,
    WISHLIST,
    Ints,
    ItemState,
    PairState,
    UserState,
)
from recsys.features.history import History
from recsys.features.offline import item_state
from recsys.features.online import Acts
from recsys.features.tables import Keyed, Rows, Table, flush_file
from recsys.files import whole_file
from recsys.interactions import ACTIONS, DAY
from recsys.prices import NEVER

PLAIN = {"users": USER, "items": ITEM, "friends": FRIEND}
KEYED = {"pairs": PAIR, "publishers": GROUP, "categories": GROUP, "social": SOCIAL}
KINDS = PLAIN | KEYED
CURRENT = "current"
NAMED = ("user", "item", "publisher", "category")
CHUNK = 200_000
# Of counts that are kept beside the tables.
MOST_KEPT = np.iinfo(np.uint16).max
Keys = NDArray[np.uint64]


class MemoryStore:
    """An `OnlineStore` in a folder; one process writes, its threads may read.

    A change is whole or not at all when the process is killed. After a power failure `open` may find it damaged;
    then it is built anew from the lake with `build`.
    """

    def __init__(self, home: Path, catalogue: Catalogue, *, journal: bool = True) -> None:
        self._home, self._journal, self._lock = home, journal, threading.RLock()
        home.mkdir(parents=True, exist_ok=True)
        last = Commit.read(home, KINDS)
        self._lengths = {each: self._restored(each, last) for each in NAMED}
        # Items are found by their places in the catalogue: their names, perhaps a million, are not kept.
        self._names = {each: {} if each == "item" else _numbered(home / each) for each in NAMED}
        for name, (rows, content) in last.blocks.items():
            Table(home / f"{name}.rows", KINDS[name], last.sizes[name]).write(rows, content, last.sizes[name])
        size = {name: last.sizes.get(name, 1) for name in KINDS}
        self._plain = {name: Table(home / f"{name}.rows", KINDS[name], size[name]) for name in PLAIN}
        self._keyed = {name: Keyed(home / f"{name}.rows", KINDS[name], size[name]) for name in KEYED}
        self._number, self._position = last.number, last.position
        self._pending = np.array(last.pending, np.int64).reshape(-1, 6)
        self._windows, self._windows_day = np.zeros((0, 0, 0), np.uint16), np.zeros(0, np.int32)
        self._followers: dict[int, list[int]] = {}
        friends = self._plain["friends"]
        for user, friend in zip(friends.column("user").tolist(), friends.column("friend").tolist(), strict=True):
            self._followers.setdefault(friend, []).append(user)
        self.reprice(catalogue)

    @classmethod
    def open(cls, folder: Path | str, catalogue: Catalogue) -> "MemoryStore":
        """The store in a folder, empty if there is none.

        Raises:
            ModelError: if it is damaged or of another version.
        """
        folder = Path(folder)
        there = folder / CURRENT
        return cls(folder / (there.read_text("utf-8") if there.exists() else "first"), catalogue)

    @classmethod
    def build(
        cls, folder: Path | str, history: History, *, until: int | None = None, position: int = -1
    ) -> "MemoryStore":
        """A store that has seen a history, in place of what the folder held; a kill leaves the old or the new one.

        Args:
            until: only acts and friendships before it, microseconds since 1970; None takes all.
            position: of the last batch of the journal that the history holds.
        """
        folder, name = Path(folder), uuid4().hex[:12]
        store = cls(folder / name, history.catalogue, journal=False)
        end = NEVER if until is None else until
        acts, money = history.interactions, history.payments
        rows = np.flatnonzero(acts.time < end)
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            users, user = np.unique(acts.user[some], return_inverse=True)
            parts = acts.item[some].astype(np.int64), acts.action[some], acts.time[some]
            ids = tuple(acts.users[k] for k in users)
            store.observe(Acts(ids, user, *parts, money.paid[some], money.listed[some]), now=NEVER)
        friends = history.friends
        one, other = (each[friends.since < end].tolist() for each in (friends.user, friends.friend))
        store.befriend([acts.users[k] for k in one], [acts.users[k] for k in other])
        store._journal, store._position = True, position
        store.flush()
        _point(folder, name)
        return store

    @property
    def position(self) -> int:
        return self._position

    def flush(self) -> None:
        """Write everything through to the disk: if nothing comes after, it survives a power failure."""
        with self._lock:
            for table in (*self._plain.values(), *(each.table for each in self._keyed.values())):
                table.flush()
            for name in NAMED:
                flush_file(self._home / name)
            self._make(Commit(position=self._position, pending=self._pending.tolist(), flushed=True))

    def reprice(self, catalogue: Catalogue) -> None:
        with self._lock:
            change = Commit(position=self._position, pending=self._pending.tolist())
            self._catalogue = catalogue
            self._names["item"] = _numbered(self._home / "item")
            self._item = self._numbers("item", catalogue.ids, change)
            self._publisher = self._numbers("publisher", catalogue.publisher, change)
            self._category = self._numbers("category", catalogue.category, change)
            rows = len(self._names["item"]) + 1
            self._publisher_of, self._category_of = np.zeros((2, rows), np.int64)
            self._publisher_of[self._item], self._category_of[self._item] = self._publisher, self._category
            if change.texts:
                self._make(change)
            self._names["item"] = {}
            self._windows = np.zeros((rows, len(ACTIONS), len(WINDOWS)), np.uint16)
            self._windows_day = np.full(rows, -1, np.int32)

    def observe(self, acts: Acts, *, position: int | None = None, now: int | None = None) -> None:
        if len(acts) and int(acts.time.min()) <= 0:
            raise DataError(f"an act has time {acts.time.min()}, must be microseconds after 1970.")
        with self._lock:
            if position is not None and position <= self._position:
                return
            change = Commit(position=self._position if position is None else position)
            users = self._numbers("user", acts.user_ids, change)
            new = np.stack([users[acts.user], self._item[acts.item], acts.action, acts.time, acts.paid, acts.listed], 1)
            self._count(np.concatenate([self._pending, new]), _now() if now is None else now, change)

    def befriend(self, user_ids: Sequence[str], friend_ids: Sequence[str]) -> None:
        with self._lock:
            change = Commit(position=self._position, pending=self._pending.tolist())
            both = self._numbers("user", (*user_ids, *friend_ids), change).reshape(2, -1)
            known = self._plain["friends"]
            there = known.column("user") << 32 | known.column("friend")
            pairs = np.unique(both[0] << 32 | both[1])
            user, friend = pairs >> 32, pairs & 0xFFFFFFFF
            new = (user > 0) & (friend > 0) & (user != friend) & ~np.isin(pairs, there)
            pairs, user, friend = pairs[new], user[new], friend[new]
            rows = np.empty(len(pairs), FRIEND)
            rows["user"], rows["friend"] = user, friend
            self._put("friends", np.arange(len(pairs)) + known.size, rows, change)
            touched, at = np.unique(user, return_inverse=True)
            block = self._plain["users"].read(touched)
            np.add.at(block["friends"], at, 1)
            self._put("users", touched, block, change)
            self._share_all(user, friend, change)
            self._make(change)
            for one, other in zip(user.tolist(), friend.tolist(), strict=True):
                self._followers.setdefault(other, []).append(one)

    def users(self, user_ids: Sequence[str], times: Ints) -> UserState:
        with self._lock:
            self._release(times)
            known = self._names["user"]
            rows = self._plain["users"].read(np.array([known.get(each, 0) for each in user_ids], np.int64))
        return UserState(
            counts=windows(rows, times),
            since_first=_since(times, rows["first"]),
            since_last=_since(times, rows["last"]),
            since_purchase=_since(times, rows["purchase"]),
            paid=rows["paid"],
            listed=rows["listed"],
            expected=np.where(rows["expected"] == 0, WHOLE, rows["expected"]),
            friends=rows["friends"],
        )

    def items(self, places: Ints, times: Ints) -> ItemState:
        with self._lock:
            self._release(times)
            return item_state(self._catalogue, places, times, self._item_windows(self._item[places], times))

    def pairs(self, user_ids: Sequence[str], who: NDArray[np.intp], places: Ints, times: Ints) -> PairState:
        with self._lock:
            self._release(times)
            known = self._names["user"]
            user = np.array([known.get(each, 0) for each in user_ids], np.int64)[who]
            pair, social = (self._found(name, user, self._item[places]) for name in ("pairs", "social"))
            publisher = self._found("publishers", user, self._publisher[places])
            category = self._found("categories", user, self._category[places])
        return PairState(
            counts=pair["ever"].astype(np.int64),
            since_last=_since(times, pair["last"]),
            in_cart=pair["cart"] > pair["purchase"],
            publisher=publisher["ever"].astype(np.int64),
            category=category["ever"].astype(np.int64),
            friends_own=social["own"].astype(np.int64),
            friends_wishlist=social["wish"].astype(np.int64),
        )

    def _item_windows(self, rows: Ints, times: Ints) -> Ints:
        """Counts by action and window; those of one day are kept until the item is acted on or the day is over."""
        day = times // DAY
        if len(day) and day.min() != day.max():
            return windows(self._plain["items"].read(rows), times)
        counts = self._windows.take(rows, axis=0).astype(np.int64)
        stale = np.flatnonzero(self._windows_day[rows] != day)
        if len(stale):
            which = rows[stale]
            counts[stale] = new = windows(self._plain["items"].read(which), times[stale])
            # The few counts that are too great to be kept so are made each time.
            fits = (new <= MOST_KEPT).all(axis=(1, 2))
            self._windows[which[fits]] = new[fits]
            self._windows_day[which[fits]] = day[stale][fits]
        return counts

    def _release(self, times: Ints) -> None:
        """Count the acts that waited for these times."""
        if len(self._pending) and len(times) and int(self._pending[:, 3].min()) < int(times.max()):
            self._count(self._pending, int(times.max()), Commit(position=self._position))

    def _count(self, acts: Ints, now: int, change: Commit) -> None:
        """Count rows of (user, item, action, time, paid, listed) that are earlier than `now`; the others wait."""
        ready = acts[:, 3] < now
        change.pending, acts = acts[~ready].tolist(), acts[ready]
        if len(acts):
            user, item, action, time, paid, listed = acts.T
            action = action.astype(np.int8)
            rows, at = np.unique(user, return_inverse=True)
            block = self._plain["users"].read(rows)
            count_users(block, at, action, time, (paid, listed))
            self._put("users", rows, block, change)
            rows, at = np.unique(item, return_inverse=True)
            block = self._plain["items"].read(rows)
            count(block, at, action, time)
            self._windows_day[rows] = -1
            self._put("items", rows, block, change)
            self._count_pairs(user, item, action, time, change)
        self._make(change)

    def _count_pairs(self, user: Ints, item: Ints, action: NDArray[np.int8], time: Ints, change: Commit) -> None:
        for name, group in (("publishers", self._publisher_of[item]), ("categories", self._category_of[item])):
            known = group > 0
            rows, block, at = self._block(name, user[known], group[known], change)
            np.add.at(block["ever"], (at, action[known]), 1)
            self._put(name, rows, block, change)
        rows, block, at = self._block("pairs", user, item, change)
        before = block["ever"].copy()
        count_pairs(block, at, action, time, {"cart": CART, "purchase": PURCHASE})
        self._put("pairs", rows, block, change)
        first = (before == 0) & (block["ever"] > 0)
        own, wish = (block["key"][first[:, kind]] for kind in (PURCHASE, WISHLIST))
        self._share({"own": own, "wish": wish}, change)

    def _share(self, news: dict[str, Keys], change: Commit) -> None:
        """Tell followers of what somebody owns or wishes for the first time; `news` are keys of user and item."""
        told = {}
        for name, keys in news.items():
            followers = [self._followers.get(int(key >> 32), []) for key in keys.tolist()]
            many = np.array([len(each) for each in followers], np.int64)
            user = np.array([each for some in followers for each in some], np.int64)
            told[name] = user, np.repeat(keys.astype(np.int64) & 0xFFFFFFFF, many)
        self._add_social(told, change)

    def _share_all(self, user: Ints, friend: Ints, change: Commit) -> None:
        """Tell new followers what their friends own and wish for already."""
        table = self._keyed["pairs"].table
        keys, ever = table.column("key").astype(np.int64), table.column("ever")
        order = np.argsort(keys)
        low = np.searchsorted(keys[order], friend << 32)
        many = np.searchsorted(keys[order], (friend + 1) << 32) - low
        one = np.repeat(user, many)
        row = order[np.arange(len(one)) - np.repeat(np.cumsum(many) - many, many) + np.repeat(low, many)]
        item = keys[row] & 0xFFFFFFFF
        has = {name: ever[row, kind] > 0 for name, kind in (("own", PURCHASE), ("wish", WISHLIST))}
        self._add_social({name: (one[which], item[which]) for name, which in has.items()}, change)

    def _add_social(self, told: dict[str, tuple[Ints, Ints]], change: Commit) -> None:
        user, item = (np.concatenate([pair[k] for pair in told.values()]) for k in (0, 1))
        rows, block, at = self._block("social", user, item, change)
        begin = 0
        for name, (some, _) in told.items():
            np.add.at(block[name], at[begin : begin + len(some)], 1)
            begin += len(some)
        self._put("social", rows, block, change)

    def _found(self, name: str, user: Ints, other: Ints) -> Rows:
        """The rows of pairs of users with something else; zeros where either or the pair is not known."""
        table = self._keyed[name]
        return table.table.read(table.find((user << 32 | other).astype(np.uint64)))

    def _block(self, name: str, user: Ints, other: Ints, change: Commit) -> tuple[Ints, Rows, NDArray[np.intp]]:
        """The distinct pairs' rows, new ones behind the others; their content; and where in it each pair is."""
        table = self._keyed[name]
        keys, at = np.unique((user << 32 | other).astype(np.uint64), return_inverse=True)
        rows = table.find(keys)
        new = rows == 0
        rows[new] = np.arange(np.count_nonzero(new)) + table.table.size
        block = table.table.read(np.where(new, 0, rows))
        block["key"] = keys
        return rows, block, at

    def _put(self, name: str, rows: Ints, block: Rows, change: Commit) -> None:
        if len(rows):
            change.blocks[name] = rows, block

    def _numbers(self, what: str, names: Sequence[str], change: Commit) -> Ints:
        """The number of each name, from 1 on; 0 for "". New ones are numbered with this change."""
        known = self._names[what]
        new = list(dict.fromkeys(name for name in names if name and name not in known))
        if new:
            change.texts[what] = self._lengths[what], new
            known.update({name: len(known) + k + 1 for k, name in enumerate(new)})
        return np.array([known.get(name, 0) for name in names], np.int64)

    def _make(self, change: Commit) -> None:
        """Write the change down, then carry it out."""
        sizes = {name: table.size for name, table in self._plain.items()}
        sizes |= {name: each.table.size for name, each in self._keyed.items()}
        for name, (rows, _) in change.blocks.items():
            sizes[name] = max(sizes[name], int(rows.max()) + 1)
        change.sizes = sizes
        change.number = self._number + 1
        if self._journal:
            self._write(change)
        self._number = change.number
        for what, (offset, names) in change.texts.items():
            self._lengths[what] = append_names(self._home / what, offset, names)
        for name, (rows, content) in change.blocks.items():
            if name in self._plain:
                self._plain[name].write(rows, content, sizes[name])
                continue
            table = self._keyed[name]
            new = rows >= table.table.size
            table.table.write(rows, content, sizes[name])
            table.know(content["key"][new], rows[new])
        self._position, self._pending = change.position, np.array(change.pending, np.int64).reshape(-1, 6)

    def _write(self, change: Commit) -> None:
        try:
            change.write(self._home)
        except BaseException:
            # Nothing happened: names that this change numbered are not known after all.
            for what, (_, names) in change.texts.items():
                for name in names:
                    del self._names[what][name]
            raise

    def _restored(self, what: str, last: Commit) -> int:
        """Bytes of the file of names, after the names of the last change were written again."""
        if what in last.texts:
            return append_names(self._home / what, *last.texts[what])
        return read_names(self._home / what)[1]


def _numbered(file: Path) -> dict[str, int]:
    """The number of each name of a file, from 1 on."""
    return {name: number for number, name in enumerate(read_names(file)[0], start=1)}


def _since(times: Ints, then: Ints) -> Ints:
    return np.where(then > 0, times - then, -1)


def _point(folder: Path, name: str) -> None:
    """From now on the folder's store is the one of this name; the others are removed."""
    with whole_file(folder / CURRENT) as beside:
        beside.write_text(name, "utf-8")
    for other in folder.iterdir():
        if other.is_dir() and other.name != name:
            shutil.rmtree(other)


def _now() -> int:
    return clock.time_ns() // 1_000
