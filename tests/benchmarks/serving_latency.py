"""What a recommendation costs: a million items, histories of 50 acts, 300 candidates ranked, slates of 24, over HTTP.

`holdout serve` runs in a process of its own; requests come over loopback at random moments (exponential gaps), 100 a second
on average, whether or not earlier ones were answered, and a request's time counts from the moment at which it was due.
One in ten logs an event. The journal is on, and is drained into the lake meanwhile.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import _load
from tests.benchmarks._million import HISTORY, ITEMS, USERS, ensure, user
from tests.benchmarks.readout_speed import RESULTS, machine
from tests.recsys.serving.served import ROOT, Served, free_port

RATE, SECONDS, WARM = 100.0, 60, 500
LIMITS = {"CPU ms a request": 6.0, "p50 ms": 12.0, "p99 ms": 40.0, "recall@100": 0.98, "memory, MB": 2048.0}
# engine.md, section 3d: what each part took by itself, CPU ms.
STUDY = {"person's vector": "0.62", "nearest items": "0.49", "ranker": "1.85", "slate": "0.15"}
TICKS = os.sysconf("SC_CLK_TCK")


class HoldoutServe(Served):
    """`holdout serve` on a workspace."""

    def __init__(self, workspace: Path) -> None:
        self.port = free_port()
        verb = ["-m", "holdout", "serve", "--workspace", str(workspace), "--port", str(self.port)]
        self._command = [sys.executable, *verb]
        self.process = subprocess.Popen(self._command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def cpu(self) -> float:
        """Seconds so far, of all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> dict[str, float]:
        """Megabytes: its own, of mapped files, and the most of both together so far."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("Rss", "VmHWM"))}
        return {name: int(found[key]) / 1024 for name, key in MEMORY.items()}


# All that was clocked so far, the inner parts once.
TOTAL = "total"
MEMORY = {"own": "RssAnon", "mapped": "RssFile", "peak": "VmHWM"}


def main(data: Path, repeat: int, peers: bool) -> None:
    """Measures, prints the table and writes it to the results folder."""
    del peers
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    workspace = ensure(data)
    found = served(workspace.path, repeat)
    found |= json.loads(
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.serving_latency", str(workspace.path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    )
    print(text := as_text(found))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "serving_latency.md").write_text(text, encoding="utf-8")
    (RESULTS / "serving_latency.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def served(workspace: Path, repeat: int, rate: float = RATE) -> dict[str, Any]:
    """What is seen from outside."""
    begun = time.monotonic()
    server = HoldoutServe(workspace)
    try:
        server.wait(900)
        started = time.monotonic() - begun
        rng = np.random.default_rng(3)
        warm = _load.run(server.port, list(_requests(rng, WARM)), rate / 2, rng)
        rounds = [_round(server, rng, rate) for _ in range(repeat)]
        memory = server.memory()
        freshness = _freshness(server)
    finally:
        server.stop()
    assert set(warm.statuses) <= {200, 202, 503}, warm.statuses
    best = min(rounds, key=lambda each: each["p99 ms"])
    return {"start, s": started, "rounds": rounds, "best": best, "memory": memory, "fresh ms": freshness}


def _requests(rng: np.random.Generator, count: int) -> Iterator[bytes]:
    for number in range(count):
        who = user(int(rng.integers(0, USERS)))
        if number % 10 == 9:
            item = f"g{int(rng.integers(0, ITEMS)):07}"
            event = {"unit_id": who, "kind": "view", "item_id": item, "event_id": f"{rng.integers(2**62)}"}
            yield _load.request("/v1/events", json.dumps({"events": [event]}).encode())
        else:
            asked = {"user_id": who, "surface": "homepage", "size": 24}
            yield _load.request("/v1/recommend", json.dumps(asked).encode())


def _round(server: HoldoutServe, rng: np.random.Generator, rate: float) -> dict[str, Any]:
    requests = list(_requests(rng, int(rate * SECONDS)))
    cpu, begun = server.cpu(), time.monotonic()
    load = _load.run(server.port, requests, rate, rng)
    spent, seconds = server.cpu() - cpu, time.monotonic() - begun
    assert set(load.statuses) <= {200, 202, 503}, load.statuses
    shown = [load.percentile(share) for share in (50, 90, 99, 99.9)]
    names = ("p50 ms", "p90 ms", "p99 ms", "p99.9 ms")
    return {
        **dict(zip(names, shown, strict=True)),
        "CPU ms a request": spent * 1000 / len(requests),
        "requests a second": len(requests) / seconds,
        "sent away": load.statuses.get(503, 0),
        "sender late p99 ms": float(np.percentile(load.late, 99)) * 1000,
        "stages": {name: statistics.median(each) for name, each in load.stages.items()},
        "bytes": load.length / len(requests),
    }


def _freshness(server: HoldoutServe) -> list[float]:
    """Milliseconds from sending a purchase to having an answer that knows of it; fails where one does not."""
    taken = []
    for number in range(50):
        asked = {"user_id": user(number), "surface": "homepage", "size": 24}
        bought = server.post("/v1/recommend", asked)[1]["items"][0]["item_id"]
        event = {"unit_id": user(number), "kind": "purchase", "item_id": bought, "event_id": f"fresh {time.time_ns()}"}
        begun = time.perf_counter()
        assert server.post("/v1/events", {"events": [event]})[0] == 202
        after = server.post("/v1/recommend", asked)[1]["items"]
        taken.append((time.perf_counter() - begun) * 1000)
        assert bought not in {place["item_id"] for place in after}
    return [statistics.median(taken), max(taken)]


def inside(folder: Path, count: int = 400) -> dict[str, Any]:
    """Where the time of a request goes, CPU ms by part, and how much of the true nearest the index finds."""
    from recsys.engine.engine import Engine
    from recsys.serving.rows import answer
    from recsys.slate import Request
    from store import Workspace

    engine = Engine.open(Workspace.open(folder))
    rng = np.random.default_rng(5)

    def ask() -> Any:
        return engine.recommend(Request(user(int(rng.integers(0, USERS))), "homepage", datetime.now(UTC), size=24))

    for _ in range(50):
        ask()
    # As the server does when it has started.
    gc.collect()
    gc.freeze()
    whole, candidates = [], []
    with timed(engine) as spent:
        for _ in range(count):
            begun = time.process_time()
            slate = ask()
            whole.append((time.process_time() - begun) * 1000)
            candidates.append(slate.places[0].candidates)
            with clocked(spent, "JSON"):
                answer(slate)
    parts = {name: statistics.fmean(each) * 1000 * len(each) / count for name, each in spent.items()}
    parts.pop(TOTAL)
    json_ms = parts.pop("JSON")
    parts["rest of the engine"] = statistics.fmean(whole) - sum(parts.values())
    return {"parts": {**parts, "JSON": json_ms}, "engine ms": statistics.fmean(whole), "recall": _recall(engine, rng)}


def _recall(engine: Any, rng: np.random.Generator, queries: int = 400, k: int = 100) -> float:
    """Of real people's vectors, against all items."""
    from recsys.slate import Request
    from recsys.surfaces.surface import surface

    place, state, now = surface("homepage"), engine.state, datetime.now(UTC)
    asked = [Request(user(int(each)), "homepage", now) for each in rng.integers(0, USERS, queries)]
    vectors = engine._asked(place, asked, [state.people.number(each.user_id) for each in asked]).vectors
    found, _ = state.sources.index.search(vectors, k)
    hits = 0
    for row, vector in enumerate(vectors):
        scores = state.vectors @ vector
        hits += np.isin(np.argpartition(-scores, k)[:k], found[row]).sum()
    return hits / (queries * k)


@contextmanager
def clocked(spent: dict[str, list[float]], part: str) -> Iterator[None]:
    before = sum(spent[TOTAL])
    begun = time.process_time()
    yield
    whole = time.process_time() - begun
    within = sum(spent[TOTAL]) - before
    spent[part].append(whole - within)
    spent[TOTAL] = [before + whole]


@contextmanager
def timed(engine: Any) -> Iterator[dict[str, list[float]]]:
    """CPU seconds of every call of the parts; what a part spends inside another counts for the inner one alone."""
    from recsys.engine import engine as module
    from recsys.engine import scoring
    from recsys.engine.answer import Answer

    spent: dict[str, list[float]] = defaultdict(list)
    parts: list[tuple[Any, str, str]] = [
        (type(engine.state.people), "histories", "history"),
        (type(engine.state.encoder), "user_vectors", "person's vector"),
        (type(engine.state.sources.index), "search", "nearest items"),
        (scoring, "online_features", "features"),
        (module, "view_of", "what may be shown"),
        (type(engine.scoring.ranker), "read", "ranker"),
        (type(engine.scoring.ranker), "placed", "ranker"),
        (type(engine.state.sources), "_near", "what goes with the history"),
        (Answer, "slates", "answer in words"),
        (module, "compose", "slate"),
    ]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in parts]
    for owner, name, part in parts:
        setattr(owner, name, _clocked(getattr(owner, name), spent, part))
    try:
        yield spent
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def _clocked(function: Callable[..., Any], spent: dict[str, list[float]], part: str) -> Callable[..., Any]:
    def call(*args: Any, **more: Any) -> Any:
        with clocked(spent, part):
            return function(*args, **more)

    return call


def as_text(found: dict[str, Any]) -> str:
    """The page of results."""
    best, memory = found["best"], found["memory"]
    measured = {name: best[name] for name in ("CPU ms a request", "p50 ms", "p99 ms")}
    measured |= {"recall@100": found["recall"], "memory, MB": memory["own"] + memory["mapped"]}
    lines = ["# Latency of serving", "", *(__doc__ or "").split("\n"), ""]
    lines += ["| what | measured | limit | |", "|---|---:|---:|---|"]
    for name, limit in LIMITS.items():
        met = measured[name] >= limit if name == "recall@100" else measured[name] <= limit
        lines.append(f"| {name} | {measured[name]:,.4g} | {limit:,.4g} | {'met' if met else '**missed**'} |")
    median, most = found["fresh ms"]
    lines.append(f"| event to an answer that knows it, ms, median (most) | {median:.1f} ({most:.1f}) | 1,000 | met |")
    lines += [
        "",
        f"All rounds of {SECONDS} s, {len(found['rounds'])}; the table above shows the one with the least p99:",
        "",
    ]
    shown = [name for name in best if name not in ("stages", "bytes")]
    lines += [f"| {' | '.join(shown)} |", "|" + "---:|" * len(shown)]
    lines += [f"| {' | '.join(f'{each[name]:.2f}' for name in shown)} |" for each in found["rounds"]]
    lines += [
        "",
        "Where a recommendation's time goes, CPU ms on one thread, mean (the parts in one process without HTTP):",
        "",
    ]
    lines += ["| part | CPU ms | the study's part alone |", "|---|---:|---:|"]
    lines += [f"| {name} | {ms:.2f} | {STUDY.get(name, '')} |" for name, ms in found["parts"].items()]
    http = best["CPU ms a request"] - (found["engine ms"] * 0.9 + found["parts"]["JSON"] * 0.9)
    lines.append(f"| HTTP, checks, journal, drain, events (the rest of the whole) | {http:.2f} | |")
    lines.append(f"| **whole** | **{best['CPU ms a request']:.2f}** | |")
    lines += [
        "",
        f"Memory of the server after the rounds: {memory['own']:,.0f} MB its own, {memory['mapped']:,.0f} MB of mapped files; "
        f"at most {memory['peak']:,.0f} MB together, while it started. Start to first answer: {found['start, s']:.0f} s. "
        f"{ITEMS:,} items, {USERS:,} people with {HISTORY} acts each.",
        "",
        "recall@100 is of the people's own vectors, which a transformer with drawn weights makes: they lie between the items "
        "of a history and are harder queries than those of retrieval.md, which are drawn as items are. A trained encoder's "
        "were not measured.",
        "",
        f"{', '.join(f'{name} {value}' for name, value in machine().items())}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(inside(Path(sys.argv[1]))))
