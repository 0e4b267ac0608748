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
class Early:
    """What followed so far, in place of labels whose windows are still open; float32 (rows, outcomes).

    An outcome that came early stands for those that come later: where a share of them comes as soon as this, a row
    counts with the weight of that share, and what happened on it 1 / share times. Weighted sums are then right on
    average before the window ends. Source: inverse weighting of Chapelle, "Modeling delayed feedback in display
    advertising", KDD 2014, with the delays as they were counted.

    Attributes:
        happened: 1 / weight where it has happened, else 0.
        weight: 1 where the window is over, 0 where nothing can be said yet.
    """

    happened: NDArray[np.float32]
    weight: NDArray[np.float32]

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Early":
        """Only these rows."""
        return Early(self.happened[rows], self.weight[rows])


@dataclass(frozen=True, slots=True)
class Impressions:
    """Rows with what followed.

    Attributes:
        labels: 1 or 0 a column for each of OUTCOMES, nan while the outcome's window is open, float32.
        time: of the slate, microseconds since 1970, int64.
        user: a number a person, by which folds are made.
        early: None where only labels are known.
    """

    rows: Rows
    labels: NDArray[np.float32]
    time: NDArray[np.int64]
    user: NDArray[np.integer]
    early: Early | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Impressions":
        """Only these impressions."""
        early = None if self.early is None else self.early.take(rows)
        return Impressions(self.rows.take(rows), self.labels[rows], self.time[rows], self.user[rows], early)

    def so_far(self) -> Early:
        """What followed so far, as far as it is known."""
        return self.early or Early(np.nan_to_num(self.labels), (~np.isnan(self.labels)).astype(np.float32))


def in_order(chances: Chances) -> Chances:
    """The same chances made possible together: no outcome is likelier than the click, no refund than the purchase."""
    kept = np.minimum(chances, chances[:, CLICK : CLICK + 1])
    kept[:, REFUND] = np.minimum(kept[:, REFUND], kept[:, PURCHASE])
    return kept
