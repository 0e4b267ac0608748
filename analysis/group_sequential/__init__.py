"""Group sequential designs: planned looks that share one error between them."""

from analysis.group_sequential.boundaries import boundaries
from analysis.group_sequential.rule import GroupSequential
from analysis.group_sequential.spending import SPENDING, Spending

__all__ = ["SPENDING", "GroupSequential", "Spending", "boundaries"]
