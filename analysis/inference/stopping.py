"""How a group sequential design ends for one series: the answer once it has stopped, and futility on the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.group_sequential.after_stopping import after_stopping
from analysis.group_sequential.futility import futility_bounds
from analysis.group_sequential.rule import GroupSequential
from analysis.inference.estimates import Estimates, number
from analysis.metrics import Metric
from analysis.readout import Estimate, GroupSequentialPlan, Stopped


def stopped(tested: Estimates) -> Stopped | None:
    """The stage-wise answer among all units; None while the design runs.

    It is that of the difference, divided by the control value at the stop: it leaves out 0 as the difference's does.
    """
    assert isinstance(tested.rule, GroupSequential)
    difference, error, bounds = (values[:, 0] for values in (tested.difference, tested.error, tested.critical))
    ended = bool(np.max(np.nan_to_num(tested.rule.time)) == 1.0)
    # Not 1 / error²: while units still go on to spend, the error of what they spent does not fall.
    information = tested.units[:, 0] if tested.rule.information is None else np.array(tested.rule.information)
    answer = after_stopping(difference, error, bounds, tested.alpha, information=information, ended=ended)
    if answer is None:
        return None
    k = answer.look
    crossed = bool(abs(difference[k]) > bounds[k] * error[k])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.array([answer.median_unbiased, answer.lower, answer.upper]) / abs(tested.contrast.control[k, 0])
    middle, lower, upper = (number(value) for value in values)
    return Stopped(k, crossed, Estimate(middle, number(tested.lift_error[k, 0]), lower, upper), answer.p_value)


def futile(tested: Estimates, metric: Metric, plan: GroupSequentialPlan) -> NDArray[np.bool_]:
    """At which looks the series is below its futility bound, shape (looks,); nowhere where none was planned.

    The bound of an analysis rests on those done and on the planned shares that are still to come.
    """
    assert isinstance(tested.rule, GroupSequential)
    time, good = np.array(tested.rule.time), 1 if metric.direction == "increase" else -1
    found = np.zeros(len(time), bool)
    done = np.flatnonzero(np.isfinite(tested.critical[:, 0]))
    if plan.futility_power is None or not len(done) or time[done[-1]] == 1.0:
        return found
    reached = time[done]
    coming = np.array([share for share in plan.looks or (1.0,) if share > reached[-1]])
    whole = np.append(reached, coming)
    rule = GroupSequential(tuple(whole.tolist()), tested.rule.spending, alpha=tested.alpha)
    upper = rule.critical(tested.alpha, whole[:, None], np.full((len(whole), 1), np.inf))[:, 0]
    bounds = futility_bounds(upper, whole, plan.futility_power, tested.rule.spending).bounds
    z = good * tested.difference[done, 0] / tested.error[done, 0]
    found[done] = z < bounds[: len(done)]
    return found
