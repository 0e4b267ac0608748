"""What the scan's days say besides totals: who was active when, and what old and new units did in the last days."""

from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from analysis.collect.events import DAY, Totals, apply, opening, settled
from analysis.collect.units import Units
from analysis.collected import OLD, WINDOW, Cohorts
from analysis.experiment import Experiment
from analysis.metrics.metric import Array
from analysis.moments import Moments
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
        found[day] = np.bincount(arm[active], minlength=arms)
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
    begin, entry = end - WINDOW.days, units.first // DAY
    cohorts = entry < begin - OLD.days, (entry >= begin - WINDOW.days) & (entry < begin)
    columns = []
    for variable in running:
        total = opening(variable, len(units))
        for day in range(begin, end):
            for who, amounts in totals.days[variable].get(day - totals.start, ()):
                apply(variable, total, who, amounts)
        columns.append(np.minimum(settled(variable, total), caps.get(variable, np.inf)))
    values = np.stack(columns, axis=-1)
    cells = [
        [Moments.of(values[inside & (units.arm == a)], tuple(running)) for a in range(len(experiment.arms))]
        for inside in cohorts
    ]
    moments = Moments(
        tuple(running),
        np.array([[cell.n for cell in row] for row in cells]),
        np.array([[cell.mean for cell in row] for row in cells]),
        np.array([[cell.cross for cell in row] for row in cells]),
    )
    return Cohorts(_midnight(begin), _midnight(end), moments)


def _midnight(day: int) -> datetime:
    return datetime.fromtimestamp(day * DAY // 1_000_000, UTC)
