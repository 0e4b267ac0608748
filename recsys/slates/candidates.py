"""What a slate is composed from, and what comes of it, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.slates.rules import SlateError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What could be shown, a row a request; every array but `vectors` has shape (requests, candidates).

    Attributes:
        value: what showing the item is worth, higher is better, finite where `eligible`.
        eligible: False for padding and for what must not be shown: owned, too old for the person, not for sale.
        publisher: a number a publisher; what it is for first-party items does not matter.
        first_party: True where the shop makes the item itself.
        vectors: unit rows for likeness, shape (requests, candidates, dimensions); None takes all as unlike.
    """

    value: Floats
    eligible: Booleans
    publisher: NDArray[np.integer]
    first_party: Booleans
    vectors: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name in ("eligible", "publisher", "first_party"):
            if getattr(self, name).shape != self.value.shape:
                raise SlateError(f"{name} has shape {getattr(self, name).shape}, expected {self.value.shape} as value.")
        if not np.isfinite(self.value[self.eligible]).all():
            raise SlateError("the value of an eligible candidate is not finite; mark it as not eligible or mend it.")


@dataclass(frozen=True, slots=True)
class Composed:
    """Slates as arrays of shape (requests, places); a place that nothing could fill has `chosen` -1.

    Attributes:
        chosen: columns of the candidates.
        propensity: exact chance of the choice given the places before it; 0 where nothing stands.
        score: the value in units of the spread, less the penalty for likeness: what the softmax saw.
        candidates: how many could have stood there.
        relaxed: how many of RELAXATIONS gave way at this place, in their order; 0 for none.
        chances: of every candidate at every place, shape (requests, places, candidates), where asked for.
    """

    chosen: Integers
    propensity: Floats
    score: Floats
    candidates: Integers
    relaxed: Integers
    chances: Floats | None = None
