"""What the scan's days say besides totals: who was active when, and what old and new units did in the last days."""

from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from analysis.collect.cells import Course, tally
from analysis.collect.events import DAY, Totals, apply, opening, settled
from analysis.collect.units import Units
from analysis.collected import OLD, WINDOW, Cohorts
from analysis.experiment import Experiment
from analysis.metrics.metric import Array
from analysis.variables import Variable


def active_of(totals: Totals, arm: NDArray[np.int32], looks: int, arms: int) -> Array | None:
    """Units with an event that changed a running total, by day and arm, shape (looks, arms); None without any."""
    if not any(totals.days.values()):
        return None
    found = np.zeros((looks, arms))
    for day in range(looks):
        active = np.zeros(len(arm), bool)
        for days in totals.days.values():
            for units, _ in days.get(day, ()):
                active[units] = True
        found[day] = np.bincount(arm.take(np.flatnonzero(active)), minlength=arms)
    return found


def cohorts_of(
    experiment: Experiment, units: Units, totals: Totals, days: range | None, caps: dict[Variable, float]
) -> Cohorts | None:
    """What units exposed long before the last days, and just before them, did in them; None where nobody knows.

    The last day may be unfinished: it is so for both cohorts and all arms.
    """
    primary = {v for metric in experiment.metrics if metric.role == "primary" for v in metric.outcome.variables}
    running = [v for v in totals.days if v in primary and v.days is None and not v.complete]
    if not running or days is None or units.first is None or units.clusters is not None:
        return None
    end = min(days.stop, (experiment.end - date(1970, 1, 1)).days) if experiment.end else days.stop
    begin = end - WINDOW.days
    age = begin * DAY - units.first
    new = (age > 0) & (age <= WINDOW.days * DAY)
    who = np.flatnonzero(new | (age > OLD.days * DAY))
    if not len(who):
        return None
    values = {}
    for variable in running:
        total = opening(variable, len(units))
        for day in range(begin, end):
            for some, amounts in totals.days[variable].get(day - totals.start, ()):
                apply(variable, total, some, amounts)
        values[variable] = np.minimum(settled(variable, total.take(who)), caps.get(variable, np.inf))
    course = Course(1, np.zeros(len(who), np.uint16), values, {}, {})
    moments = tally(course, units.arm[who], len(experiment.arms), [(new[who].astype(np.int32), 2)])[0, 1:]
    return Cohorts(_midnight(begin), _midnight(end), moments)


def _midnight(day: int) -> datetime:
    return datetime.fromtimestamp(day * DAY // 1_000_000, UTC)
