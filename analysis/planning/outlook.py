"""What all metrics of a plan share: the units that are to come, and the looks at which each inference concludes."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import cached_property

import numpy as np

from analysis.experiment import INFERENCES, Experiment
from analysis.group_sequential import Spending
from analysis.inference.rules import DAILY
from analysis.inference.schedule import unit_days
from analysis.metrics.metric import Array
from analysis.planning import power
from analysis.planning.history import Past

# Traffic beyond the past is guessed, and the guess is not worth more.
MOST_WEEKS = 12


class Outlook:
    """Who is to come when, and how each inference would conclude.

    Days count from the start of the experiment, and n is units of all arms together.
    """

    def __init__(
        self,
        experiment: Experiment,
        past: Past,
        effect: float | None,
        days: int | None,
        target: float,
        traffic: float = 1.0,
    ) -> None:
        self.experiment, self.past, self.effect, self.target, self.traffic = experiment, past, effect, target, traffic
        shares, control = experiment.shares, experiment.control
        least = min(shares[arm] for arm in experiment.arms[1:])
        self.control_share, self.ratio = shares[control] / sum(shares.values()), least / shares[control]
        self.seen = past.collected.moments.n[:, 0, 0]
        days = days if past.window else None
        self.planned = experiment.planned_units or int(self.units(days or len(self.seen)))
        self.days = days or next((d for d in self.weeks if self.units(d) >= self.planned), None)
        # The looks that the planned units get where they come later than any plan says.
        self.horizon = self.days or (self.weeks[-1] if self.weeks else None)
        self.tests: dict[tuple[str, int | None, float, float | None], power.Test] = {}

    @cached_property
    def weeks(self) -> tuple[int, ...]:
        """The days of every plan of whole weeks; none for a past without days."""
        return tuple(range(7, 7 * MOST_WEEKS + 1, 7)) if self.past.window else ()

    def units(self, days: int) -> float:
        """Units that take part by the end of a day; after the past's days as many a day as in its last week."""
        known, back = len(self.seen), max(1, len(self.seen) - 7)
        daily = (self.seen[-1] - self.seen[back - 1]) / (known - back) if known > back else self.seen[-1]
        return self.traffic * float(self.seen[min(days, known) - 1] + max(days - known, 0) * daily)

    def inferences(self) -> tuple[str, ...]:
        """The experiment's own first."""
        return (self.experiment.inference, *(kind for kind in INFERENCES if kind != self.experiment.inference))

    def looks(self, days: int | None, giving: float | None = None) -> tuple[Array, Array]:
        """Shares of the last look's units and information at the end of each day; without days one look.

        `giving` is for how many days a unit goes on to add to a metric; None where its value is known at once.
        """
        if days is None:
            return np.ones(1), np.ones(1)
        units, first = np.unique([self.units(day) for day in range(1, days + 1)], return_index=True)
        if giving is None:
            return units / units[-1], units / units[-1]
        when = tuple(timedelta(int(day) + 1) for day in first)
        information = unit_days(when, units, None if math.isinf(giving) else giving)
        return units / units[-1], information / information[-1]

    def test(self, kind: str, days: int | None, alpha: float, giving: float | None = None) -> power.Test:
        """How an inference other than the Bayesian one concludes after so many days of daily looks."""
        key = kind, days, alpha, giving
        if key not in self.tests:
            if kind == "fixed":
                self.tests[key] = power.OneLook(alpha)
            elif kind == "confidence_sequence":
                units, information = self.looks(days, giving)
                self.tests[key] = power.confidence_sequence(units, alpha, information)
            else:
                self.tests[key] = self.design(*self.looks(days, giving), alpha)
        return self.tests[key]

    def design(self, daily: Array, information: Array, alpha: float) -> power.ManyLooks:
        """The experiment's group sequential design, or one with daily looks where it has none."""
        design = self.experiment.group_sequential or DAILY
        looks = np.array(design.looks) if design.looks else daily
        information = np.interp(looks, np.append(0.0, daily), np.append(0.0, information))
        return power.group_sequential(looks, alpha, Spending(design.spending, design.parameter), information)
