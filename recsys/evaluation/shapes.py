"""Files with columns of their own: games with hours played, and acts of several kinds."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recsys.errors import DataError
from recsys.evaluation.readers import PURCHASE, ActLists, Numbering, ones
from recsys.interactions import ACTIONS, Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# What Tmall calls its behaviours, in our words.
_BEHAVIOURS = {"buy": "purchase", "cart": "cart", "fav": "wishlist", "view": "view"}


def read_hours(path: Path) -> "tuple[Interactions, csr_array]":
    """Who plays which game, and the words of each title, shape (items, words).

    Steam-200k's `user-id,game-title,value,`: the value is hours played; what follows the last comma is not read. A
    user's rows are in order of hours, not of time. A game twice for a user is one act.

    Raises:
        DataError: if the header or a row is not of that form.
    """
    rows, had = ActLists(Numbering(), Numbering()), set[tuple[str, str]]()
    for number, fields in _csv(path):
        if _hours(path, number, fields) > 0 and (fields[0], fields[1]) not in had:
            had.add((fields[0], fields[1]))
            rows.add(fields[0], fields[1])
    if not had:
        raise DataError(f"{path} holds no acts.")
    acts = rows.interactions()
    return acts, words(acts.items)


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers from 2 and fields of what follows the header."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            if next(lines, [])[:3] != ["user-id", "game-title", "value"]:
                raise DataError(f"{path}, line 1: expected the header user-id,game-title,value.")
            yield from enumerate(lines, start=2)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a csv file in UTF-8: {error}.") from None


def _hours(path: Path, number: int, fields: list[str]) -> float:
    if len(fields) < 3:
        raise DataError(f"{path}, line {number}: {len(fields)} fields, expected user-id,game-title,value.")
    try:
        return float(fields[2])
    except ValueError:
        raise DataError(f"{path}, line {number}: value is {fields[2]!r}, expected hours played.") from None


def words(titles: Sequence[str]) -> "csr_array":
    """1 where a title has a word, in lower case, of those that at least two titles have; shape (titles, words)."""
    found = [sorted(set(re.findall(r"[a-z0-9']+", title.lower()))) for title in titles]
    vocabulary = Numbering()
    pairs = np.asarray([(title, vocabulary.number(word)) for title, all_ in enumerate(found) for word in all_])
    matrix = ones(pairs[:, 0], pairs[:, 1], (len(titles), len(vocabulary.places)))
    return matrix[:, np.flatnonzero(matrix.sum(axis=0) >= 2)]


def read_behaviours(path: Path) -> tuple[Interactions, Interactions]:
    """Train and test acts of a Parquet file with columns user, item, behavior (buy, cart, fav, view) and split.

    Users and items are numbered in order of their ids; the file has no times.

    Raises:
        DataError: if a column is missing, or a behaviour or a split is not known.
    """
    import pyarrow.parquet as parquet
    from pyarrow import ArrowInvalid

    try:
        table = parquet.read_table(path)
    except ArrowInvalid as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from None
    missing = {"user", "item", "behavior", "split"} - set(table.column_names)
    if missing:
        raise DataError(f"{path}: column {sorted(missing)[0]!r} is missing; it has {', '.join(table.column_names)}.")
    empty = [name for name in ("user", "item", "behavior", "split") if table[name].null_count]
    if empty:
        raise DataError(
            f"{path}: column {empty[0]!r} is empty in {table[empty[0]].null_count:,} rows; fill or drop them."
        )
    columns = {name: np.asarray(table[name].to_pylist()) for name in ("user", "item", "behavior", "split")}
    unknown = set(columns["behavior"]) - set(_BEHAVIOURS) | set(columns["split"]) - {"train", "test"}
    if unknown:
        raise DataError(
            f"{path}: {str(sorted(unknown)[0])!r} is neither a behaviour ({', '.join(_BEHAVIOURS)}) nor a split."
        )
    users, user = np.unique(columns["user"], return_inverse=True)
    items, item = np.unique(columns["item"], return_inverse=True)
    action = np.asarray([ACTIONS.index(_BEHAVIOURS[name]) for name in columns["behavior"]])
    names = tuple(map(str, users)), tuple(map(str, items))
    test = columns["split"] == "test"
    time = np.arange(len(test))
    parts = [Interactions.of(*names, user[m], item[m], action[m], time[m]) for m in (~test, test)]
    if not len(parts[1]) or (parts[1].action != PURCHASE).any():
        raise DataError(f"{path}: the test must hold acts of behavior 'buy', and only those.")
    return parts[0], parts[1]
