"""Logging gaps: planted ones are found on their day, and sound logs are seldom called broken."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, moments_of
from scipy import stats

from analysis.checks.logging_gaps import LIMIT, OUT_OF_STEP, dips, out_of_step
from analysis.moments import Moments
from analysis.reading import read_collected
from analysis.readout import Check

START = datetime(2026, 11, 2, tzinfo=UTC)
WEEK = np.array([1, 1, 1, 1.1, 1.2, 0.6, 0.4])
DAYS = 28


def checks_of(exposures: np.ndarray, active: np.ndarray | None) -> list[Check]:
    """The check at every look, from new units and active units by day and arm."""
    n = np.cumsum(exposures, axis=0).astype(float)[:, None]
    cell = moments_of(y=np.arange(2.0))
    moments = Moments(cell.variables, n, np.full((*n.shape, 1), 10.0), 4 * np.maximum(n - 1, 0)[..., None, None])
    looks = tuple(START + timedelta(days=k + 1) for k in range(len(n)))
    collected = collected_of([[cell] * 2] * len(n), looks=looks, moments=moments, active=active)
    readout = read_collected(an_experiment(a_metric("y")), collected)
    return [next(c for c in look.checks if c.name == "logging_gaps") for look in readout.looks]


def a_log(rng: np.random.Generator, level: float = 200) -> tuple[np.ndarray, np.ndarray]:
    """New and active units of a sound experiment, by day and arm."""
    new = rng.poisson(level * WEEK[np.arange(DAYS) % 7, None] * np.ones(2))
    return new, rng.poisson(0.2 * np.cumsum(new, axis=0)).astype(float)


def test_a_day_without_exposures_warns_from_the_day_after_on_and_is_named():
    new, active = a_log(np.random.default_rng(1))
    new[16] = 0
    checks = checks_of(new, active)
    assert [check.verdict for check in checks] == ["pass"] * 17 + ["warn"] * 11
    assert "18 Nov has 0 new units" in checks[-1].reason


def test_an_outage_of_three_days_of_events_is_found_when_it_ends():
    new, active = a_log(np.random.default_rng(2))
    active[10:13] *= 0.1
    checks = checks_of(new, active)
    assert [k for k, check in enumerate(checks) if check.verdict != "pass"] == list(range(13, DAYS))
    assert checks[-1].value == 3 and "12 Nov" in checks[-1].reason and "14 Nov" in checks[-1].reason


def test_a_level_that_stays_low_is_no_gap():
    assert list(dips([500.0] * 10 + [100.0] * 18)) == []


def test_a_day_on_which_one_arm_has_nothing_fails():
    for planted in ("exposures", "events"):
        new, active = a_log(np.random.default_rng(3))
        (new if planted == "exposures" else active)[5, 1] = 0
        checks = checks_of(new, active)
        assert checks[4].verdict == "pass" and checks[5].verdict == "fail"
        assert f"7 Nov has no {planted} of b" in checks[-1].reason


def test_an_arm_that_loses_a_third_of_its_events_on_a_day_falls_out_of_step():
    new, active = a_log(np.random.default_rng(4))
    active[20, 0] *= 0.66
    checks = checks_of(new, active)
    assert [k for k, check in enumerate(checks) if check.verdict == "warn"] == list(range(20, DAYS))
    assert "on 22 Nov a has 35% fewer" in checks[-1].reason


def test_without_daily_looks_there_is_no_such_check():
    readout = read_collected(an_experiment(a_metric("y")), collected_of([[moments_of(y=np.arange(9.0))] * 2] * 2))
    assert "logging_gaps" not in {check.name for check in readout.looks[-1].checks}


@pytest.mark.parametrize("level", [5, 60, 5_000])
@pytest.mark.parametrize("scatter", [0.0, 0.2])
def test_sound_days_are_seldom_called_gaps(level: float, scatter: float):
    rng, runs = np.random.default_rng([level, int(10 * scatter)]), 1_000
    alarms = 0
    for _ in range(runs):
        season = WEEK[(np.arange(DAYS) + rng.integers(7)) % 7] * 0.97 ** np.arange(DAYS)
        alarms += any(dips(rng.poisson(level * season * np.exp(scatter * rng.normal(size=DAYS))).tolist()))
    assert stats.binomtest(alarms, runs, 0.01, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize(("level", "share"), [(10, 0.5), (100, 0.1), (5_000, 0.5)])
def test_arms_with_a_steady_effect_seldom_fall_out_of_step(level: float, share: float):
    rng, runs, alarms = np.random.default_rng(level), 1_500, 0
    growth = np.minimum(np.arange(DAYS) + 1, 10) / 10
    for _ in range(runs):
        season = level * growth * np.exp(0.2 * rng.normal(size=DAYS))
        counts = rng.poisson(season[:, None] * np.array([1 - share, 1.3 * share])).astype(float)
        p, kept = out_of_step(counts)
        alarms += bool(((p < LIMIT) & (kept < OUT_OF_STEP)).any())
    assert stats.binomtest(alarms, runs, 0.01, alternative="greater").pvalue > 0.001
