"""How much CPU a readout costs, beside a bare scan of the same columns and beside tea-tasting, in one run.

Each task is a fresh process. Its CPU seconds are user + system over all threads, from start to end: the interpreter and
imports are in, for all alike. `inside` leaves out the start and the imports. Tasks take turns, and medians are compared.
"""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks._facts import ensure

RESULTS = Path(__file__).with_name("results")
WORDS = {
    "scan": "bare DuckDB scan-and-sum of the same columns",
    "final": "final readout, 3 CUPED metrics (one a ratio)",
    "looks": "28 daily looks",
    "segments": "24 segments x 28 looks",
    "dimensions": "3 dimensions of 8 segments x 28 looks",
    "shuffled": "24 segments x 28 looks, events in no order",
    "tea_final": "tea-tasting: final readout",
    "tea_segments": "tea-tasting: 24 segments x 28 looks",
}
PEERS = ("tea_final", "tea_segments")
GIB = 1 << 30


@dataclass(slots=True)
class Timing:
    """CPU seconds, CPU seconds without start and imports, and peak memory in bytes, of each repetition."""

    cpu: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def middle(self) -> float:
        """Median CPU seconds of a whole process."""
        return statistics.median(self.cpu)


@dataclass(frozen=True, slots=True)
class Target:
    """A measured ratio (or size) and the limit that it must keep."""

    name: str
    value: float
    limit: float
    least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit

    def row(self) -> str:
        """A line of a Markdown table."""
        sign = ">=" if self.least else "<="
        return f"| {self.name} | {self.value:.2f} | {sign} {self.limit:g} | {'met' if self.met else '**missed**'} |"


def main(data: Path, repeat: int, peers: bool) -> None:
    """Runs all tasks `repeat` times in turn, prints the tables and writes them to the results folder."""
    folder = ensure(data)
    tasks = [task for task in WORDS if peers or task not in PEERS]
    timings = {task: Timing() for task in tasks}
    for turn in range(repeat):
        for task in tasks:
            if task == "tea_segments" and turn > 0:
                continue
            measure(task, folder, timings[task])
            print(f"{turn + 1}/{repeat} {WORDS[task]}: {timings[task].cpu[-1]:.2f} CPU s", flush=True)
    text = report(timings, repeat)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "readout_speed.md").write_text(text, encoding="utf-8")
    facts = {
        "timings": {task: asdict(timing) for task, timing in timings.items()},
        "targets": [asdict(target) | {"met": target.met} for target in targets(timings)],
        "machine": machine(),
    }
    (RESULTS / "readout_speed.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def measure(task: str, folder: Path, timing: Timing) -> None:
    """Runs one task in a process of its own and adds what it took."""
    command = [sys.executable, "-m", "tests.benchmarks._readout_tasks", task, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"task {task} ended with {process.returncode}; run {' '.join(command)}")
    timing.told = json.loads(said)
    timing.cpu.append(usage.ru_utime + usage.ru_stime)
    timing.inside.append(timing.told.pop("inside"))
    timing.peak.append(usage.ru_maxrss * 1024)


def targets(timings: dict[str, Timing]) -> list[Target]:
    """The ratios that the design promises."""
    cpu = {task: timing.middle() for task, timing in timings.items()}
    peak = max(max(timings[task].peak) for task in timings if task not in PEERS)
    found = [
        Target("final readout / bare scan", cpu["final"] / cpu["scan"], 4),
        Target("28 looks / final readout", cpu["looks"] / cpu["final"], 2),
        Target("24 segments x 28 looks / final readout", cpu["segments"] / cpu["final"], 3),
        Target("3 x 8 segments x 28 looks / final readout", cpu["dimensions"] / cpu["final"], 3),
        Target("peak memory of any of these, GiB", peak / GIB, 1.5),
    ]
    if "tea_final" in cpu:
        found += [
            Target("tea-tasting / Holdout, final readout", cpu["tea_final"] / cpu["final"], 3, least=True),
            Target("tea-tasting / Holdout, 24 x 28", cpu["tea_segments"] / cpu["segments"], 20, least=True),
        ]
    return found


def report(timings: dict[str, Timing], repeat: int) -> str:
    """The tables in Markdown."""
    rows = [
        f"| {WORDS[task]} | {t.middle():.2f} | {min(t.cpu):.2f} | {statistics.median(t.inside):.2f} "
        f"| {max(t.peak) / GIB:.2f} | {len(t.cpu)} |"
        for task, t in timings.items()
    ]
    lines = [
        "# Speed of a readout",
        "",
        (__doc__ or "").split("\n\n", 1)[1].replace("\n", " ").strip(),
        "",
        "2,000,000 users, 2.7 million exposures (0.2 % of users in both arms), 20,000,000 events in 42 days, Parquet with",
        "zstd. tea-tasting gets one aggregation by DuckDB through Ibis a look, for all groups at once; its 24 x 28 run is",
        "measured once, in full.",
        "",
        "| task | CPU s, median | minimum | inside | peak GiB | runs |",
        "|---|---:|---:|---:|---:|---:|",
        *rows,
        "",
        "| ratio | measured | target | |",
        "|---|---:|---:|---|",
        *(target.row() for target in targets(timings)),
        "",
        f"{', '.join(f'{name} {value}' for name, value in machine().items())}; {repeat} rounds.",
        "",
    ]
    return "\n".join(lines)


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    found = {name: version(name) for name in ("duckdb", "numpy", "pyarrow")}
    with contextlib.suppress(ModuleNotFoundError):
        found["tea-tasting"] = version("tea-tasting")
    return {"Python": platform.python_version(), "cores": str(os.cpu_count()), **found}
