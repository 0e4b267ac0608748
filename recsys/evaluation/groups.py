"""Groups of people who choose together: their members, their acts and the negatives that papers rank among."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.evaluation.readers import ActLists, Numbering, lines, ones, read_pairs
from recsys.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FILES = ("groupMember.txt", "groupRatingTrain.txt", "groupRatingTest.txt", "userRatingTrain.txt")


def read_groups(
    folder: Path, people: Path | None = None
) -> "tuple[Interactions, Interactions, csr_array, NDArray[np.int32] | None]":
    """Train acts of people and groups, test acts of groups, members, and negatives of the test acts if they are given.

    The files are those of AGREE and ConsRec: `group member,member,...`, `group item`, `user item`, and
    `(group,item) item item ...`. Group 7 becomes the user "group 7"; members has shape (users, users).

    `people` is a file of `user item`, userRatingTrain.txt of the folder if None.

    Raises:
        DataError: if a file is missing or a line is not of its form.
    """
    needed = FILES[:3] if people else FILES
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise DataError(f"{folder}: {missing[0]} is missing; groups need {', '.join(needed)}.")
    users, items = Numbering(), Numbering()
    own = read_pairs(people or folder / FILES[3], ActLists(users, items))
    train = _of_groups(folder / FILES[1], ActLists(users, items, len(own.user)))
    test = _of_groups(folder / FILES[2], ActLists(users, items, len(own.user) + len(train.user)))
    pairs = [
        (users.number(f"group {fields[0]}"), users.number(member))
        for _, fields in lines(folder / FILES[0])
        for member in fields[1:]
    ]
    group, member = np.asarray(pairs).T
    negatives = _negatives(folder / "groupRatingNegative.txt", items)
    past = ActLists(
        users, items, 0, own.user + train.user, own.item + train.item, own.action + train.action
    ).interactions()
    wanted = test.interactions()
    members = ones(group, member, (len(users.places), len(users.places)))
    if negatives is None:
        return past, wanted, members, None
    return past, wanted, members, _aligned(folder, wanted, negatives)


def _of_groups(path: Path, rows: ActLists) -> ActLists:
    """Reads `group item` a line; a group's name tells it from a user of the same number."""
    for number, fields in lines(path):
        if len(fields) != 2:
            raise DataError(f"{path}, line {number}: {len(fields)} fields, expected 2: group item.")
        rows.add(f"group {fields[0]}", fields[1])
    return rows


def _negatives(path: Path, items: Numbering) -> dict[tuple[str, str], list[int]] | None:
    """For each (group, item) the places of its negatives; None where there is no such file."""
    if not path.is_file():
        return None
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        key, *others = line.split()
        match = re.fullmatch(r"\((\w+),(\w+)\)", key)
        if not match:
            raise DataError(f"{path}, line {number}: {key!r} is not (group,item).")
        found[match[1], match[2]] = [items.number(item) for item in others]
    return found


def _aligned(folder: Path, wanted: Interactions, negatives: dict[tuple[str, str], list[int]]) -> NDArray[np.int32]:
    """The negatives in the order of the test acts, cut to the shortest list; shape (len(wanted), n)."""
    rows = []
    for user, item in zip(wanted.user, wanted.item, strict=True):
        key = wanted.users[user].removeprefix("group "), wanted.items[item]
        if key not in negatives:
            raise DataError(f"{folder}: groupRatingNegative.txt has no line for {key}.")
        rows.append(negatives[key])
    return np.asarray([row[: min(map(len, rows))] for row in rows], np.int32)
