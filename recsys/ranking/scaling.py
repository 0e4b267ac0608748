"""Features as the network reads them: counts tamed, one scale for all, what is missing marked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LIMIT = 5.0
Floats32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scaling:
    """sign(x) log(1 + |x|), less its mean, over its deviation, kept within LIMIT; nan becomes 0 and a mark.

    Attributes:
        mean, deviation: of the tamed features on the rows of training, float32 (features,); the deviation is
            inf for a feature that never varied, so that it reads as 0.
        marked: places of the features that were missing somewhere in training; each has a column of marks.
    """

    mean: Floats32
    deviation: Floats32
    marked: NDArray[np.int64]

    @classmethod
    def of(cls, features: Floats32) -> "Scaling":
        """From the rows of training."""
        tamed = _tamed(features)
        missing = np.isnan(tamed)
        counted = np.maximum((~missing).sum(axis=0), 1)
        mean = np.where(missing, 0, tamed).sum(axis=0, dtype=np.float64) / counted
        spread = np.where(missing, 0, tamed - mean)
        deviation = np.sqrt((spread**2).sum(axis=0, dtype=np.float64) / counted)
        deviation[deviation < 1e-6] = np.inf
        marked = np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0))
        return cls(mean.astype(np.float32), deviation.astype(np.float32), marked)

    @property
    def width(self) -> int:
        """Columns of what `__call__` returns."""
        return len(self.mean) + len(self.marked)

    def __call__(self, features: Floats32) -> Floats32:
        """Float32 (rows, width)."""
        made = np.empty((len(features), self.width), np.float32)
        scaled = made[:, : len(self.mean)]
        np.subtract(_tamed(features), self.mean, out=scaled)
        scaled /= self.deviation
        if len(self.marked):
            made[:, len(self.mean) :] = np.isnan(features[:, self.marked])
        np.copyto(scaled, 0, where=np.isnan(scaled))
        np.clip(scaled, -LIMIT, LIMIT, out=scaled)
        return made


def _tamed(features: Floats32) -> Floats32:
    tamed: Floats32 = np.copysign(np.log1p(np.abs(features)), features)
    return tamed
