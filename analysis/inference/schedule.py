"""When a group sequential design looks: the spending time of every look, by how much of the plan is in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.collected import Collected
from analysis.experiment import Experiment
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.readout import GroupSequentialPlan


def enrolled(experiment: Experiment, collected: Collected) -> Array:
    """Units that came by each look, those seen in two arms included, shape (looks,)."""
    left_out = collected.crossed if experiment.crossovers == "exclude" else 0.0
    return np.asarray((collected.moments.n[:, 0, :] + left_out).sum(axis=-1))


def completed(experiment: Experiment, collected: Collected) -> Array:
    """Units that came so long before each look that the longest window of a deciding metric has ended, shape (looks,).

    Only they have given all the information that they will.
    """
    units, days = enrolled(experiment, collected), longest_window(experiment)
    if not days or collected.looks[-1] is None:
        return units
    looks: Any = collected.looks
    window = timedelta(days)
    before = np.array([sum(earlier + window <= look for earlier in looks) for look in looks])
    return np.where(before > 0, units[before - 1], 0.0)


def progress(experiment: Experiment, collected: Collected) -> Array:
    """Share of the plan that each look has, windows ended, shape (looks,), 1 or more where all is in; 0 without a plan.

    Of the planned units; but of the days until the end date, where there is one, if clusters were randomised: units go
    on to come to clusters that are in.
    """
    looks: Any = collected.looks
    if by_days(experiment, collected):
        assert experiment.end is not None
        start, wait = looks[0] - timedelta(1), timedelta(longest_window(experiment))
        end = datetime(experiment.end.year, experiment.end.month, experiment.end.day, tzinfo=UTC)
        # A scan of the last look alone may begin after the end.
        whole = max(end - start, timedelta(1))
        return np.array([max((look - wait - start) / whole, 0.0) for look in looks])
    return completed(experiment, collected) / (experiment.planned_units or np.inf)


def by_days(experiment: Experiment, collected: Collected) -> bool:
    """Whether days count, and not units."""
    return bool(experiment.cluster and experiment.end) and isinstance(collected.looks[0], datetime)


def all_in(experiment: Experiment, collected: Collected) -> NDArray[np.bool_]:
    """Which looks have all that was planned, or all that came before the end date, shape (looks,)."""
    return np.asarray(progress(experiment, collected) >= 1) | _after_end(experiment, collected)


def longest_window(experiment: Experiment) -> float:
    """Days until the last window of a deciding metric has ended; 0 without windows."""
    deciding = [metric for metric in experiment.metrics if metric.role != "secondary"]
    return max((v.days or 0.0 for metric in deciding for v in metric.outcome.variables), default=0.0)


def gives_on(experiment: Experiment, metric: Metric) -> bool:
    """Whether units go on to add to the metric after they came: its values are running totals."""
    if experiment.source.kind == "moments":
        return True
    return any(v.aggregation is not None and not v.complete for v in metric.outcome.variables)


def unit_days(looks: tuple[datetime | timedelta | None, ...], units: Array, window: float | None) -> Array:
    """Days that units have been in by each look, at most `window` of each, shape of `units`, (looks, ...).

    What running totals have as information: a day of a unit adds to the sum what no day before foretells. If days of a
    unit are alike, looks hang together more than that, and bounds are somewhat wide. Units as they came would promise
    more than is in: with unrelated days up to 7 % of tests of nothing would cross bounds of 5 %.
    """
    if looks[0] is None:
        return units
    when: Any = looks
    start = when[0] - timedelta(1) if isinstance(looks[0], datetime) else timedelta(0)
    days = np.array([(look - start) / timedelta(1) for look in when])
    total = np.cumsum(units * np.diff(days, prepend=0.0).reshape(-1, *[1] * (units.ndim - 1)), axis=0)
    if window is None:
        return total
    # Those that came longer ago than the window have stopped to add.
    place = np.interp(days - window, np.append(0.0, days), np.arange(len(days) + 1.0))
    known = np.concatenate([np.zeros_like(total[:1]), total])
    low = np.floor(place).astype(int)
    part = (place - low).reshape(-1, *[1] * (units.ndim - 1))
    return np.asarray(total - (1 - part) * known[low] - part * known[np.minimum(low + 1, len(days))])


def spending_time(experiment: Experiment, collected: Collected, plan: GroupSequentialPlan) -> Array:
    """Spending time of each look in (0, 1], nan where the plan has no analysis, shape (looks,).

    A planned analysis is the first look at which its share of the plan is in. All error is spent at the first look that
    has all, and at the first after the end date if that comes before.
    """
    time, final = progress(experiment, collected), np.flatnonzero(all_in(experiment, collected))
    last = int(final[0]) if len(final) else len(time)
    if plan.looks:
        due = np.searchsorted(np.array(plan.looks), time, side="right")
        analysed = np.diff(due, prepend=0) > 0
    else:
        analysed = np.diff(time, prepend=0.0) > 0
    position = np.arange(len(time))
    return np.where(position == last, 1.0, np.where(analysed & (position < last), time, np.nan))


def _after_end(experiment: Experiment, collected: Collected) -> NDArray[np.bool_]:
    """Which looks come when every window of the units that came before the end date has ended."""
    if experiment.end is None:
        return np.zeros(len(collected.looks), bool)
    wait = timedelta(longest_window(experiment))
    return np.array([isinstance(look, datetime) and (look - wait).date() >= experiment.end for look in collected.looks])
