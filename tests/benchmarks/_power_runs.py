"""Many experiments of one population at once, read by the code of the readout: each run is a segment of its cells."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis import Experiment, load_experiment
from analysis.collected import Collected
from analysis.inference.rules import Rules
from analysis.inference.series import Series
from analysis.moments import Moments
from analysis.readout import Segment
from analysis.variables import Variable

INFERENCES = ("fixed", "group_sequential", "confidence_sequence", "bayesian")
START = datetime(2026, 3, 2)
COLUMNS = ("revenue", "before", "bought", "spent", "sessions", "load")
REVENUE, BUYERS, SESSION_VALUE, SESSIONS = 10.0, 0.5, 4.0, 2.0
CHUNK = 100
# Of cells in which a run is a segment, the first is all units; it is a run like any other here.
METRICS = """
[[metrics]]
id = "revenue"
kind = "mean"
value = "revenue"
[[metrics]]
id = "revenue_adjusted"
kind = "mean"
value = "revenue"
covariates = ["before"]
[[metrics]]
id = "bought"
kind = "proportion"
value = "bought"
[[metrics]]
id = "per_session"
kind = "ratio"
value = "spent"
denominator = { value = "sessions" }
[[metrics]]
id = "load"
kind = "mean"
value = "load"
direction = "decrease"
role = "guardrail"
margin = 0.08
"""


def draw(rng: np.random.Generator, shape: tuple[int, ...], lift: float = 0.0) -> np.ndarray:
    """Units of an arm as COLUMNS, shape (*shape, 6). The lift moves means and leaves other variances as they are.

    Revenue is skewed, and explained by a third by what it was before; the load that the guardrail watches never moves.
    """
    before, sessions = rng.gamma(2.0, 0.5, shape), 1.0 + rng.poisson(SESSIONS - 1, shape)
    noise = rng.gamma(1.0, 1.0, shape)
    revenue = REVENUE * (0.75 * before + 0.65 * noise - 0.4 + lift)
    bought = rng.random(shape) < BUYERS * (1 + lift)
    spent = SESSION_VALUE * (sessions * lift + rng.gamma(0.7 * sessions, 1 / 0.7))
    return np.stack([revenue, before, bought, spent, sessions, rng.gamma(1.2, 1 / 1.2, shape)], axis=-1)


def design(folder: Path, planned: int, shares: tuple[float, float]) -> Experiment:
    """An experiment over the table of `write_past`."""
    file = folder / "trial.toml"
    file.write_text(
        f'[experiment]\nid = "trial"\nunit = "id"\ncontrol = "a"\nshares = {{ a = {shares[0]}, b = {shares[1]} }}\n'
        f'planned_units = {planned}\n[source]\ntable = "past.parquet"\ntime = "time"\n{METRICS}',
        encoding="utf-8",
    )
    return load_experiment(file)


def write_past(folder: Path, rng: np.random.Generator, units: int, days: int) -> None:
    """A past of units that came evenly over some days."""
    values = draw(rng, (units,))
    when = [START + timedelta(days=k % days, hours=8) for k in range(units)]
    columns = {name: values[:, k] for k, name in enumerate(COLUMNS)}
    pq.write_table(pa.table({"id": np.arange(units), "time": when, **columns}), folder / "past.parquet")


def concluded(
    experiment: Experiment, rng: np.random.Generator, *, days: int, runs: int, lift: float
) -> dict[tuple[str, str], int]:
    """In how many runs each (inference, metric) is ever better or within its margin; one that is read once, at the end."""
    found: dict[tuple[str, str], int] = {}
    for size in (min(CHUNK, runs - done) for done in range(0, runs, CHUNK)):
        collected = _simulated(experiment, rng, days, size, lift)
        for inference in INFERENCES:
            read = replace(experiment, inference=inference)
            rules = Rules(read, collected)
            for metric in read.metrics:
                readings = np.array(Series(read, collected, metric, 1, rules).main.readings(metric))
                shown = np.isin(readings, ("better", "within_margin"))
                shown = shown[-1] if inference in ("fixed", "bayesian") else shown.any(axis=0)
                found[inference, metric.id] = found.get((inference, metric.id), 0) + int(shown.sum())
    return found


def _simulated(experiment: Experiment, rng: np.random.Generator, days: int, runs: int, lift: float) -> Collected:
    """Running totals, cells (days, runs, arms); the runs are segments, of which the first stands for all units."""
    total = sum(experiment.shares.values())
    a_day = [round((experiment.planned_units or 0) * experiment.shares[arm] / total / days) for arm in experiment.arms]
    arms = [_running(draw(rng, (runs, days, n), lift * a)) for a, n in enumerate(a_day)]
    moments = Moments(
        arms[0].variables,
        np.stack([arm.n for arm in arms], -1),
        np.stack([arm.mean for arm in arms], -2),
        np.stack([arm.cross for arm in arms], -3),
    )
    return Collected(
        arms=experiment.arms,
        segments=(None, *(Segment("run", str(k)) for k in range(1, runs))),
        looks=tuple(START + timedelta(days=day + 1) for day in range(days)),
        moments=moments,
        crossed=np.zeros((days, 2)),
        left_out={},
        last_exposure=None,
        last_event=None,
        caps={},
    )


def _running(values: np.ndarray) -> Moments:
    """Moments of running totals (days, runs) of values (runs, days, units, columns)."""
    runs, days, n = values.shape[:3]
    shift = values.mean(axis=(0, 1, 2))
    centred = values - shift
    sums = np.cumsum(centred.sum(axis=2), axis=1)
    products = np.cumsum(np.swapaxes(centred, -1, -2) @ centred, axis=1)
    units = np.broadcast_to(n * np.arange(1.0, days + 1), (runs, days))
    cross = products - sums[..., :, None] * sums[..., None, :] / units[..., None, None]
    mean = shift + sums / units[..., None]
    return Moments(tuple(map(Variable, COLUMNS)), units.T, np.swapaxes(mean, 0, 1), np.swapaxes(cross, 0, 1))
