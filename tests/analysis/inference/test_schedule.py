"""When a plan is fulfilled: the look that a call waits for, and the looks that error is spent at."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, stack

from analysis import read_collected
from analysis.group_sequential import Spending, boundaries
from analysis.metrics import Quantity
from analysis.moments import Moments
from analysis.readout import GroupSequentialPlan
from analysis.variables import SIZE, Variable

START, PER_DAY = datetime(2026, 1, 1, tzinfo=UTC), 100


def weekly(role: str = "primary", **more):
    """A metric with a window of a week."""
    return replace(a_metric("y", role=role, **more), outcome=Quantity(Variable("y", "sum", days=7.0)))


def facts(metric, days: int, enrolled: int, effect: float):
    """Days of looks, on the first `enrolled` of which units come."""
    rng, total, looks = np.random.default_rng(1), None, []
    for day in range(days):
        if day < enrolled:
            new = [Moments.of(rng.normal(10 + a * effect, 2, (PER_DAY, 1)), metric.outcome.variables) for a in (0, 1)]
            total = new if total is None else [before + one for before, one in zip(total, new, strict=True)]
        looks.append(total)
    return collected_of(looks, looks=tuple(START + timedelta(day + 1) for day in range(days)))


def calls(experiment, effect: float, days: int = 20, enrolled: int = 10):
    """The decision at each day, as it was when that was the last."""
    return [
        read_collected(experiment, facts(experiment.metrics[0], k, enrolled, effect)).decision
        for k in range(1, days + 1)
    ]


@pytest.mark.parametrize(("planned", "end"), [(2_000, None), (3_000, date(2026, 1, 11)), (2_000, date(2026, 1, 11))])
def test_a_fixed_horizon_makes_one_call_when_the_last_window_has_ended_however_long_one_looks(planned, end):
    found = calls(an_experiment(weekly(), planned_units=planned, end=end), 0.5)
    # Units come on ten days and have a week each: all is in with the seventeenth look.
    assert [one.verdict for one in found] == ["keep_running"] * 16 + ["ship"] * 4
    assert [one.look for one in found[16:]] == [16] * 4
    assert "7-day windows of the last units have not ended" in found[15].reasons[0]


@pytest.mark.parametrize("inference", ["group_sequential", "confidence_sequence"])
def test_nothing_is_stopped_for_want_of_units_while_windows_are_open(inference):
    plan = GroupSequentialPlan("obrien_fleming", None, (0.5, 1.0)) if inference == "group_sequential" else None
    found = calls(an_experiment(weekly(), inference=inference, planned_units=2_000, group_sequential=plan), 0.0)
    assert [one.verdict for one in found] == ["keep_running"] * 16 + ["stop"] * 4


def test_units_go_on_to_come_to_clusters_that_are_in_so_days_count_where_there_is_an_end():
    rng, metric = np.random.default_rng(2), a_metric("y").over_clusters()
    totals, looks = np.zeros((2, 40, 2)), []
    for _ in range(10):
        size = rng.integers(20, 30, (2, 40))
        totals += np.stack([size * rng.normal(10, 1, (2, 40)), size], axis=-1)
        looks.append([Moments.of(arm, (Variable("y"), SIZE)) for arm in totals.copy()])
    times = tuple(START + timedelta(day + 1) for day in range(10))
    plan = GroupSequentialPlan("pocock", None, (0.5, 1.0))

    def read(days: int, inference: str):
        design = an_experiment(
            metric, inference=inference, planned_units=80, cluster="shop", end=date(2026, 1, 9),
            group_sequential=plan if inference == "group_sequential" else None,
        )  # fmt: skip
        return read_collected(design, collected_of(looks[:days], looks=times[:days], inside=stack([[looks[-1]]])[0, 0]))

    first = read(1, "fixed").decision
    assert first.verdict == "keep_running" and "2026-01-09 is the end" in first.reasons[0]
    assert [read(days, "fixed").decision.look for days in (8, 9, 10)] == [7, 7, 7]
    last = collected_of(looks[8:9], looks=times[8:9], inside=stack([[looks[-1]]])[0, 0])
    design = an_experiment(metric, planned_units=80, cluster="shop", end=date(2026, 1, 9))
    assert read_collected(design, last).decision.verdict == "stop", "one look alone, on the day after the end"
    effects = [look.effects[0] for look in read(10, "group_sequential").looks]
    assert [k for k, effect in enumerate(effects) if effect.absolute.lower is not None] == [3, 7]
    wider = [
        (effects[k].absolute.upper - effects[k].absolute.estimate) / effects[k].absolute.standard_error for k in (3, 7)
    ]
    assert np.all(wider > boundaries([0.5, 1.0], 0.05, Spending("pocock"))), "the bounds of two looks, as those of t"


def test_information_that_is_in_before_the_units_leaves_the_last_look_its_part():
    metric = a_metric("y", planned_error=0.2)
    design = an_experiment(metric, inference="group_sequential", planned_units=2_000)
    readout = read_collected(design, facts(metric, 10, 10, 0.5))
    assert readout.looks[-1].effects[0].absolute.standard_error < 0.1, "four times the information that was planned"
    assert readout.decision.look == 9 and readout.decision.verdict == "ship"


def test_one_hopeless_primary_metric_does_not_stop_another():
    rng, looks, total = np.random.default_rng(3), [], None
    for _ in range(2):
        means = ((10.0, 10.0), (9.85, 10.13))
        new = [Moments.of(rng.normal(one, 2, (1_000, 2)), (Variable("y0"), Variable("y1"))) for one in means]
        total = new if total is None else [before + one for before, one in zip(total, new, strict=True)]
        looks.append(total)
    plan = GroupSequentialPlan("obrien_fleming", None, (0.25, 0.5, 0.75, 1.0), 0.8)

    def decided(*names: str):
        design = an_experiment(
            *map(a_metric, names), inference="group_sequential", planned_units=8_000, group_sequential=plan
        )
        return read_collected(design, collected_of(looks)).decision.verdict

    assert decided("y0") == "stop" and decided("y1") == "keep_running" and decided("y0", "y1") == "keep_running"
