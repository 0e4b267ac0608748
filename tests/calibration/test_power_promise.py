"""What a plan promises is what the code of the readout then shows: power by simulation, from a past to the readings."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis import plan
from tests.benchmarks._power_runs import INFERENCES, concluded, design, write_past

RUNS, DAYS, PLANNED, LIFT = 2_000, 7, 4_200, 0.08
METRICS = ("revenue", "revenue_adjusted", "bought", "per_session", "load")
# The promise must hold within two points.
POINTS = 0.02


@pytest.fixture(scope="module")
def promised_and_seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    folder: Path = tmp_path_factory.mktemp("past")
    rng = np.random.default_rng(11)
    write_past(folder, rng, units=300_000, days=28)
    experiment = design(folder, PLANNED, (1, 1))
    made = plan(experiment, effect=LIFT, days=DAYS)
    promised = {(a.inference, m.metric.id): a.power for m in made.metrics for a in m.answers}
    return promised, concluded(experiment, rng, days=DAYS, runs=RUNS, lift=LIFT)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("inference", INFERENCES)
def test_power_is_within_two_points_of_what_the_plan_promised(promised_and_seen, inference, metric):
    promised, seen = (one[inference, metric] for one in promised_and_seen)
    least, most = max(promised - POINTS, 0.0), min(promised + POINTS, 1.0)
    assert stats.binomtest(seen, RUNS, least, alternative="less").pvalue > 0.001, (promised, seen / RUNS)
    assert stats.binomtest(seen, RUNS, most, alternative="greater").pvalue > 0.001, (promised, seen / RUNS)
