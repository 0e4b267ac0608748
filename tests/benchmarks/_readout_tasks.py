"""One task of the readout benchmark in a process of its own: python -m tests.benchmarks._readout_tasks TASK FOLDER."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOKS = 28
DESIGN = """
[experiment]
id = "bench"
unit = "unit"
control = "control"
shares = {{ control = 1, treatment = 1 }}
planned_units = 2000000
segments = {segments}
[source]
exposures = "exposures.parquet"
events = "{events}"
[[metrics]]
id = "revenue"
kind = "mean"
value = "revenue"
role = "primary"
covariates = {{ window_days = 14 }}
[[metrics]]
id = "orders"
kind = "count"
aggregation = "sum"
value = "is_order"
covariates = {{ window_days = 14 }}
[[metrics]]
id = "orders_per_session"
kind = "ratio"
aggregation = "sum"
value = "is_order"
denominator = {{ value = "sessions" }}
covariates = {{ window_days = 14 }}
"""


def scan(folder: Path) -> dict[str, Any]:
    """The floor: DuckDB reads and sums every column that a readout needs, and nothing else."""
    import duckdb

    con = duckdb.connect()
    begin = time.process_time()
    for file, columns in {
        "exposures": "sum(unit), sum(epoch_us(time)), sum(length(arm))",
        "events": "sum(unit), sum(epoch_us(time)), sum(revenue), sum(is_order), sum(sessions)",
    }.items():
        con.execute(f"SELECT {columns} FROM read_parquet('{folder / file}.parquet')").fetchall()
    return {"inside": time.process_time() - begin}


def ours(folder: Path, *, segments: str = "[]", looks: str = "daily", events: str = "events.parquet") -> dict[str, Any]:
    """Facts to the JSON of a Readout."""
    from analysis import load_experiment, read_collected
    from analysis.collect import collect

    file = folder / f"bench-{len(segments)}-{events}.toml"
    file.write_text(DESIGN.format(segments=segments, events=events), encoding="utf-8")
    begin = time.process_time()
    experiment = load_experiment(file)
    collected = collect(experiment, looks=looks)  # type: ignore[arg-type]
    middle = time.process_time()
    readout = read_collected(experiment, collected)
    text = readout.to_json()
    last = {e.metric: e.unadjusted.absolute.estimate for e in readout.looks[-1].effects if e.segment is None}
    return {
        "inside": time.process_time() - begin, "statistics": time.process_time() - middle, "looks": len(readout.looks),
        "cells": len(readout.looks) * len(collected.segments), "json": len(text), "last": last,
    }  # fmt: skip


def tea(folder: Path, *, looks: int, segmented: bool) -> dict[str, Any]:
    """tea-tasting by its best path: DuckDB aggregates to units, then to sums for all groups at once, through Ibis."""
    import ibis
    import tea_tasting as tt
    from tea_tasting import aggr

    begin = time.process_time()
    con = ibis.duckdb.connect(memory_limit="8GB")
    experiment = tt.Experiment(
        revenue=tt.Mean("revenue", "revenue_before"),
        orders=tt.Mean("orders", "orders_before"),
        orders_per_session=tt.RatioOfMeans("orders", "sessions", "orders_before", "sessions_before"),
        variant="arm",
    )
    needs = experiment.metrics["revenue"].aggr_cols | experiment.metrics["orders"].aggr_cols  # type: ignore[union-attr]
    needs = needs | experiment.metrics["orders_per_session"].aggr_cols  # type: ignore[union-attr]
    last = {}
    for look in range(LOOKS - looks, LOOKS):
        units = con.create_table(f"units_{look}", _units(con, folder, look, segmented))
        sums = aggr.read_aggregates(
            units, "cell", has_count=True, mean_cols=needs.mean_cols, var_cols=needs.var_cols, cov_cols=needs.cov_cols
        )
        con.raw_sql(f"DROP TABLE units_{look}").fetchall()
        names = sorted({str(cell).split("|")[1] for cell in sums})  # type: ignore[union-attr]
        whole = {}
        for arm in ("control", "treatment"):
            parts = [sums[f"{arm}|{name}"] for name in names]  # type: ignore[index]
            whole[arm] = parts[0]
            for part in parts[1:]:
                whole[arm] = whole[arm] + part
        results = [experiment.analyze(whole, control="control")]
        for name in names if segmented else ():
            pair = {arm: sums[f"{arm}|{name}"] for arm in ("control", "treatment")}  # type: ignore[index]
            results.append(experiment.analyze(pair, control="control"))
        text = json.dumps([result.to_dicts() for result in results], default=str)
        last = {row["metric"]: float(row["effect_size"]) for row in results[0].to_dicts()}
    return {"inside": time.process_time() - begin, "json": len(text), "effects": last}


def _units(con: Any, folder: Path, look: int, segmented: bool) -> Any:
    """One row a user who was exposed before the end of day `look`: first exposure, and sums on both sides of it."""
    import datetime

    import ibis

    end = datetime.datetime(2026, 3, 1) + datetime.timedelta(days=look + 1)
    exposures = con.read_parquet(folder / "exposures.parquet")
    events = con.read_parquet(folder / "events.parquet")
    exposures, events = exposures.filter(exposures.time < end), events.filter(events.time < end)
    level = exposures.segment.argmin(exposures.time) if segmented else ibis.literal("all")
    users = exposures.group_by("unit").agg(
        first=exposures.time.min(), arm=exposures.arm.min(), other=exposures.arm.max(), level=level
    )
    users = users.filter(users.arm == users.other)
    facts = events.join(users.select("unit", "first"), "unit")
    facts = facts.filter(facts.time >= facts["first"] - ibis.interval(days=14))
    after = facts.time >= facts["first"]
    sums = {}
    for name, column in (("revenue", "revenue"), ("orders", "is_order"), ("sessions", "sessions")):
        sums[name] = facts[column].sum(where=after)
        sums[f"{name}_before"] = facts[column].sum(where=~after)
    done = users.left_join(facts.group_by("unit").agg(**sums), "unit")
    return done.select(
        cell=done.arm + "|" + done.level, **{name: done[name].cast("float64").fill_null(0.0) for name in sums}
    )


THREE = '["country", "device", "channel"]'
TASKS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "scan": scan,
    "final": lambda folder: ours(folder, looks="last"),
    "looks": lambda folder: ours(folder),
    "segments": lambda folder: ours(folder, segments='["segment"]'),
    "dimensions": lambda folder: ours(folder, segments=THREE),
    "shuffled": lambda folder: ours(folder, segments='["segment"]', events="events_shuffled.parquet"),
    "tea_final": lambda folder: tea(folder, looks=1, segmented=False),
    "tea_segments": lambda folder: tea(folder, looks=LOOKS, segmented=True),
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](Path(sys.argv[2]))))
