"""Which arm a unit is in: a salted hash that any system can compute, with layers and ramps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from store.errors import AssignmentError

if TYPE_CHECKING:
    import pyarrow as pa

Times = datetime | NDArray[np.datetime64]
ARM, RAMP, LAYER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Step:
    """From `start` (aware) on, `share` of the slice is exposed."""

    start: datetime
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Who is in one experiment, and in which arm: a function of the unit's id and the time alone.

    Attributes:
        shares: each arm's weight, control included; their order is part of the definition.
        salt: what makes this experiment's hash its own.
        layer: experiments of one layer own disjoint slices of it, so that none shares a unit with another.
        slice: the part of the layer that this experiment owns, [from, to) within [0, 1].
        ramp: later steps expose at least as much as earlier ones; empty exposes the whole slice at all times.
        unit: what the id is the id of, where it is not the caller's usual unit.
        end: aware; from then on nobody is in the experiment.
    """

    experiment: str
    control: str
    shares: Mapping[str, float] = field(hash=False)
    salt: str
    layer: str | None = None
    slice: tuple[float, float] = (0.0, 1.0)
    ramp: tuple[Step, ...] = ()
    unit: str | None = None
    end: datetime | None = None

    def arms(self, units: Iterable[str | int], at: Times) -> NDArray[np.object_]:
        """The arm of each unit, None where it is not in the experiment; shape (units,).

        Args:
            at: one aware datetime, or a datetime64 in UTC for each unit.

        Raises:
            AssignmentError: if an id is neither a text nor a whole number, or `at` has no time zone or is no time.
        """
        units = list(units)
        own = _positions(self.salt, units)
        inside = own[:, RAMP] < self.exposed(at)
        if self.layer is not None:
            place = _positions(self.layer, units)[:, LAYER]
            inside &= (self.slice[0] <= place) & (place < self.slice[1])
        arm = np.searchsorted(self.edges[:-1], own[:, ARM], side="right")
        names = np.array([*self.shares, None], dtype=object)
        return names[np.where(inside, arm, -1)]

    def arm(self, unit: str | int, at: datetime) -> str | None:
        """The arm of one unit, None if it is not in the experiment; raises as `arms` does."""
        arm: str | None = self.arms([unit], at)[0]
        return arm

    @property
    def edges(self) -> NDArray[np.float64]:
        """Where on [0, 1] each arm ends, in the order of `shares`; shape (arms,)."""
        sums = np.cumsum(np.array(list(self.shares.values()), np.float64))
        return sums / float(sums[-1])

    def exposed(self, at: Times) -> NDArray[np.float64]:
        """The share of the slice that is exposed at each time, 0 before the ramp and from the end on; shape of `at`."""
        share = self._ramped(at)
        return share if self.end is None else np.where(_utc(at) < _utc(self.end), share, 0.0)

    def _ramped(self, at: Times) -> NDArray[np.float64]:
        starts = np.array([_utc(step.start) for step in self.ramp], "datetime64[us]")
        shares = np.array([0.0 if self.ramp else 1.0, *(step.share for step in self.ramp)])
        return shares[np.searchsorted(starts, _utc(at), side="right")]


@dataclass(frozen=True, slots=True)
class Exposure:
    """One row of the fact table exposures."""

    experiment_id: str
    unit_id: str
    arm: str
    time: datetime


def exposures_of(assignment: Assignment, units: Iterable[str | int], times: Times) -> "pa.Table":
    """The rows of the fact table exposures for units that met, at `times`, what the experiment changes.

    Args:
        units: ids; a unit may be met many times.
        times: when each was met, datetime64 in UTC, shape (units,), or one aware datetime for all.
    """
    import pyarrow as pa

    from store.contract import load_contract

    units = list(units)
    arms = assignment.arms(units, times)
    inside = np.array([arm is not None for arm in arms], dtype=bool)
    when = np.broadcast_to(_utc(times), inside.shape)[inside]
    columns = {
        "experiment_id": [assignment.experiment] * len(when),
        "unit_id": [str(unit) for unit, kept in zip(units, inside, strict=True) if kept],
        "arm": list(arms[inside]),
        "time": pa.array(when, pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
    }
    return pa.table(columns, schema=load_contract("exposures").schema)


def moved_units(before: Assignment, after: Assignment, at: datetime) -> tuple[str, ...]:
    """The keys whose change moves units that are in the running experiment at `at`, to another arm or out of it."""
    if not before.exposed(at):
        return ()
    moved = {
        "shares": list(before.shares) != list(after.shares) or not np.allclose(before.edges, after.edges, 0, 1e-12),
        "salt": before.salt != after.salt,
        "unit": before.unit != after.unit,
        "layer": after.layer not in (None, before.layer),
        "slice": not after.slice[0] <= before.slice[0] < before.slice[1] <= after.slice[1],
        "ramp": bool(after._ramped(at) < before._ramped(at)),
    }
    return tuple(key for key, harmful in moved.items() if harmful)


def _positions(key: str, units: list[str | int]) -> NDArray[np.float64]:
    """Independent uniform positions on [0, 1) of each unit: the four 8-byte words of SHA-256("key:unit"); (units, 4).

    Each word is big-endian, and its upper 53 bits are the position: exactly a double, in every language.
    """
    head = f"{key}:".encode()
    digests = b"".join([sha256(head + _id(unit)).digest() for unit in units])
    words = np.frombuffer(digests, ">u8").reshape(-1, 4)
    return np.ldexp((words >> np.uint64(11)).astype(np.float64), -53)


def _id(unit: str | int) -> bytes:
    if isinstance(unit, str) and unit:
        return unit.encode()
    # A float or a missing value would hash too, to an arm that no other system finds.
    if isinstance(unit, int | np.integer) and not isinstance(unit, bool):
        return b"%d" % unit
    raise AssignmentError(f"unit {unit!r} is not an id, expected a text or a whole number. Convert it or leave it out.")


def _utc(at: Times) -> NDArray[np.datetime64]:
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise AssignmentError(f"the time {at} has no time zone. Write datetime(..., tzinfo=UTC).")
        return np.array(at.astimezone(UTC).replace(tzinfo=None), "datetime64[us]")
    if np.asarray(at).dtype.kind != "M":
        raise AssignmentError("the times are not datetime64. Write np.array([...], 'datetime64[us]'), in UTC.")
    return np.asarray(at).astype("datetime64[us]")
