"""What every metric is: an outcome per unit, the covariates that explain it, and how it is judged.

A kind of metric is one file in this folder with one subclass of `Metric`; it says which aggregation is usual,
which values are allowed, and which variance and pivot its mean has.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from analysis.variables import SIZE, Aggregation, Variable
from store.toml_reader import Reader

Array = NDArray[np.float64]
Role = Literal["primary", "guardrail", "secondary"]
Direction = Literal["increase", "decrease"]
ROLES: tuple[Role, ...] = ("primary", "guardrail", "secondary")
DIRECTIONS: tuple[Direction, ...] = ("increase", "decrease")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A mean per unit, or a ratio of two means when there is a denominator."""

    numerator: Variable
    denominator: Variable | None = None

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables it needs, numerator first."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)

    @property
    def name(self) -> str:
        """Its variables' names, a ratio's with a stroke between."""
        return " / ".join(variable.name for variable in self.variables if variable != SIZE)

    def over_clusters(self) -> "Quantity":
        """The same of sums over clusters: a mean over units becomes their sum over their number."""
        return self if self.denominator else Quantity(self.numerator, SIZE)

    def linearise(self, mean: Array) -> tuple[Array, Array]:
        """Point value and gradient of the quantity at the arm's means.

        Args:
            mean: means of `variables`, shape (..., 1) or (..., 2).

        Returns:
            Value of shape (...) and gradient shaped as `mean`; nan where the denominator's mean is 0.

        Source: Deng, Knoblich and Lu, KDD 2018, section 3 (delta method for ratios of means).
        """
        if self.denominator is None:
            return mean[..., 0], np.ones_like(mean)
        base = np.where(mean[..., 1] == 0, np.nan, mean[..., 1])
        ratio = mean[..., 0] / base
        return ratio, np.stack([1 / base, -ratio / base], axis=-1)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A named outcome with its role; subclasses are the kinds. `margin` is relative (0.02 is 2 %).

    `unit` and `scale` are for display only: a metric in cents with unit "$" has scale 0.01. `planned_error` is the
    standard error of the difference that was planned for the end: what a group sequential design calls all information.
    A lift beyond `surprise` is taken for a fault first.
    A kind with an `aggregation` has no other; one that is not `additive` is no function of moments, and takes neither
    covariates nor a cap; one that `awaits_window` counts a unit once its window is over.
    """

    id: str
    name: str
    outcome: Quantity
    role: Role
    direction: Direction
    margin: float | None = None
    covariates: tuple[Quantity, ...] = ()
    unit: str = ""
    scale: float = 1.0
    planned_error: float | None = None
    surprise: float = 0.5

    kind: ClassVar[str]
    usual_aggregation: ClassVar[Aggregation] = "sum"
    aggregation: ClassVar[Aggregation | None] = None
    additive: ClassVar[bool] = True
    awaits_window: ClassVar[bool] = False
    takes_denominator: ClassVar[bool] = False
    binary: ClassVar[bool] = False
    pivot: ClassVar[Literal["t", "normal"]] = "t"

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Every variable that the metric needs, outcome first."""
        return tuple(v for quantity in (self.outcome, *self.covariates) for v in quantity.variables)

    def over_clusters(self) -> Self:
        """The same metric where clusters were randomised, whose values are sums over their units."""
        covariates = tuple(quantity.over_clusters() for quantity in self.covariates)
        return replace(self, outcome=self.outcome.over_clusters(), covariates=covariates)

    @classmethod
    def settings(cls, table: Reader) -> dict[str, Any]:
        """The kind's own fields, read from its table of an experiment file."""
        del table
        return {}

    @staticmethod
    def unit_variance(value: Array, variance: Array) -> Array:
        """Variance of one unit's outcome, given the arm's value and its sample variance (n - 1)."""
        del value
        return variance

    @staticmethod
    def refuse_values(low: float, high: float, whole: bool) -> str | None:
        """Why unit values between `low` and `high` (all whole numbers or not) cannot be this kind; None if they can."""
        del low, high, whole
        return None
