"""Count per unit, such as orders per visitor."""

from dataclasses import dataclass

from analysis.metrics.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Count(Metric):
    """Mean of a whole number of things per unit; Welch's t."""

    kind = "count"
    usual_aggregation = "count"

    @staticmethod
    def refuse_values(low: float, high: float, whole: bool) -> str | None:
        if low < 0 or not whole:
            return (
                f'a count must be a whole number of 0 or more, found values from {low:g} to {high:g}; use kind = "mean"'
            )
        return None
