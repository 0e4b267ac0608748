"""Novelty and primacy: the difference of two cohorts' lifts keeps its level, covers the truth, and is found."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, moments_of, stack
from facts import a_log
from scipy import stats

from analysis.collected import Cohorts
from analysis.experiment import Source
from analysis.learning import learning
from analysis.metrics import Metric
from analysis.reading import read
from analysis.readout import Learning

EVENTS = Source("events", exposures=Path("e.csv"), events=Path("v.csv"))
BEGIN, END = datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 29, tzinfo=UTC)


def learnt(rng: np.random.Generator, metric: Metric, old: float, new: float, n: int = 600) -> Learning:
    """From draws of heavy-tailed spending, in which the treatment adds `old` and `new` of control to the two cohorts."""
    cells = [
        [moments_of(y=factor * rng.lognormal(0, 1, n) * (rng.random(n) < 0.3)) for factor in (1.0, 1.0 + lift)]
        for lift in (old, new)
    ]
    cohorts = Cohorts(BEGIN, END, stack([cells])[0])
    (found,) = learning(an_experiment(metric, source=EVENTS), collected_of([cells[0]], cohorts=cohorts))
    return found


def test_without_learning_one_in_twenty_is_called_so_and_intervals_cover():
    rng, runs = np.random.default_rng(1), 1_500
    called = missed = 0
    for _ in range(runs):
        called += learnt(rng, a_metric("y"), 0.1, 0.1).reading != "steady"
        faded = learnt(rng, a_metric("y"), 0.0, 0.3).difference
        missed += not faded.lower <= -0.3 <= faded.upper
    for found in (called, missed):
        assert stats.binomtest(found, runs, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize(
    ("old", "new", "direction", "reading"),
    [(0.0, 0.5, "increase", "novelty"), (0.5, 0.0, "increase", "primacy"), (0.0, -0.4, "decrease", "novelty")],
)
def test_a_planted_change_is_read_in_the_direction_that_is_good(old: float, new: float, direction: str, reading: str):
    found = learnt(np.random.default_rng(2), a_metric("y", direction=direction), old, new, n=6_000)
    assert found.reading == reading
    assert found.difference.estimate == pytest.approx(found.old.estimate - found.new.estimate)
    assert found.difference.standard_error == pytest.approx(
        np.hypot(found.old.standard_error, found.new.standard_error)
    )
    assert found.window == "22 Nov to 28 Nov 2026" and (found.units_old, found.units_new) == (12_000, 12_000)


def test_few_units_in_a_cohort_are_unknown_with_a_reason():
    found = learnt(np.random.default_rng(3), a_metric("y"), 0.0, 0.9, n=99)
    assert found.reading == "unknown" and "28 days" in found.reason


def test_what_cannot_be_compared_says_why():
    arms = [moments_of(y=np.arange(500.0))] * 2
    collected = collected_of([arms])
    events = an_experiment(a_metric("y"), source=EVENTS)
    assert learning(an_experiment(a_metric("y")), collected) == ()
    assert "28 days" in learning(events, collected)[0].reason
    assert "clusters" in learning(replace(events, cluster="city"), collected)[0].reason


def shop(rng: np.random.Generator, n: int = 4_000, days: int = 28) -> tuple[str, str]:
    """Exposures and orders; the treatment adds 70 % in a unit's first 14 days, and nothing later."""
    came, treated = rng.integers(0, days, n), rng.random(n) < 0.5
    age = np.arange(days + 1) - came[:, None]
    orders = rng.poisson(0.25 * np.where(treated[:, None] & (age < 14), 1.7, 1.0) * (age >= 0))

    def at(day: int, hour: int) -> str:
        return f"{datetime.fromordinal(738_000 + int(day)):%Y-%m-%d}T{hour:02}:00:00"

    exposures = "".join(f"{u},{'ab'[int(treated[u])]},{at(came[u], 0)}\n" for u in range(n))
    events = "".join(f"{u},{at(day, 12)}\n" for u, day in np.argwhere(orders) for _ in range(orders[u, day]))
    return f"unit,arm,time\n{exposures}", f"unit,time\n{events}"


def test_novelty_planted_in_a_log_is_found_end_to_end(tmp_path: Path):
    exposures, events = shop(np.random.default_rng(4))
    metric = 'id = "orders"\nkind = "count"\nrole = "primary"'
    readout = read(a_log(tmp_path, exposures, events, metric, end=f"{datetime.fromordinal(738_028):%Y-%m-%d}"))
    (found,) = readout.learning
    assert found.reading == "novelty" and found.difference.upper < 0
    assert abs(found.difference.estimate + 0.7) < 3.3 * found.difference.standard_error
    # The 29th day of events is after the end.
    assert found.window.startswith(f"{datetime.fromordinal(738_021):%-d %b} to")
    assert type(readout).from_json(readout.to_json()).learning == readout.learning
    windowed = read(a_log(tmp_path, exposures, events, f"{metric}\nwindow_days = 7"))
    assert windowed.learning[0].reading == "unknown" and "no days in common" in windowed.learning[0].reason
