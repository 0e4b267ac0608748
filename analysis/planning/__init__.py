"""Planning: what an experiment can show before it starts, from the past of the workspace."""

from analysis.planning.planner import plan
from analysis.planning.result import Plan

__all__ = ["Plan", "plan"]
