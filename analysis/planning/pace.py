"""Pace: how long until the planned units are in and were there for long enough, if they come as they did lately."""

from __future__ import annotations

import math
from datetime import date, datetime

from analysis.readout import Look, Readout

# Whole weeks, because people shop by the day of the week.
LATELY = 7.0


def units_left(readout: Readout) -> int | None:
    """Planned units that have not come by the last look; None without a plan."""
    planned = readout.design.planned_units
    return None if planned is None else max(planned - _units(readout.looks[-1]), 0)


def days_left(readout: Readout, end: date | None = None, window: float = 0.0) -> int | None:
    """Whole days until the planned units are in, and have been for `window` days; None where none can be told.

    Units go on to come at the pace of the last week of looks, and from `end` on (UTC) nobody does.
    """
    left, known = units_left(readout), [(day, look) for look in readout.looks if (day := _day(look)) is not None]
    if left is None or not known:
        return None
    now, last = known[-1]
    ends = math.inf if end is None else float((end - date(1970, 1, 1)).days)
    in_since = min([ends, *(day for day, look in known if _units(look) >= (readout.design.planned_units or 0))])
    if in_since <= now:
        return max(math.ceil(in_since + window - now), 0)
    before, first = next((day, look) for day, look in known if now - day <= LATELY)
    came = _units(last) - _units(first)
    return math.ceil(min(left * (now - before) / came, ends - now) + window) if came > 0 else None


def _units(look: Look) -> int:
    return sum(look.units.values())


def _day(look: Look) -> float | None:
    """The look's time in days: "day 1.5" counts from the experiment's start, a date from 1970."""
    time = look.time or ""
    try:
        return (
            float(time.removeprefix("day "))
            if time.startswith("day ")
            else datetime.fromisoformat(time).timestamp() / 86400
        )
    except ValueError:
        return None
