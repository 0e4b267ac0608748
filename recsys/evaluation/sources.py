"""Finds out what a file or folder holds, and reads it: acts with what else is known of users and items."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.evaluation.groups import read_groups
from recsys.evaluation.readers import FORMS, ActLists, Numbering, read_attributes, read_friends
from recsys.evaluation.shapes import read_behaviours, read_hours
from recsys.evaluation.split import NOTHING, Sides
from recsys.interactions import Interactions


@dataclass(frozen=True, slots=True)
class Source:
    """What was read: all acts, or those to train on where the files come with their own test.

    Attributes:
        validation, test: acts that the files set apart; None where they do not.
        target: the action that is to be predicted (of ACTIONS); None for any.
        ordered: whether the order of the file is the order in time.
        judged: whose acts validation is drawn from, shape (users,); None for all.
        negatives: the items that each of `test` is ranked among in the paper, shape (len(test), n).
        note: what the reader took for an act, in words.
    """

    name: str
    acts: Interactions
    validation: Interactions | None = None
    test: Interactions | None = None
    target: str | None = None
    ordered: bool = False
    sides: Sides = NOTHING
    judged: NDArray[np.bool_] | None = None
    negatives: NDArray[np.int32] | None = None
    note: str = ""

    @property
    def protocol(self) -> str:
        """The protocol that fits where none is asked for."""
        if self.test is not None:
            return "given_split"
        return "leave_one_out" if self.ordered else "ratio_split"


# In a folder, the names of the files to train on, to choose by and to test on.
_GIVEN = (("train.txt", "valid.txt", "test.txt"), ("data1.txt", "", "test1.txt"))


def load(path: Path, form: str | None = None) -> Source:
    """The acts in `path`, a file or a folder, read as `form`; found out from the content if None.

    Raises:
        DataError: if there is no such file, its form is not known, or a line is not of its form.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist.")
    if form is not None and form not in READ:
        raise DataError(f"--format {form!r} is not known; known: {', '.join(READ)}.")
    return READ[form or _form_of(path)](path)


def with_files(source: Source, friends: Path | None, attributes: Path | None) -> Source:
    """The same acts with friends and attributes from their files."""
    sides = source.sides
    if friends:
        sides = replace(sides, friends=read_friends(friends, source.acts.users))
    if attributes:
        sides = replace(sides, attributes=read_attributes(attributes, source.acts.items))
    return replace(source, sides=sides)


def _form_of(path: Path) -> str:
    """The name of the form that the content is in."""
    if (path / "groupMember.txt").is_file():
        return "groups"
    file = _main_file(path)
    if file.suffix == ".parquet":
        return "behaviours"
    with file.open(encoding="utf-8", errors="replace") as lines:
        first = [line for _, line in zip(range(200), lines, strict=False) if line.strip()]
    if first and first[0].startswith("user-id,game-title,"):
        return "hours"
    widths = {len(line.replace(",", " ").split()) for line in first}
    if widths <= {2} or widths <= {3}:
        return "pairs" if widths == {2} else "triples"
    if file.name in {train for train, _, _ in _GIVEN}:
        return "lists"
    raise DataError(f"{file}: its form is not plain from its first lines; say --format {' | '.join(READ)}.")


def _main_file(path: Path) -> Path:
    """`path` itself, or the file of acts in the folder."""
    if path.is_file():
        return path
    for train, _, _ in _GIVEN:
        if (path / train).is_file():
            return path / train
    found = sorted(p for p in path.iterdir() if p.suffix in (".txt", ".csv", ".parquet") and p.name not in _ASIDE)
    if len(found) != 1:
        raise DataError(
            f"{path}: found {', '.join(p.name for p in found) or 'no file'} of acts; expected train.txt with test.txt, "
            "data1.txt with test1.txt, or one file. Give the file itself."
        )
    return found[0]


_ASIDE = {"trusts.txt", "trustnetwork.txt"}


def _text(form: str) -> Callable[[Path], Source]:
    """Reads a file, or a folder with train, valid and test, of one of FORMS."""

    def read(path: Path) -> Source:
        users, items, file = Numbering(), Numbering(), _main_file(path)
        names = next((given for given in _GIVEN if path.is_dir() and file.name == given[0]), (file.name, "", ""))
        files = [file.parent / name if name and (file.parent / name).is_file() else None for name in names]
        if names[2] and files[2] is None:
            raise DataError(f"{path}: {names[0]} is there, but {names[2]} is not.")
        rows, first = [], 0
        for one in files:
            rows.append(FORMS[form](one, ActLists(users, items, first)) if one else None)
            first += len(rows[-1].user) if rows[-1] else 0
        train, validation, test = (one.interactions() if one else None for one in rows)
        assert train is not None
        return Source(path.stem, train, validation, test, ordered=form == "pairs")

    return read


def load_groups(folder: Path, people: Path | None = None) -> Source:
    """Groups from the files in `folder`, with what people did from the file of pairs `people`, or the folder's own.

    Raises:
        DataError: if a file is missing or a line is not of its form.
    """
    train, test, members, negatives = read_groups(folder, people)
    is_group = np.asarray(members.sum(axis=1)) > 0
    note = "groups are users whose items are to be found; people's acts and members are known besides"
    sides = Sides(members=members)
    return Source(folder.stem, train, test=test, sides=sides, judged=is_group, negatives=negatives, note=note)


def _hours(path: Path) -> Source:
    acts, attributes = read_hours(_main_file(path))
    note = "an act is a game with hours played; a title's words are its attributes; times are not known"
    return Source("steam_200k", acts, sides=Sides(attributes=attributes), note=note)


def _behaviours(path: Path) -> Source:
    train, test = read_behaviours(_main_file(path))
    note = "buy is to be predicted from buy, cart and favourite"
    return Source(path.stem, train, test=test, target="purchase", note=note)


READ: dict[str, Callable[[Path], Source]] = {form: _text(form) for form in FORMS}
READ |= {"groups": load_groups, "hours": _hours, "behaviours": _behaviours}
