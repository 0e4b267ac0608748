"""Retention: the share of units that come back in a later window."""

from dataclasses import dataclass
from typing import ClassVar

from analysis.metrics.metric import Metric
from analysis.variables import Aggregation


@dataclass(frozen=True, kw_only=True)
class Retention(Metric):
    """Units with an event in their window over units whose window is over; variance by the delta method.

    Both are 0 until the window of the unit has ended, so nobody counts as lost who may still come.
    """

    kind = "retention"
    aggregation: ClassVar[Aggregation] = "any"
    awaits_window = True
    binary = True
