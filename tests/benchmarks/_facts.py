"""The seeded facts that the readout is timed on: 2 million users, 20 million events."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

USERS, EVENTS, AGAIN = 2_000_000, 20_000_000, 700_000
DAYS, BEFORE = 28, 14
CROSSED = 0.002
DAY = 86_400_000_000
START = int(np.datetime64("2026-03-01", "us").astype(np.int64))
VERSION = "1"


def ensure(folder: Path) -> Path:
    """The folder with exposures.parquet and events.parquet, generated if it is not there."""
    folder = folder / f"readout-{VERSION}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"generating {USERS:,} users and {EVENTS:,} events in {folder} ...", flush=True)
        rng = np.random.default_rng(20260301)
        arm, first = _exposures(folder, rng)
        _events(folder, rng, arm, first)
        (folder / "done").touch()
    return folder


def _exposures(folder: Path, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Exposures in order of time, with duplicates and crossovers; returns arm and first exposure of each user."""
    first = START + (rng.random(USERS) * DAYS * DAY).astype(np.int64)
    arm = rng.random(USERS) < 0.5
    again = rng.integers(0, USERS, AGAIN)
    crossing = rng.choice(USERS, int(CROSSED * USERS), replace=False)
    unit = np.concatenate([np.arange(USERS), again, crossing])
    later = (rng.random(len(unit) - USERS) * 5 * DAY).astype(np.int64)
    time = np.concatenate([first, np.minimum(first[unit[USERS:]] + later, START + DAYS * DAY - 1)])
    shown = arm[unit]
    shown[-len(crossing) :] ^= True
    columns = {"unit": unit, "time": time, "arm": np.where(shown, "treatment", "control")}
    for name, levels in (("segment", 24), ("country", 8), ("device", 8), ("channel", 8)):
        columns[name] = np.array([f"{name} {k:02d}" for k in range(levels)])[rng.integers(0, levels, USERS)][unit]
    _write(folder / "exposures.parquet", columns, np.argsort(time, kind="stable"))
    return arm, first


def _events(folder: Path, rng: np.random.Generator, arm: NDArray[np.bool_], first: NDArray[np.int64]) -> None:
    """Events in order of time; the treatment sells 2 % more. A shuffled copy shows what the order is worth."""
    taste = rng.gamma(2.0, 0.5, USERS)
    unit = rng.choice(USERS, EVENTS, p=taste / taste.sum())
    time = START - BEFORE * DAY + (rng.random(EVENTS) * (BEFORE + DAYS) * DAY).astype(np.int64)
    treated = arm[unit] & (time >= first[unit])
    is_order = rng.random(EVENTS) < np.where(treated, 0.1224, 0.12)
    columns = {
        "unit": unit,
        "time": time,
        "revenue": np.where(is_order, np.round(rng.lognormal(3, 1, EVENTS), 2), 0.0),
        "is_order": is_order.astype(np.int8),
        "sessions": (rng.random(EVENTS) < 0.4).astype(np.int16),
        "page": rng.integers(0, 5000, EVENTS).astype(np.int32),
    }
    _write(folder / "events.parquet", columns, np.argsort(time, kind="stable"))
    _write(folder / "events_shuffled.parquet", columns, rng.permutation(EVENTS))


def _write(file: Path, columns: dict[str, NDArray], order: NDArray[np.int64]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: pa.array(values[order]) for name, values in columns.items()}
    arrays["time"] = arrays["time"].cast(pa.timestamp("us"))
    pq.write_table(pa.table(arrays), file, compression="zstd", row_group_size=1_000_000)
