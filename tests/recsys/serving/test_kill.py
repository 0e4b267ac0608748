"""Killed under load again and again: what was acknowledged is in the lake once, what was shown is there as it was shown."""

import http.client
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from store import Workspace
from tests.recsys.engine.workspaces import a_trained_shop
from tests.recsys.serving.served import PATIENCE, HoldoutServed, Served, served

KILLS, CLIENTS = 5, 4
# Events that are acknowledged between two kills, at least.
EACH_TIME = 30


def a_shop_with_an_engine(folder: Path, serving: str) -> Workspace:
    shutil.copytree(a_trained_shop().path, folder)
    return with_serving(folder, serving)


def a_shop(folder: Path, serving: str = "") -> Workspace:
    workspace = Workspace.create(folder)
    workspace.lake.append("items", pa.table({"item_id": [f"i{k}" for k in range(40)]}), source="items")
    return with_serving(folder, serving)


def with_serving(folder: Path, serving: str) -> Workspace:
    with (folder / "holdout.toml").open("a") as file:
        file.write(f"\n[serving]\n{serving}\n")
    return Workspace.open(folder)


class Client(threading.Thread):
    """Logs events until told to stop, each again and again under one name until it is acknowledged."""

    def __init__(self, server: Served, number: int) -> None:
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.ending = threading.Event()
        self.acknowledged: list[str] = []
        self.given_up: list[str] = []
        self.shown: list[dict[str, Any]] = []
        self.answers: Counter[str] = Counter()

    def run(self) -> None:
        count = 0
        while not self.ending.is_set():
            names = [f"{self.number}-{count}-{part}" for part in range(3)]
            count += 1
            (self.acknowledged if self._log(names) else self.given_up).extend(names)
            self._show()

    def _log(self, names: list[str]) -> bool:
        events = [{"event_id": name, "unit_id": "u1", "kind": "view", "item_id": "i3"} for name in names]
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                status, said = self.server.post("/v1/events", {"events": events})
            except (OSError, ValueError, http.client.HTTPException):
                self.answers["none"] += 1
                time.sleep(0.02)
                continue
            self.answers[str(status)] += 1
            if status == 202:
                assert said["accepted"] + said["duplicates"] == 3
                self.answers["duplicates"] += said["duplicates"]
                return True
        return False

    def _show(self) -> None:
        try:
            status, slate = self.server.post("/v1/recommend", {"user_id": "u1", "surface": "homepage", "size": 4})
        except (OSError, ValueError, http.client.HTTPException):
            return
        if status == 200:
            self.shown.append(slate)


def through_kills(server: Served, rng: random.Random) -> list[Client]:
    """Clients that logged and asked while the server was killed and came back."""
    clients = [Client(server, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in range(KILLS):
        wanted = sum(len(client.acknowledged) for client in clients) + EACH_TIME
        time.sleep(rng.uniform(0.2, 1.2))
        # However slow the machine is, there is something to lose.
        end = time.monotonic() + PATIENCE
        while sum(len(client.acknowledged) for client in clients) < wanted and time.monotonic() < end:
            time.sleep(0.02)
        server.kill()
        server.restart()
    time.sleep(0.5)
    for client in clients:
        client.ending.set()
    for client in clients:
        client.join(PATIENCE)
    return clients


@pytest.mark.parametrize(("made", "kind"), [(a_shop, Served), (a_shop_with_an_engine, HoldoutServed)])
def test_a_server_that_is_killed_under_load_loses_and_doubles_nothing(
    tmp_path: Path, made: Callable[[Path, str], Workspace], kind: type[Served]
) -> None:
    workspace = made(tmp_path / "shop", "drain_seconds = 0.3")
    before = set(ids(workspace, "events"))
    with served(workspace.path, kind) as server:
        clients = through_kills(server, random.Random(20261120))

    acknowledged = {name for client in clients for name in client.acknowledged}
    assert [name for client in clients for name in client.given_up] == []
    assert len(acknowledged) > 100
    kept = Counter(ids(workspace, "events"))
    assert set(kept) - before == acknowledged
    assert {kept[name] for name in acknowledged} == {1}
    rows = workspace.lake.table("recommendations").order_by(["slate_id", "position"]).to_pyarrow().to_pylist()
    there: dict[str, list[tuple[str, float]]] = {}
    for row in rows:
        there.setdefault(row["slate_id"], []).append((row["item_id"], row["propensity"]))
    shown = [slate for client in clients for slate in client.shown]
    assert len(shown) > 20
    for slate in shown:
        assert there[slate["slate_id"]] == [(each["item_id"], each["propensity"]) for each in slate["items"]]
    answers = sum((client.answers for client in clients), Counter())
    # A kill cut somebody's answer off, or this run tested nothing.
    assert answers["none"] > 0


def ids(workspace: Workspace, table: str) -> list[str]:
    return workspace.lake.table(table).select("event_id").to_pyarrow()["event_id"].to_pylist()


def test_events_of_before_a_kill_are_seen_by_the_engine_after_it(tmp_path: Path) -> None:
    workspace = a_shop(tmp_path / "shop", "drain_seconds = 3600")
    with served(workspace.path) as server:
        events = [{"event_id": str(k), "unit_id": "u1", "kind": "view", "item_id": "i7"} for k in range(900)]
        assert server.post("/v1/events", {"events": events})[0] == 202
        asked = {"user_id": "u1", "surface": "homepage", "size": 40}
        before = score(server, asked)
        server.kill()
        server.restart()
        assert score(server, asked) == before > 6
        assert server.post("/v1/events", {"events": events[:5]})[1] == {"accepted": 0, "duplicates": 5}


def score(server: Served, asked: dict[str, Any]) -> float:
    places = server.post("/v1/recommend", asked)[1]["items"]
    return next(float(place["score"]) for place in places if place["item_id"] == "i7")
