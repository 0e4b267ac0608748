"""Which interval rules an experiment's plan allows: its own first, and beside it those that it could have had."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan, nan

import numpy as np

from analysis.collected import Collected
from analysis.effects import Contrast
from analysis.experiment import Experiment
from analysis.group_sequential import GroupSequential, Spending
from analysis.inference.intervals import ConfidenceSequence, FixedHorizon, IntervalRule
from analysis.inference.schedule import by_days, progress, spending_time
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.readout import GroupSequentialPlan

FIXED = FixedHorizon()
# A design that spends its error along any looks: what a group sequential reading would be had one been planned.
DAILY = GroupSequentialPlan("obrien_fleming", None, ())


class Rules:
    """The rules of one experiment, made once for all metrics and arms."""

    def __init__(self, experiment: Experiment, collected: Collected) -> None:
        self.experiment = experiment
        self.plan = experiment.group_sequential or DAILY
        self.spending = Spending(self.plan.spending, self.plan.parameter)
        self.time = spending_time(experiment, collected, self.plan) if experiment.planned_units else None
        # Days stand for information where clusters are all in at once, and units go on to come to them.
        self.days = tuple(progress(experiment, collected).tolist()) if by_days(experiment, collected) else None

    def of(self, arm: str, metric: Metric, used: Contrast) -> Mapping[str, IntervalRule]:
        """The rules by their words, all made for the design's level; cells of `used` are (looks, segments)."""
        rules: dict[str, IntervalRule] = {"fixed": FIXED}
        if self.time is not None:
            rules["confidence_sequence"] = ConfidenceSequence(self.planned_pair(arm), self.experiment.alpha)
            rules["group_sequential"] = self._group_sequential(metric, used)
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

    def _group_sequential(self, metric: Metric, used: Contrast) -> GroupSequential:
        """By the plan's progress, or by information where the metric says what error was planned for the end."""
        assert self.time is not None
        if metric.planned_error is None:
            return GroupSequential(_key(self.time), self.spending, self.days, self.experiment.alpha)
        information = np.square(metric.planned_error / np.where(used.standard_error > 0, used.standard_error, np.nan))
        known = np.nan_to_num(information[:, 0], nan=0.0)
        # Where all information is in before the end, what is left to spend is kept for the look that decides.
        spent = np.where((self.time == 1) | (known >= 1), self.time, known)
        time = np.where(np.isnan(self.time) | (known == 0), np.nan, spent)
        return GroupSequential(_key(time), self.spending, tuple(known.tolist()), self.experiment.alpha)


def _key(time: Array) -> tuple[float, ...]:
    """With one nan for all: bounds are kept by the times they were solved for, and a nan is equal to itself only."""
    return tuple(nan if isnan(when) else when for when in time.tolist())
