"""The contract of an estimator: from logged decisions to what each unit adds to the value."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from recsys.errors import EngineError
from recsys.offpolicy.logged import Array, Logged, Slates

_KNOWN: dict[str, "Estimator"] = {}


class EstimatorError(EngineError):
    """An estimator is not known, or needs what the log does not hold."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The value sum(numerator) / sum(denominator) over decisions or slates; arrays of shape (decisions,).

    Attributes:
        corners: the extreme (numerator, denominator) that one decision can contribute, shape (corners, 2).
        weight: of each place, shape (slates, places), as the estimator weighs it; None for single decisions.
    """

    numerator: Array
    denominator: Array
    corners: Array
    weight: Array | None = None

    @classmethod
    def mean(cls, values: Array, low: float, high: float, weight: Array | None = None) -> "Terms":
        """The value is the mean of `values`, each of which lies between `low` and `high`."""
        return cls(values, np.ones(len(values)), np.array([[low, 1.0], [high, 1.0]]), weight)


class Estimator(ABC):
    """One instance of a subclass in a file of estimators/, `class Ips(Estimator, name="ips", ...)`, is known by name.

    Attributes:
        title: how it is called in words.
        slates: whether it takes Slates; else it takes Logged.
        model: whether it needs a reward model.
        apart: whether it weighs each place of a slate by itself, not with the places above it.
        unbiased: for an estimator that is biased by design, the one whose interval must be held by its own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    slates: ClassVar[bool]
    model: ClassVar[bool]
    apart: ClassVar[bool] = False
    unbiased: ClassVar[str | None]

    def __init_subclass__(
        cls, *, name: str, title: str, slates: bool = False, model: bool = False, unbiased: str | None = None
    ) -> None:
        cls.name, cls.title, cls.slates, cls.model, cls.unbiased = name, title, slates, model, unbiased
        _KNOWN[name] = cls()

    def held_by(self, log: Logged | Slates) -> str | None:
        """`unbiased` on this log; None where it is itself, as places apart are by chances that mean the place alone."""
        return None if self.apart and isinstance(log, Slates) and log.alone is not None else self.unbiased

    def judged_apart(self, log: Logged | Slates) -> bool:
        """Whether this log's support is that of its worst place, and not that of whole slates."""
        return self.apart and self.held_by(log) is None

    @abstractmethod
    def terms(self, log: Logged | Slates) -> Terms:
        """What each decision or slate adds to the value."""


def known_estimators() -> Mapping[str, Estimator]:
    """All estimators by name, those for single decisions first."""
    folder = Path(__file__).parent / "estimators"
    for module in pkgutil.iter_modules([str(folder)]):
        importlib.import_module(f"recsys.offpolicy.estimators.{module.name}")
    return dict(sorted(_KNOWN.items(), key=lambda pair: (pair[1].slates, pair[1].model, pair[0])))


def estimator(name: str) -> Estimator:
    """The estimator of this name.

    Raises:
        EstimatorError: if no file in estimators/ defines it; the message lists those that do.
    """
    from store.errors import did_you_mean

    known = known_estimators()
    if name not in known:
        raise EstimatorError(f"estimator {name!r} is not known.{did_you_mean(name, tuple(known))}")
    return known[name]
