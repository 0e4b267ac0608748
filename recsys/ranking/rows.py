"""What the ranker reads: one row an impression or a candidate."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.errors import EngineError
from recsys.slate import OUTCOMES

# A click is any act that followed, so that every other outcome implies one; a refund implies a purchase.
CLICK, PURCHASE, REFUND = OUTCOMES.index("click"), OUTCOMES.index("purchase"), OUTCOMES.index("refund")
Chances = NDArray[np.float64]


class RankerError(EngineError):
    """A ranker cannot be trained on these rows, or is asked about rows of another shape."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Impressions or candidates.

    Attributes:
        features: float32 (rows, features), nan where not known; the order of names is the ranker's.
        surface: place in the ranker's surfaces, shape (rows,).
        position: from 1, shape (rows,).
    """

    features: NDArray[np.float32]
    surface: NDArray[np.integer]
    position: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> "Rows":
        """Only these rows."""
        return Rows(self.features[rows], self.surface[rows], self.position[rows])

    def at(self, position: int) -> "Rows":
        """The same as if all stood at this position."""
        return replace(self, position=np.full(len(self), position))


@dataclass(frozen=True, slots=True)
class Impressions:
    """Rows with what followed.

    Attributes:
        labels: 1 or 0 a column for each of OUTCOMES, nan while the outcome's window is open, float32.
        time: of the slate, microseconds since 1970, int64.
        user: a number a person, by which folds are made.
    """

    rows: Rows
    labels: NDArray[np.float32]
    time: NDArray[np.int64]
    user: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Impressions":
        """Only these impressions."""
        return Impressions(self.rows.take(rows), self.labels[rows], self.time[rows], self.user[rows])


def in_order(chances: Chances) -> Chances:
    """The same chances made possible together: no outcome is likelier than the click, no refund than the purchase."""
    kept = np.minimum(chances, chances[:, CLICK : CLICK + 1])
    kept[:, REFUND] = np.minimum(kept[:, REFUND], kept[:, PURCHASE])
    return kept
