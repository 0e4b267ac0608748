"""Variables: the per-unit numbers that one scan collects, and the windows in which events count."""

from dataclasses import dataclass, replace
from typing import Literal

# Beside those that a file may name: "each" keeps the rows apart, for quantiles; "unit" is 1 for every unit.
Aggregation = Literal["sum", "count", "max", "any", "each", "unit"]
AGGREGATIONS: tuple[Aggregation, ...] = ("sum", "count", "max", "any")
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Cap:
    """Upper limit on a unit's value: a fixed `value`, or a `quantile` of all units of all arms.

    With `days` it is the quantile of the same variable in the `days` before first exposure, which no arm can move;
    without, that of the values at the last look.
    """

    value: float | None = None
    quantile: float | None = None
    days: float | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """One number per unit: a column of the table, or an aggregate of the unit's events in a window.

    `pre` is False for events from `start` days after first exposure on (to `days` after it, both ends in, or without
    end when `days` is None) and True for the `days` before first exposure, [first - days, first).
    A `complete` variable is 0 until the unit's window has ended: it counts from the end of that day on.
    `aggregation` is None for a column of the source's unit table (or of its exposures).
    `missing` marks the 0/1 companion of a covariate column that is null for some units.
    """

    value: str | None
    aggregation: Aggregation | None = None
    where: tuple[tuple[str, Scalar], ...] = ()
    days: float | None = None
    pre: bool = False
    cap: Cap | None = None
    missing: bool = False
    start: float = 0.0
    complete: bool = False

    @property
    def yardstick(self) -> "Variable | None":
        """The same variable before exposure, of which its cap is a quantile; None where the cap is another."""
        if self.cap is None or self.cap.days is None:
            return None
        return replace(self, days=self.cap.days, pre=True, cap=None)

    def before(self, days: float) -> "Variable":
        """The same in the `days` before first exposure."""
        return replace(self, days=days, pre=True, start=0.0, complete=False)

    @property
    def name(self) -> str:
        """A short unique label, such as `sum(revenue)` or `count(is_order=1) 14 days before`."""
        if self == SIZE:
            return "units"
        if self.aggregation is None:
            label = f"{self.value} missing" if self.missing else str(self.value)
        else:
            filters = ", ".join(f"{column}={value}" for column, value in self.where)
            inside = " where ".join(part for part in (self.value, filters) if part)
            label = "units" if self.aggregation == "unit" else f"{self.aggregation}({inside})"
        if self.complete:
            label += f" {self.start:g} to"
        if self.days is not None:
            label += f" {self.days:g} days {'before' if self.pre else 'after'}"
        if self.cap is not None:
            label += (
                f" capped at {self.cap.value:g}" if self.cap.value is not None else f" capped at q{self.cap.quantile:g}"
            )
            label += f" of {self.cap.days:g} days before" if self.cap.days is not None else ""
        return label


# 1 for every unit, so that its sum over a cluster is the cluster's size.
SIZE = Variable(None)
