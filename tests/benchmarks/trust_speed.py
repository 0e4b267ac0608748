"""How long it takes to draw the arms of a million users a thousand times and read each draw at fourteen daily looks.

Three metrics: revenue with a covariate, a proportion, and a ratio with a covariate whose denominator moves with every
event. Seconds of `trust` on Parquet files, reading included; the best of the repetitions.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from analysis import Experiment, load_experiment
from analysis.trust import Trust, trust
from tests.benchmarks.readout_speed import RESULTS, machine

USERS, ENTRY, LOOKS, BEFORE, RUNS, LIMIT = 1_000_000, 10, 14, 28, 1_000, 60.0
DAY = 86_400_000_000
START = int(np.datetime64("2026-03-02", "us").astype(np.int64))
VERSION = "2"
PLAN = f"""
[experiment]
id = "trust"
unit = "unit"
control = "control"
shares = {{ control = 1, treatment = 1 }}
inference = "confidence_sequence"
planned_units = {USERS}
[source]
exposures = "exposures.parquet"
events = "events.parquet"
[[metrics]]
id = "revenue"
kind = "mean"
value = "revenue"
role = "primary"
covariates = {{ window_days = 14 }}
[[metrics]]
id = "buyers"
kind = "proportion"
where = {{ is_order = 1 }}
[[metrics]]
id = "revenue_per_visit"
kind = "ratio"
value = "revenue"
denominator = {{ aggregation = "count" }}
covariates = {{ window_days = 14 }}
"""


def main(data: Path, repeat: int, peers: bool) -> None:
    """Times it, prints what it took against the limit, and writes that to the results folder."""
    del peers
    experiment = ensure(data)
    taken = sorted((measured(experiment) for _ in range(repeat)), key=lambda each: each[0])
    seconds, cpu, found = taken[0]
    lines = [
        "# Speed of trust",
        "",
        (__doc__ or "").split("\n\n", 1)[1].replace("\n", " ").strip(),
        "",
        f"{found.units:,} users, {found.looks} looks, {len(found.metrics)} metrics, {found.runs:,} runs, "
        f"on the units {found.days_back} days before.",
        "",
        "| seconds | limit | | CPU seconds |",
        "|---:|---:|---|---:|",
        f"| {seconds:.1f} | {LIMIT:g} | {'met' if seconds <= LIMIT else '**missed**'} | {cpu:.1f} |",
        "",
        f"{', '.join(f'{name} {value}' for name, value in machine().items())}; {repeat} rounds.",
        "",
    ]
    print(text := "\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "trust_speed.md").write_text(text, encoding="utf-8")
    facts: dict[str, Any] = {"seconds": [each[0] for each in taken], "cpu": cpu, "machine": machine()}
    (RESULTS / "trust_speed.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def measured(experiment: Experiment) -> tuple[float, float, Trust]:
    """Seconds, CPU seconds of all threads, and what was found."""
    start, before = time.perf_counter(), time.process_time()
    found = trust(experiment, runs=RUNS, rng=np.random.default_rng(1))
    return time.perf_counter() - start, time.process_time() - before, found


def ensure(data: Path) -> Experiment:
    """The experiment and its facts, generated if they are not there: 14 million visits, of which a fifth buy."""
    folder = data / f"trust-{VERSION}"
    file = folder / "trust.toml"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"generating {USERS:,} users in {folder} ...", flush=True)
        rng = np.random.default_rng(20260302)
        first = START + (rng.random(USERS) * ENTRY * DAY).astype(np.int64)
        arm = np.where(rng.random(USERS) < 0.5, "control", "treatment")
        _write(folder / "exposures.parquet", {"unit": np.arange(USERS), "time": first, "arm": arm})
        events = 14 * USERS
        taste = rng.gamma(2.0, 0.5, USERS)
        unit = rng.choice(USERS, events, p=taste / taste.sum())
        when = np.sort(START - BEFORE * DAY + (rng.random(events) * (BEFORE + LOOKS) * DAY).astype(np.int64))
        is_order = rng.random(events) < 0.2
        revenue = np.where(is_order, np.round(rng.lognormal(3, 1, events), 2), 0.0)
        columns = {"unit": unit, "time": when, "is_order": is_order.astype(np.int8), "revenue": revenue}
        _write(folder / "events.parquet", columns)
        file.write_text(PLAN, encoding="utf-8")
    return load_experiment(file)


def _write(file: Path, columns: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: pa.array(values) for name, values in columns.items()}
    arrays["time"] = arrays["time"].cast(pa.timestamp("us"))
    pq.write_table(pa.table(arrays), file, compression="zstd", row_group_size=1_000_000)
