"""Reads the table [plan] of an experiment file: which part of the past a plan is made from."""

from dataclasses import dataclass
from datetime import date, datetime

from analysis.variables import Scalar
from store.toml_reader import Reader

MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class PastWindow:
    """Whole UTC days of the past, and the events that would have exposed a unit; any event without `traffic`."""

    days: int | None = None
    start: date | None = None
    traffic: tuple[tuple[str, Scalar], ...] = ()


USUAL_WINDOW = PastWindow()


def parse_past_window(table: Reader) -> PastWindow:
    """The window that a table [plan] states; without days or start it follows from the facts."""
    days = table.take("days", int, "a whole number of days", None)
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise table.error("days", f"found {days}, expected 1 to {MOST_DAYS} days.")
    start = table.take("start", (date, datetime), "a date, 2026-09-01: the first day of the window", None)
    traffic = table.take("traffic", dict, '{ kind = "session" }', {})
    for column, wanted in traffic.items():
        if not isinstance(wanted, str | int | float | bool):
            raise table.error("traffic", f"{column} = {wanted!r}, expected a text, number or boolean to be equal to.")
    table.done()
    return PastWindow(days, start.date() if isinstance(start, datetime) else start, tuple(sorted(traffic.items())))
