"""Acts that were observed since the facts were read: 32 bytes each, read on one thread while another goes on adding."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
ROWS = 16_384


class Lately:
    """Rows of person, item, action and time (microseconds since 1970), in the order in which they were observed."""

    def __init__(self) -> None:
        self.last = 0
        # Each with the time of its latest act; none of them changes any more.
        self._full: list[tuple[int, Ints]] = []
        self._rows, self._length, self._latest = _empty(), 0, 0

    def add(self, person: int, item: int, action: int, time: int) -> None:
        if self._length == len(self._rows):
            self._full.append((self._latest, self._rows))
            self._rows, self._length, self._latest = _empty(), 0, 0
        self._rows[self._length] = person, item, action, time
        self._length += 1
        self._latest = max(self._latest, time)
        self.last = max(self.last, time)

    def parts(self) -> tuple[Ints, ...]:
        """All rows, in arrays of shape (rows, 4) that stay as they are and may be read on any thread."""
        return (*(rows for _, rows in self._full), self._rows[: self._length])

    def forget(self, before: int) -> None:
        """Let go what is earlier; some of it may stay."""
        self._full = [(latest, rows) for latest, rows in self._full if latest >= before]


def _empty() -> Ints:
    return np.empty((ROWS, 4), np.int64)
