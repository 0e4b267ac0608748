"""Text files of acts, of friends and of attributes; a bad line is refused with its file, line and field."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.interactions import ACTIONS, Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PURCHASE = ACTIONS.index("purchase")
# A first line that begins with one of these names columns; taken for an act it would make a user and an item of itself.
HEADERS = {f"{noun}{tail}" for noun in ("user", "item") for tail in ("", "s", "id", "_id", "-id")}


@dataclass(slots=True)
class Numbering:
    """Gives ids the numbers 0, 1, 2, ... in the order in which they come; several files may share one."""

    places: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        return self.places.setdefault(name, len(self.places))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.places)


@dataclass(slots=True)
class ActLists:
    """Acts as they are read: parallel lists of places of users and items, and of actions; times count from `first`."""

    users: Numbering
    items: Numbering
    first: int = 0
    user: list[int] = field(default_factory=list)
    item: list[int] = field(default_factory=list)
    action: list[int] = field(default_factory=list)

    def add(self, user: str, item: str, action: int = PURCHASE) -> None:
        self.user.append(self.users.number(user))
        self.item.append(self.items.number(item))
        self.action.append(action)

    def interactions(self) -> Interactions:
        """The acts in the order of the file. Call it when all files that share the numbering are read."""
        user, item, action = (np.asarray(column, np.int64) for column in (self.user, self.item, self.action))
        time = np.arange(self.first, self.first + len(user))
        return Interactions.of(self.users.names, self.items.names, user, item, action, time)


def read_pairs(path: Path, rows: ActLists) -> ActLists:
    """One `user item` a line, a user's acts in order of time."""
    for number, fields in lines(path):
        user, item = _exactly(path, number, fields, ("user", "item"))
        rows.add(user, item)
    return _filled(path, rows)


def read_triples(path: Path, rows: ActLists) -> ActLists:
    """One `user item value` a line, the value a finite number; a value of 0 or less is no act."""
    for number, fields in lines(path):
        user, item, text = _exactly(path, number, fields, ("user", "item", "value"))
        if _number(path, number, "value", text) > 0:
            rows.add(user, item)
    return _filled(path, rows)


def read_lists(path: Path, rows: ActLists) -> ActLists:
    """One `user item item ...` a line; a user alone on its line has no acts."""
    for number, fields in lines(path):
        user, *items = fields
        if len(set(items)) != len(items):
            raise DataError(f"{path}, line {number}: user {user} has an item twice in its list.")
        for item in items:
            rows.add(user, item)
        rows.users.number(user)
    return _filled(path, rows)


FORMS = {"pairs": read_pairs, "lists": read_lists, "triples": read_triples}


def read_friends(path: Path, users: Sequence[str]) -> "csr_array":
    """1 where either named the other, shape (users, users); people without acts are left out.

    Raises:
        DataError: if a line is not `user user`, or nobody in the file has acts.
    """
    places = {user: place for place, user in enumerate(users)}
    pairs = []
    for number, fields in lines(path):
        if len(fields) == 3 and fields[2] in ("1", "1.0"):
            fields = fields[:2]
        pairs.append(_exactly(path, number, fields, ("user", "user")))
    known = [(places[one], places[other]) for one, other in pairs if one in places and other in places]
    if not known:
        raise DataError(f"{path}: none of its {len(pairs):,} friendships is between users that have acts.")
    one, other = np.asarray(known).T
    apart = one != other
    return ones(np.r_[one[apart], other[apart]], np.r_[other[apart], one[apart]], (len(users), len(users)))


def read_attributes(path: Path, items: Sequence[str]) -> "csr_array":
    """From `item attribute attribute ...` a line: 1 where an item has an attribute, shape (items, attributes).

    Raises:
        DataError: if no line is about an item that has acts.
    """
    places, attributes = {item: place for place, item in enumerate(items)}, Numbering()
    known = [
        (places[fields[0]], attributes.number(name))
        for _, fields in lines(path)
        for name in fields[1:]
        if fields[0] in places
    ]
    if not known:
        raise DataError(f"{path}: no line gives an attribute of an item that has acts.")
    item, attribute = np.asarray(known).T
    return ones(item, attribute, (len(items), len(attributes.places)))


def ones(row: NDArray[np.integer], column: NDArray[np.integer], shape: tuple[int, int]) -> "csr_array":
    from scipy.sparse import csr_array

    matrix = csr_array((np.ones(len(row), np.float32), (row, column)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers from 1 and fields, split at blanks and commas; empty lines are left out.

    Raises:
        DataError: if it is not a text file in UTF-8, or begins with the names of columns.
    """
    try:
        # Spreadsheets put a mark before the first id, which is no part of it.
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if fields := line.replace(",", " ").split():
                    if number == 1 and fields[0].lower() in HEADERS:
                        raise DataError(f"{path}, line 1: {line.strip()!r} names columns and is no act; take it out.")
                    yield number, fields
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder, expected a file.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file in UTF-8: {error}.") from None


def _exactly(path: Path, number: int, fields: list[str], names: tuple[str, ...]) -> list[str]:
    if len(fields) != len(names):
        raise DataError(f"{path}, line {number}: {len(fields)} fields, expected {len(names)}: {' '.join(names)}.")
    return fields


def _number(path: Path, number: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}, line {number}: {name} is {text!r}, expected a finite number.")
    return value


def _filled(path: Path, rows: ActLists) -> ActLists:
    if not rows.user:
        raise DataError(f"{path} holds no acts.")
    return rows
