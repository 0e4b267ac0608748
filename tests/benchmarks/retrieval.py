"""The nearest 100 of 100,000 and of a million unit vectors, one query at a time on one thread: ours beside others."""

import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks._indexes import HNSWLIB, OURS, SETTINGS
from tests.benchmarks._vectors import vectors
from tests.benchmarks.readout_speed import RESULTS, machine

SETS = ((100_000, "overlapping"), (1_000_000, "overlapping"), (1_000_000, "separate"))
ROOT = Path(__file__).resolve().parents[2]
HEAD = "| index | setting | recall@100 | CPU ms a query, mean | p50 | p99 | build, CPU s | memory, MB | mapped, MB |"


def main(data: Path, repeat: int, peers: bool) -> None:
    """Writes results/retrieval.md; the files of vectors stay in `data`, others' rows are kept where they are not run."""
    kept = RESULTS / "retrieval.json"
    rows: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    for count, kind in SETS:
        vectors(data, count, kind)
        for name in _names(peers):
            rows.setdefault(f"{count:,} vectors, {kind} clusters", {})[name] = _measured(data, count, kind, name)
            kept.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    (RESULTS / "retrieval.md").write_text(_text(rows), "utf-8")


def _text(rows: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    said = ", ".join(f"{name} {number}" for name, number in machine().items())
    text = f"# Retrieval: the nearest 100, one query at a time, one thread\n\n{__doc__}\n"
    text += (
        "Vectors of 64 numbers in 2,000 clusters of unlike sizes, their variances decaying over the dimensions; "
        "`overlapping` clusters are\nas wide as their centres lie apart, `separate` ones 0.6 of that. 500 queries drawn "
        "alike. Memory is the process's own; mapped are\npages of files that the system may take back. CPU times on a "
        f"shared machine, the more it had to do the longer: {said}, faiss {version('faiss-cpu')}.\n"
    )
    for title, found in rows.items():
        known = [name for name in _names(peers=True) if name in found]
        lines = [HEAD, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
        lines += [_line(row) for name in known for row in found[name]]
        text += f"\n## {title}\n\n" + "\n".join(lines) + "\n"
    return text


def _names(peers: bool) -> list[str]:
    if not peers:
        return [OURS]
    known = [OURS, *SETTINGS]
    return [*known, HNSWLIB] if importlib.util.find_spec("hnswlib") else known


def _measured(data: Path, count: int, kind: str, name: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.benchmarks._indexes", str(data), str(count), kind, name]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    for row in rows:
        print(count, kind, _line(row), flush=True)
    return rows


def _line(row: dict[str, Any]) -> str:
    times = " | ".join(f"{row[name]:.2f}" for name in ("mean_ms", "p50_ms", "p99_ms"))
    rest = " | ".join(f"{row[name]:.0f}" if name in row else "" for name in ("build_s", "own_mb", "mapped_mb"))
    return f"| {row['index']} | {row['setting']} | {row['recall']:.4f} | {times} | {rest} |"
