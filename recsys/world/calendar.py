"""The days of the living shop: fixed dates, so that the same seed gives the same shop on any day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from recsys.world.draws import Ints

DAY = 86_400
MONDAY_TO_SUNDAY = np.array([0.92, 0.9, 0.92, 0.96, 1.12, 1.22, 1.1])
THURSDAY = 3


@dataclass(frozen=True, slots=True)
class Calendar:
    """`days` days up to `end` (UTC, not included). Inside recsys.world a time is whole seconds since `begin`."""

    days: int = 120
    end: datetime = datetime(2026, 11, 17, tzinfo=UTC)

    @property
    def begin(self) -> datetime:
        return self.end - timedelta(days=self.days)

    def date(self, day: int) -> date:
        return (self.begin + timedelta(days=day)).date()

    def place(self, date: datetime) -> int:
        """The day on which `date` falls; negative before the first."""
        return (date - self.begin).days

    def rush(self, day: int) -> float:
        """How many come on this day of the week, 1 on an average day."""
        return float(MONDAY_TO_SUNDAY[self.date(day).weekday()] / MONDAY_TO_SUNDAY.mean())

    def timestamps(self, seconds: Ints) -> Ints:
        """The same times as microseconds since 1970."""
        return (seconds + int(self.begin.timestamp())) * 1_000_000

    def at(self, second: int) -> datetime:
        return self.begin + timedelta(seconds=second)
