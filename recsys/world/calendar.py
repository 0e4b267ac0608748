"""The demo shop's calendar: fixed dates, so that the same seed gives the same shop on any day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days of history, then days of experiments from `start` (UTC). Inside recsys.world times are whole seconds
    since the first day of history; what happened before that is negative."""

    start: datetime = datetime(2026, 10, 20, tzinfo=UTC)
    history_days: int = 56
    days: int = 28

    @property
    def begin(self) -> datetime:
        """The first moment of history."""
        return self.start - timedelta(days=self.history_days)

    @property
    def opening(self) -> int:
        """The second at which the experiments start."""
        return self.history_days * DAY

    @property
    def end(self) -> int:
        """The second after the last."""
        return (self.history_days + self.days) * DAY

    def timestamps(self, seconds: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same times as microseconds since 1970."""
        return (seconds + int(self.begin.timestamp())) * 1_000_000
