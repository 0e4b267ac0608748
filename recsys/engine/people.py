"""What the engine knows of people while it serves: what they did lately, what they own, who they are."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.engine.lately import ROWS, Lately
from recsys.facts import friendships, interactions, place
from recsys.interactions import ACTIONS, Interactions, microseconds

if TYPE_CHECKING:
    from store import Workspace

# Acts of a person that are kept in mind, and friends whose things are looked through.
LENGTH, FRIENDS = 100, 20
UNKNOWN_AGE = -1
Ints = NDArray[np.int64]


@dataclass(slots=True)
class People:
    """Facts of the lake as arrays, and what was observed since in dictionaries; people are numbered by place in ids.

    Attributes:
        acts: of the lake.
        owned: sorted keys person * items + item.
        segment: of each person, place in `segments`; 0 is everybody.
        age: in years, -1 where not stated.
        friends: pairs of people, both directions, in order, shape (pairs, 2).
    """

    acts: Interactions
    owned: Ints
    segments: tuple[str, ...]
    segment: NDArray[np.int32]
    age: NDArray[np.int32]
    friends: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    _number: dict[str, int] = field(default_factory=dict)
    _starts: Ints = field(default_factory=lambda: np.zeros(1, np.int64))
    _owned_starts: Ints = field(default_factory=lambda: np.zeros(1, np.int64))
    _friends_starts: Ints = field(default_factory=lambda: np.zeros(1, np.int64))
    _later: dict[int, list[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(list))
    _bought: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _returned: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _lately: Lately = field(default_factory=Lately)

    def __post_init__(self) -> None:
        self._number = {user: number for number, user in enumerate(self.acts.users)}
        self._starts = np.asarray(self.acts.starts, np.int64)
        self._lately.last = int(self.acts.time.max(initial=0))
        everybody = np.arange(len(self.acts.users) + 1)
        self._owned_starts = np.searchsorted(self.owned, everybody * len(self.acts.items))
        self._friends_starts = np.searchsorted(self.friends[:, 0], everybody)

    @classmethod
    def read(cls, workspace: "Workspace") -> "People":
        """From the lake."""
        import pyarrow as pa

        acts = interactions(workspace)
        table: pa.Table = workspace.lake.table("users").select(["user_id", "country", "platform", "age"]).to_pyarrow()
        at = place(table["user_id"], acts.users)
        segments, codes = _segments(table)
        segment, age = np.zeros(len(acts.users), np.int32), np.full(len(acts.users), UNKNOWN_AGE, np.int32)
        segment[at] = codes
        age[at] = table["age"].fill_null(UNKNOWN_AGE).to_numpy()
        friends = friendships(workspace, acts.users)
        pairs = np.stack([friends.user, friends.friend], axis=1).astype(np.int32)
        return cls(acts, _owned(workspace, acts), segments, segment, age, pairs)

    @property
    def last(self) -> int:
        """When the last act was, microseconds since 1970; 0 before the first."""
        return self._lately.last

    def number(self, user_id: str) -> int:
        """The person's number, -1 for somebody whom nobody has seen."""
        return self._number.get(user_id, -1)

    def histories(self, people: Sequence[int], length: int = LENGTH) -> tuple[Ints, Ints, Ints]:
        """The latest acts, oldest first: items (-1 where there are fewer, on the left), actions and times, each
        shape (people, the most that any of them has, at least 1)."""
        rows = [self._history(person, length) for person in people]
        width = max((len(row[0]) for row in rows), default=0) or 1
        made = np.full((len(rows), width), -1), np.zeros((len(rows), width), int), np.zeros((len(rows), width), int)
        for at, row in enumerate(rows):
            for array, values in zip(made, row, strict=True):
                array[at, width - len(values) :] = values
        return made

    def owned_keys(self, people: Sequence[int], items: int) -> Ints:
        """Sorted row * items + item for everything that the person of a row owns."""
        parts = [row * items + self._owns(person) for row, person in enumerate(people)]
        return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)

    def of_friends(self, people: Sequence[int], most: int) -> list[list[int]]:
        """Items that friends of each person own, those that most of them have first, at most `most`.

        Of somebody with more than FRIENDS friends so many are looked at, always the same.
        """
        found = []
        for person in people:
            low, high = self._part(self._friends_starts, person)
            owned = [self._owns(friend) for friend in self.friends[low : min(high, low + FRIENDS), 1].tolist()]
            items, counts = np.unique(np.concatenate(owned), return_counts=True) if owned else (np.zeros(0, int),) * 2
            found.append(items[np.argsort(-counts, kind="stable")[:most]].tolist())
        return found

    def ages(self, people: Sequence[int]) -> NDArray[np.int32]:
        """Stated ages, -1 where not stated."""
        return self._looked_up(self.age, people, UNKNOWN_AGE)

    def segments_of(self, people: Sequence[int] | Ints) -> NDArray[np.int32]:
        """Places in `segments`, 0 for those of whom nothing is known."""
        return self._looked_up(self.segment, people, 0)

    def observe(self, event: Mapping[str, Any], item: int) -> None:
        """Take note of an act on an item; the next request knows it."""
        person = self._known(str(event["unit_id"]))
        kind = event["kind"]
        if kind in ACTIONS:
            time = microseconds(event["time"])
            self._lately.add(person, item, ACTIONS.index(kind), time)
            acts = self._later[person]
            acts.append((item, ACTIONS.index(kind), time))
            if len(acts) > 1 and acts[-2][2] > time:
                acts.sort(key=lambda act: act[2])
            del acts[:-LENGTH]
        receiver = event.get("recipient_id")
        if kind == "gift" and receiver:
            self._own(self._known(str(receiver)), item)
        elif kind == "purchase":
            self._own(person, item)
        elif kind == "refund":
            # A refund of a gift goes to the giver and takes the item from who got it.
            owner = self._known(str(receiver)) if receiver else person
            self._bought[owner].discard(item)
            self._returned[owner].add(item)

    def observed(self) -> tuple[Ints, ...]:
        """All that was observed and not forgotten, as `since` takes it."""
        return self._lately.parts()

    def forget(self, before: int) -> None:
        """Let go acts that were observed and are too old to be counted; histories keep theirs."""
        self._lately.forget(before)

    def since(self, time: int, observed: Sequence[Ints]) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """People, items and actions of all acts at or after a time, a part after another; may be called on any thread.

        People who were seen for the first time since the facts were read have numbers past the end of `acts.users`.

        Args:
            observed: what `observed` gave.
        """
        acts = self.acts
        for start in range(0, len(acts), ROWS):
            part = slice(start, start + ROWS)
            recent = acts.time[part] >= time
            yield acts.user[part][recent], acts.item[part][recent], acts.action[part][recent]
        for rows in observed:
            user, item, action, when = rows.T
            recent = when >= time
            yield user[recent], item[recent], action[recent]

    def _own(self, person: int, item: int) -> None:
        self._bought[person].add(item)
        self._returned[person].discard(item)

    def _known(self, user_id: str) -> int:
        return self._number.setdefault(user_id, len(self._number))

    def _history(self, person: int, length: int) -> tuple[Ints, Ints, Ints]:
        acts = self.acts
        later = self._later.get(person, [])
        begin, end = self._part(self._starts, person)
        part = slice(max(begin, end - length), end)
        items, actions, times = (a[part].astype(np.int64) for a in (acts.item, acts.action, acts.time))
        if not later:
            return items, actions, times
        new = np.array(later, np.int64)
        joined = [np.concatenate(pair) for pair in ((items, new[:, 0]), (actions, new[:, 1]), (times, new[:, 2]))]
        order = np.argsort(joined[2], kind="stable")[-length:]
        return joined[0][order], joined[1][order], joined[2][order]

    def _part(self, starts: Ints, person: int) -> tuple[int, int]:
        """Where what is a person's begins and ends; nothing of who came after the facts were read."""
        return (int(starts[person]), int(starts[person + 1])) if 0 <= person < len(self.acts.users) else (0, 0)

    def _owns(self, person: int) -> Ints:
        n = len(self.acts.items)
        low, high = self._part(self._owned_starts, person)
        items = self.owned[low:high] - person * n
        bought, returned = self._bought.get(person), self._returned.get(person)
        if returned:
            items = items[~np.isin(items, list(returned))]
        return np.concatenate([items, np.fromiter(bought, np.int64)]) if bought else items

    def _looked_up(self, values: NDArray[np.int32], people: Sequence[int] | Ints, missing: int) -> NDArray[np.int32]:
        at = np.asarray(people, np.int64)
        known = (at >= 0) & (at < len(values))
        found = np.full(len(at), missing, np.int32)
        found[known] = values[at[known]]
        return found


def _segments(table: Any) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Country and platform together, numbered from 1; 0 is for those of whom neither is known."""
    names = [
        f"{country or ''}/{platform or ''}"
        for country, platform in zip(table["country"].to_pylist(), table["platform"].to_pylist(), strict=True)
    ]
    known = ("", *sorted(set(names) - {"/"}))
    number = {name: k for k, name in enumerate(known)} | {"/": 0}
    return known, np.array([number[name] for name in names], np.int32)


def _owned(workspace: "Workspace", acts: Interactions) -> Ints:
    """Keys person * items + item of what was bought or received and not sent back since, sorted."""
    import pyarrow as pa

    events = workspace.lake.table("events")
    wanted = events.filter(events.kind.isin(["purchase", "gift", "refund"]) & events.item_id.notnull())
    table: pa.Table = wanted.select(["unit_id", "recipient_id", "kind", "item_id", "time"]).to_pyarrow()
    kind, item = place(table["kind"], ("purchase", "gift", "refund")), place(table["item_id"], acts.items)
    buyer, receiver = place(table["unit_id"], acts.users), place(table["recipient_id"], acts.users)
    # A refund of a gift goes to the giver and takes the item from who got it.
    owner = np.where((kind == 1) | ((kind == 2) & table["recipient_id"].is_valid().to_numpy()), receiver, buyer)
    known = (owner >= 0) & (item >= 0)
    key, gives = (owner * len(acts.items) + item)[known], kind[known] != 2
    time = table["time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()[known]
    # Of each person and item the last word counts.
    order = np.lexsort((~gives, time, key))
    key, gives = key[order], gives[order]
    last = np.diff(key, append=-1) != 0
    owned: Ints = key[last & gives]
    return owned
