"""Ratio of two totals, such as revenue per order, with units randomised above its rows."""

from dataclasses import dataclass

from analysis.metrics.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Ratio(Metric):
    """Sum of the numerator over sum of the denominator; variance by the delta method."""

    kind = "ratio"
    takes_denominator = True
