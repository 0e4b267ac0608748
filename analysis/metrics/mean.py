"""Mean per unit, such as revenue per visitor."""

from dataclasses import dataclass

from analysis.metrics.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Mean(Metric):
    """Mean of a number per unit; Welch's t."""

    kind = "mean"
