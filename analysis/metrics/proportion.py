"""Proportion of units, such as conversion."""

from dataclasses import dataclass

from analysis.metrics.metric import Array, Metric


@dataclass(frozen=True, kw_only=True)
class Proportion(Metric):
    """Share of units with the property; variance p(1 - p), unpooled z."""

    kind = "proportion"
    usual_aggregation = "any"
    binary = True
    pivot = "normal"

    @staticmethod
    def unit_variance(value: Array, variance: Array) -> Array:
        del variance
        return value * (1 - value)

    @staticmethod
    def refuse_values(low: float, high: float, whole: bool) -> str | None:
        if low < 0 or high > 1 or not whole:
            return (
                f'a proportion must be 0 or 1 for each unit, found values from {low:g} to {high:g}; use kind = "mean"'
            )
        return None
