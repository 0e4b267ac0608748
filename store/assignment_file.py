"""Reads assignments from experiment files, and refuses those that would share units by mistake."""

import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from itertools import combinations, pairwise
from pathlib import Path
from types import MappingProxyType

from store.assignment import Assignment, Step, moved_units
from store.errors import AssignmentError
from store.toml_reader import Reader
from store.workspace import Workspace


def load_assignments(workspace: Workspace) -> dict[str, Assignment]:
    """The assignment of each experiment file of the workspace with a table [assignment], by the experiment's id.

    Raises:
        AssignmentError: if a file is wrong, or two experiments would share units that they may not share.
    """
    files = sorted(workspace.experiments.glob("*.toml"))
    found = [parse_assignment(_text(file), file) for file in files]
    assignments = [each for each in found if each is not None]
    refuse_clashes(assignments)
    return {each.experiment: each for each in assignments}


def parse_assignment(definition: str, source: str | Path) -> Assignment | None:
    """The assignment in the text of an experiment file, None if it has no table [assignment].

    Args:
        source: what errors call the text: its file, or its place in the registry.

    Raises:
        AssignmentError: if a key is wrong; the message names source, table, key and remedy.
    """
    try:
        content = tomllib.loads(definition)
    except tomllib.TOMLDecodeError as wrong:
        raise AssignmentError(f"{source}: is not valid TOML: {wrong}.") from None
    if "assignment" not in content:
        return None
    whole = Reader(source, "file", content, AssignmentError)
    plan, table = whole.section("experiment"), whole.section("assignment")
    id = plan.text("id")
    shares, control = _arms(plan)
    assignment = Assignment(
        experiment=id,
        control=control,
        shares=MappingProxyType(shares),
        salt=table.text("salt", default=id),
        layer=table.text("layer", default=None),
        slice=_slice(table),
        ramp=_ramp(table),
        unit=table.text("unit", default=None),
        end=_end_of(plan),
    )
    table.done()
    return assignment


def moved_by_edit(before: str, after: str, at: datetime, source: str | Path) -> tuple[str, ...]:
    """`moved_units` of two texts of one experiment file; empty where either has no table [assignment]."""
    old, new = parse_assignment(before, source), parse_assignment(after, source)
    return moved_units(old, new, at) if old and new else ()


def refuse_clashes(assignments: Iterable[Assignment]) -> None:
    """Refuses two experiments of one id, or that run at the same time on one slice or with one salt.

    Raises:
        AssignmentError: names both experiments and what they share.
    """
    for a, b in combinations(assignments, 2):
        both = f"experiments {a.experiment!r} and {b.experiment!r}"
        if a.experiment == b.experiment:
            raise AssignmentError(f"two files have the experiment id {a.experiment!r}; give each its own.")
        if max(_begin(a), _begin(b)) >= min(_end(a), _end(b)):
            continue
        if a.layer is not None and a.layer == b.layer:
            if a.unit != b.unit:
                raise AssignmentError(
                    f"{both} split layer {a.layer!r} by different units, {a.unit!r} and {b.unit!r}; "
                    "give them one unit, or layers of their own."
                )
            if max(a.slice[0], b.slice[0]) < min(a.slice[1], b.slice[1]):
                raise AssignmentError(
                    f"{both} overlap in layer {a.layer!r}: slices {list(a.slice)} and {list(b.slice)}; "
                    "make them disjoint, or set the end of the earlier one."
                )
        elif a.salt == b.salt:
            raise AssignmentError(
                f"{both} run at the same time with the salt {a.salt!r}, so that an arm of one would hold the units of "
                "an arm of the other; leave out one salt."
            )


def _arms(plan: Reader) -> tuple[dict[str, float], str]:
    what = "two arms or more with numbers above 0"
    shares, control = plan.take("shares", dict, what), plan.take("control", (str, int, bool), '"the control arm"')
    if len(shares) < 2 or not all(_number(share) and share > 0 for share in shares.values()):
        raise plan.error("shares", f"found {shares!r}, expected {what}.")
    label = str(control).lower() if isinstance(control, bool) else str(control)
    if label not in shares:
        raise plan.error("control", f"{control!r} is not in shares, which has {', '.join(map(repr, shares))}.")
    return {arm: float(share) for arm, share in shares.items()}, label


def _end_of(plan: Reader) -> datetime | None:
    """The start of the day `end`, which is the first without exposures."""
    if "end" not in plan.content:
        return None
    return _time(plan, "end", plan.content["end"]).replace(hour=0, minute=0, second=0, microsecond=0)


def _slice(table: Reader) -> tuple[float, float]:
    what = "[from, to] within [0, 1], such as [0.0, 0.5]"
    part = table.take("slice", list, what, [0, 1])
    if not (len(part) == 2 and all(map(_number, part)) and 0 <= part[0] < part[1] <= 1):
        raise table.error("slice", f"found {part!r}, expected {what}.")
    if "slice" in table.content and "layer" not in table.content:
        raise table.error("slice", 'needs a layer to be a part of; write layer = "checkout", or leave it out.')
    return float(part[0]), float(part[1])


def _ramp(table: Reader) -> tuple[Step, ...]:
    what = "[{ from = 2026-01-05T00:00:00Z, share = 0.1 }, …]"
    entries = table.take("ramp", list, what, [])
    if not all(isinstance(each, dict) and set(each) == {"from", "share"} for each in entries):
        raise table.error("ramp", f"found {entries!r}, expected {what}.")
    steps = tuple(Step(_time(table, "ramp", each["from"]), each["share"]) for each in entries)
    for step in steps:
        if not _number(step.share) or not 0 < step.share <= 1:
            raise table.error("ramp", f"found the share {step.share!r}, expected a number above 0, at most 1.")
    for earlier, later in pairwise(steps):
        if later.start <= earlier.start or later.share < earlier.share:
            raise table.error(
                "ramp",
                f"goes from {earlier.share} at {earlier.start} to {later.share} at {later.start}; times must rise and "
                "shares must not fall, since a unit that is in stays in.",
            )
    return steps


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _time(table: Reader, key: str, value: object) -> datetime:
    """A TOML date or time; UTC unless it carries an offset, as in facts."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise table.error(key, f"found {value!r}, expected a date or a time such as 2026-01-05T00:00:00Z, without quotes.")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as wrong:
        raise AssignmentError(f"{file}: is not UTF-8 text (byte {wrong.start}); save it as UTF-8.") from None


def _begin(assignment: Assignment) -> datetime:
    return assignment.ramp[0].start if assignment.ramp else datetime.min.replace(tzinfo=UTC)


def _end(assignment: Assignment) -> datetime:
    return assignment.end or datetime.max.replace(tzinfo=UTC)
