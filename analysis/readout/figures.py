"""Figures: the smallest parts of a readout, which all others are made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arms:
    """A number for each side of a comparison."""

    control: float | None
    treatment: float | None

    @property
    def total(self) -> float:
        """Both sides together; a side that is not known adds nothing."""
        return (self.control or 0) + (self.treatment or 0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """An effect with its interval; what cannot be computed is None and `reason` says why."""

    estimate: float | None
    standard_error: float | None
    lower: float | None
    upper: float | None
    reason: str | None = None
