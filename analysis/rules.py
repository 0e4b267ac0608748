"""Which interval rules an experiment's plan allows: its own first, and beside it those that it could have had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from analysis.collected import Collected
from analysis.effects import Contrast
from analysis.experiment import Experiment
from analysis.intervals import ConfidenceSequence, FixedHorizon, IntervalRule
from analysis.metrics import Metric
from analysis.readout import GroupSequentialPlan
from analysis.schedule import spending_time

FIXED = FixedHorizon()
# A design that spends its error along any looks: what a group sequential reading would be had one been planned.
DAILY = GroupSequentialPlan("obrien_fleming", None, ())


class Rules:
    """The rules of one experiment, made once for all metrics and arms."""

    def __init__(self, experiment: Experiment, collected: Collected) -> None:
        self.experiment = experiment
        self.plan = experiment.group_sequential or DAILY
        self.time = spending_time(experiment, collected, self.plan) if experiment.planned_units else None

    def of(self, arm: str, metric: Metric, used: Contrast) -> Mapping[str, Callable[[float], IntervalRule]]:
        """By its word, a function from the level that is asked for to the rule; shapes of `used` are (looks, segments)."""
        rules: dict[str, Callable[[float], IntervalRule]] = {"fixed": lambda alpha: FIXED}
        if self.time is not None:
            rules["confidence_sequence"] = partial(ConfidenceSequence, self.planned_pair(arm))
        return rules

    def at_any_look(self, arm: str) -> IntervalRule:
        """What tests at every look rest on, such as that of balance before exposure."""
        peeking = self.experiment.inference in ("confidence_sequence", "group_sequential")
        return ConfidenceSequence(self.planned_pair(arm), self.experiment.alpha) if peeking else FIXED

    def planned_pair(self, arm: str) -> float:
        """The units planned for an arm and control together: a sequence is tuned to them."""
        experiment = self.experiment
        pair = experiment.shares[arm] + experiment.shares[experiment.control]
        return (experiment.planned_units or 0) * pair / sum(experiment.shares.values())
