"""Users who go on to buy: at each look their totals so far are compared, and no rule may lose its level by that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of
from scipy import stats

from analysis.experiment import Source
from analysis.group_sequential import Spending
from analysis.inference.rules import Rules
from analysis.inference.series import Series
from analysis.metrics import Quantity
from analysis.moments import Moments
from analysis.planning.power import confidence_sequence, group_sequential
from analysis.readout import GroupSequentialPlan, Segment
from analysis.variables import Variable

RUNS, DAYS, A_DAY, ALPHA = 2_000, 28, 40, 0.05


def running_totals(
    rng: np.random.Generator, *, alike: float, window: int | None, arriving: int, lift: float = 0.0
) -> Moments:
    """Moments, cells (looks, runs, arms), of purchases so far; `alike` is what days of a user have in common.

    Users arrive on the first days, the same number on each, and a coin sends each to an arm.
    """
    entry = np.repeat(np.arange(arriving), 2 * A_DAY)
    n, mean, cross = (np.zeros((DAYS, RUNS, 2)) for _ in range(3))
    for start in range(0, RUNS, 100):
        batch, treated = slice(start, start + 100), rng.random((100, len(entry))) < 0.5
        taste = rng.gamma(1 / alike, alike, treated.shape) if alike else np.ones(treated.shape)
        total = np.zeros(treated.shape)
        for day in range(DAYS):
            active = (entry <= day) if window is None else (entry <= day) & (day < entry + window)
            total[:, active] += rng.poisson(0.1 * (taste * (1 + lift * treated))[:, active])
            for arm, members in enumerate((~treated, treated)):
                here = members & (entry <= day)
                n[day, batch, arm] = here.sum(axis=1)
                mean[day, batch, arm] = (total * here).sum(axis=1) / n[day, batch, arm]
                gap = (total - mean[day, batch, arm][:, None]) * here
                cross[day, batch, arm] = np.square(gap).sum(axis=1)
    return Moments((Variable("y", "sum", days=window),), n, mean[..., None], cross[..., None, None])


def read_series(moments: Moments, spending: str) -> Series:
    """The readout's own reading of all runs, each in the place of a segment."""
    looks = tuple(datetime(2026, 1, 2, tzinfo=UTC) + timedelta(day) for day in range(DAYS))
    metric = replace(a_metric("y"), outcome=Quantity(moments.variables[0]))
    experiment = an_experiment(
        metric,
        inference="group_sequential",
        planned_units=int(moments.n[-1, 0].sum()),
        group_sequential=GroupSequentialPlan(spending, None, ()),
        source=Source("lake", time="time"),
    )
    segments = (None, *(Segment("run", str(k)) for k in range(1, RUNS)))
    collected = replace(
        collected_of([[m for m in moments[k, 0]] for k in range(DAYS)], looks=looks), segments=segments, moments=moments
    )
    return Series(experiment, collected, metric, 1, Rules(experiment, collected))


@pytest.mark.parametrize(
    ("spending", "alike", "window", "arriving"),
    [
        ("pocock", 0.0, None, DAYS),
        ("obrien_fleming", 0.0, None, DAYS),
        ("pocock", 0.0, None, 4),
        ("pocock", 1.0, None, DAYS),
        ("pocock", 0.0, 7, 14),
    ],
)
def test_a_group_sequential_design_keeps_its_level_while_totals_run(spending, alike, window, arriving):
    moments = running_totals(np.random.default_rng([7, arriving]), alike=alike, window=window, arriving=arriving)
    series = read_series(moments, spending)
    wrong = (np.abs(series.used.difference) > series.tested.half).any(axis=0)
    assert np.isfinite(series.tested.half).any(axis=0).all()
    assert stats.binomtest(int(wrong.sum()), RUNS, ALPHA, alternative="greater").pvalue > 0.001, wrong.mean()


@pytest.mark.parametrize("kind", ["group_sequential", "confidence_sequence"])
def test_running_totals_show_an_effect_as_often_as_a_plan_promises(kind):
    lift = 0.14
    moments = running_totals(np.random.default_rng(5), alike=0.0, window=None, arriving=DAYS, lift=lift)
    series = read_series(moments, "obrien_fleming")
    shown = (np.abs(series.used.difference) > series.under(kind).half).any(axis=0)
    units = np.arange(1, DAYS + 1) / DAYS
    days = np.cumsum(units) / units.sum()
    rule = (
        group_sequential(units, ALPHA, Spending(), days)
        if kind == "group_sequential"
        else confidence_sequence(units, ALPHA, days)
    )
    effect, error = series.used.difference[-1].mean(), series.used.standard_error[-1].mean()
    promised = rule.power(effect, error)
    assert 0.4 < promised < 0.95
    for within, side in ((promised - 0.02, "less"), (promised + 0.02, "greater")):
        assert stats.binomtest(int(shown.sum()), RUNS, within, alternative=side).pvalue > 0.001, (
            shown.mean(),
            promised,
        )
