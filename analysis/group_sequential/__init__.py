"""Group sequential designs: planned looks that share one error between them."""

from analysis.group_sequential.after_stopping import Stopped, after_stopping
from analysis.group_sequential.boundaries import boundaries, spending_time
from analysis.group_sequential.futility import Futility, futility_bounds
from analysis.group_sequential.power import (
    Crossing,
    crossing_probabilities,
    drift_for_power,
    expected_information,
    inflation_factor,
)
from analysis.group_sequential.rule import GroupSequential
from analysis.group_sequential.spending import SPENDING, Spending

__all__ = [
    "SPENDING",
    "Crossing",
    "Futility",
    "GroupSequential",
    "Spending",
    "Stopped",
    "after_stopping",
    "boundaries",
    "crossing_probabilities",
    "drift_for_power",
    "expected_information",
    "futility_bounds",
    "inflation_factor",
    "spending_time",
]
