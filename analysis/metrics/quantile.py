"""Quantile of rows, such as the 90th percentile of page load times."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from analysis.metrics.metric import Metric
from analysis.variables import Aggregation, Variable
from store.toml_reader import Reader


@dataclass(frozen=True, kw_only=True)
class Quantile(Metric):
    """The value that the share `quantile` of all rows do not exceed; rows of one unit belong together."""

    quantile: float

    kind = "quantile"
    aggregation: ClassVar[Aggregation] = "each"
    additive = False

    @property
    def variables(self) -> tuple[Variable, ...]:
        """None: a quantile is not a function of moments."""
        return ()

    def over_clusters(self) -> Self:
        return self

    @classmethod
    def settings(cls, table: Reader) -> dict[str, Any]:
        share = table.number("quantile", "a number between 0 and 1, 0.9 for the 90th percentile", above=0, below=1)
        return {"quantile": float(share)}
