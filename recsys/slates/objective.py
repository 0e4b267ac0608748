"""What showing an item is worth: expected cents by weights that are data with an owner and a history."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import EngineError
from recsys.files import whole_file

FILE = "objective.toml"
WEIGHTS = ("margin", "click", "wishlist", "cart", "discovery", "fairness", "refund")
Floats = NDArray[np.float64]


class ObjectiveError(EngineError):
    """The objective's file is not well formed, or a change would rewrite its history."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One version of the weights, whole cents each, and who set it, when, and why."""

    number: int
    owner: str
    since: datetime
    reason: str
    weights: Mapping[str, float]

    def value(self, chances: Mapping[str, Floats], item: "Worth") -> Floats:
        """Expected cents of showing each item.

        Args:
            chances: of each of OUTCOMES, arrays of one shape; refund is the chance to be bought and sent back.
            item: of the same shape.

        Returns:
            margin: (p_purchase + p_gift - p_refund) * gain, then - refund * p_refund, then
            click * p_click + wishlist * p_wishlist + cart * (p_cart - p_purchase, not below 0)
            + (discovery * novelty + fairness * deficit) * p_click.
        """
        weights, p = self.weights, chances
        margin = (p["purchase"] + p["gift"] - p["refund"]) * item.gain
        looked = weights["click"] + weights["discovery"] * item.novelty + weights["fairness"] * item.deficit
        value: Floats = (
            weights["margin"] * margin
            - weights["refund"] * p["refund"]
            + looked * p["click"]
            + weights["wishlist"] * p["wishlist"]
            + weights["cart"] * np.maximum(p["cart"] - p["purchase"], 0.0)
        )
        return value


@dataclass(frozen=True, slots=True)
class Worth:
    """Of each candidate: `gain`, the cents that the shop keeps of its price now; `novelty` and `deficit` in [0, 1]:
    how new it is, and how far its publisher's exposure lies below its share of the catalogue."""

    gain: Floats
    novelty: Floats
    deficit: Floats


@dataclass(frozen=True, slots=True)
class Objectives:
    """All versions, oldest first."""

    versions: tuple[Objective, ...]

    @classmethod
    def read(cls, folder: Path | None) -> "Objectives":
        """From objective.toml of a workspace's folder, or the package's own where it has none.

        Raises:
            ObjectiveError: if the file is not well formed; the message names the version and the key.
        """
        own = folder / FILE if folder is not None else None
        file = own if own is not None and own.exists() else Path(__file__).with_name(FILE)
        try:
            content = tomllib.loads(file.read_text("utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ObjectiveError(f"{file} cannot be read: {error}.") from None
        return cls(_versions(file, content))

    def at(self, time: datetime) -> Objective:
        """The version that holds at a time; the oldest for times before it."""
        valid = [version for version in self.versions if version.since <= time]
        return valid[-1] if valid else self.versions[0]


def change(folder: Path, weights: Mapping[str, float], *, owner: str, reason: str, since: datetime) -> Objective:
    """Append a version to a workspace's objective; weights that are not named stay as they are.

    The file's older text stays as it is, byte for byte; it is written beside and renamed.

    Raises:
        ObjectiveError: if a weight is not known, or `since` is not after the newest version's.
    """
    from store.toml_reader import quoted

    history = Objectives.read(folder)
    newest = history.versions[-1]
    file = folder / FILE
    text = (file if file.exists() else Path(__file__).with_name(FILE)).read_text("utf-8")
    version = newest.number + 1
    merged = {**newest.weights, **weights}
    lines = [
        "[[versions]]",
        f"number = {version}",
        f"owner = {quoted(owner)}",
        f"since = {since.astimezone(UTC).isoformat().replace('+00:00', 'Z')}",
        f"reason = {quoted(reason)}",
        "",
        "[versions.weights]",
        *(f"{_key(name)} = {float(value)!r}" for name, value in merged.items()),
    ]
    text = text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"
    try:
        made = _versions(file, tomllib.loads(text))[-1]
    except tomllib.TOMLDecodeError as error:
        raise ObjectiveError(f"version {version} would not be readable: {error}. Change its owner or reason.") from None
    with whole_file(file) as beside:
        beside.write_text(text, encoding="utf-8")
    return made


def _versions(file: Path, content: dict[str, Any]) -> tuple[Objective, ...]:
    from store.toml_reader import Reader

    whole = Reader(file, "objective", content, ObjectiveError)
    tables = whole.take("versions", list, "tables [[versions]]")
    whole.done()
    if not tables:
        raise ObjectiveError(f"{file}: there is no version. Write [[versions]], or remove the file.")
    made: list[Objective] = []
    for place, table in enumerate(tables, start=1):
        version = _version(Reader(file, f"versions, the {place}.", table, ObjectiveError), place)
        if made and version.since <= made[-1].since:
            raise ObjectiveError(
                f"{file}: version {place} holds from {version.since:%Y-%m-%d %H:%M:%S}, which is not after version "
                f"{place - 1}. Versions are appended in order of time."
            )
        made.append(version)
    return tuple(made)


def _version(table: Any, place: int) -> Objective:
    number = table.take("number", int, str(place))
    if number != place:
        raise table.error("number", f"found {number}, expected {place}: versions are numbered 1, 2, 3 in order.")
    since = table.take("since", datetime, "a time such as 2026-01-01T00:00:00Z")
    if since.tzinfo is None:
        raise table.error("since", f"found {since}, which has no time zone; end it with Z for UTC.")
    section = table.inner("weights", table.take("weights", dict, "a table [versions.weights]"))
    limit = 1e9
    weights = {name: float(section.number(name, "a number of cents", above=-limit, below=limit)) for name in WEIGHTS}
    section.done()
    owner, reason = table.text("owner"), table.text("reason")
    table.done()
    return Objective(number, owner, since.astimezone(UTC), reason, weights)


def _key(name: str) -> str:
    from store.errors import did_you_mean

    if name not in WEIGHTS:
        raise ObjectiveError(f"weight {name!r} is not known.{did_you_mean(name, WEIGHTS)}")
    return name
