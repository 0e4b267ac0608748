"""Error rates of the whole readout code under daily looks, by simulation."""

from dataclasses import dataclass

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of
from scipy import stats

from analysis import read_collected
from analysis.metrics import Metric
from analysis.moments import Moments
from analysis.variables import Variable

RUNS, DAYS, A_DAY = 1_000, 28, 250
VARIABLES = tuple(map(Variable, ("revenue", "before", "bought")))
CASES = {
    "heavy-tailed revenue": a_metric("revenue"),
    "heavy-tailed revenue with CUPED": a_metric("revenue", covariates=("before",)),
    "conversion": a_metric("bought", kind="proportion"),
}


@dataclass(frozen=True)
class Errors:
    """In how many experiments an interval ever left out the truth, which is no effect."""

    sequence: int
    peeking: int


@pytest.fixture(scope="module")
def a_a_errors() -> dict[str, Errors]:
    rng = np.random.default_rng(2026)
    experiment = an_experiment(
        *(metric_named(name, metric) for name, metric in CASES.items()),
        inference="confidence_sequence",
        planned_units=2 * DAYS * A_DAY,
    )
    wrong = {name: [0, 0] for name in CASES}
    for _ in range(RUNS):
        readout = read_collected(experiment, collected_of([list(look) for look in daily_looks(rng)]))
        for name in CASES:
            effects = [effect for look in readout.looks for effect in look.effects if effect.metric == name]
            seen = [e.absolute for e in effects if e.absolute.lower is not None]
            wrong[name][0] += any(not e.lower <= 0 <= e.upper for e in seen)
            wrong[name][1] += any(abs(e.estimate) > 1.959964 * e.standard_error for e in seen)
            assert len(seen) >= DAYS - 1
    return {name: Errors(*counts) for name, counts in wrong.items()}


def metric_named(name: str, metric: Metric) -> Metric:
    return type(metric)(**{**vars(metric), "id": name})


def daily_looks(rng: np.random.Generator) -> list[tuple[Moments, Moments]]:
    """Running Moments of two arms without a difference, day by day: 8 % buy, and what they spend is lognormal."""
    taste = rng.normal(size=(2, DAYS, A_DAY))
    before, bought = np.exp(taste), rng.random((2, DAYS, A_DAY)) < 0.08 * np.exp(0.6 * taste - 0.18)
    revenue = bought * np.exp(1.2 * rng.normal(size=taste.shape) + 0.5 * taste)
    arms = []
    for side in range(2):
        running, looks = None, []
        for day in range(DAYS):
            values = np.column_stack([revenue[side, day], before[side, day], bought[side, day]])
            today = Moments.of(values, VARIABLES)
            running = today if running is None else running + today
            looks.append(running)
        arms.append(looks)
    return list(zip(*arms, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_confidence_sequence_keeps_its_level_under_daily_peeking_and_naive_peeking_does_not(a_a_errors, case):
    errors = a_a_errors[case]
    assert stats.binomtest(errors.sequence, RUNS, 0.05, alternative="greater").pvalue > 0.001, errors
    assert stats.binomtest(errors.peeking, RUNS, 0.20, alternative="greater").pvalue < 0.01, errors


@pytest.mark.slow
@pytest.mark.parametrize(("share", "rate"), [(0.1, 0.01), (0.05, 0.02), (0.5, 0.01), (0.35, 0.01)])
def test_a_sequence_keeps_its_level_where_events_are_rare_and_arms_unlike(share, rate):
    rng, runs, day = np.random.default_rng(7), 400, np.array([1 - share, share]) * 10_000 / DAYS
    experiment = an_experiment(
        a_metric("bought", kind="proportion"),
        shares={"a": 1 - share, "b": share},
        inference="confidence_sequence",
        planned_units=10_000,
    )
    wrong = 0
    for _ in range(runs):
        bought = np.cumsum(rng.binomial(day.astype(int), rate, (DAYS, 2)), axis=0)
        units = np.cumsum(np.broadcast_to(day.astype(int), (DAYS, 2)), axis=0)
        looks = [
            [counted(int(k), int(n)) for k, n in zip(*look, strict=True)] for look in zip(bought, units, strict=True)
        ]
        effects = [e.absolute for look in read_collected(experiment, collected_of(looks)).looks for e in look.effects]
        wrong += any(e.lower is not None and not e.lower <= 0 <= e.upper for e in effects)
    assert stats.binomtest(wrong, runs, 0.05, alternative="greater").pvalue > 0.001, wrong


def counted(k: int, n: int) -> Moments:
    """Moments of n units of which k bought."""
    share = k / n
    return Moments(
        (Variable("bought"),), np.asarray(float(n)), np.array([share]), np.array([[n * share * (1 - share)]])
    )
