"""A shop in a workspace: lived once, completed after a kill, never mixed with other facts; an engine serves in it."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import ModelError, ShopError
from recsys.slate import Place, Request, Slate
from recsys.world import Shop, ShopPlan
from recsys.world.building import Building
from recsys.world.engine_policy import EnginePolicy
from recsys.world.policy import SIZES
from recsys.world.state import ShopState
from store import Workspace

ROOT = Path(__file__).resolve().parents[3]
PLAN = ShopPlan(people=300, days=16, seed=9)
TABLES = ("users", "items", "prices", "friendships", "communities", "events", "recommendations", "offers")
KILLED = """
import os, signal, sys
import recsys.world.building as builder
from recsys.world import ShopPlan
from store import Workspace
builder.PEOPLE_DAYS = 4 * 300
function, calls = sys.argv[2], int(sys.argv[3])
plain = getattr(builder.Building, function)
def deadly(self, *rest):
    global calls
    calls -= 1
    if calls < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, *rest)
workspace = Workspace.create(sys.argv[1])
building = builder.Building(workspace, ShopPlan(people=300, days=16, seed=9))
setattr(builder.Building, function, deadly)
policy = building.shop.plain
if sys.argv[4:] == ["by chance"]:
    from dataclasses import replace
    from recsys.world.draws import Draws
    policy = replace(policy, draws=Draws(int.from_bytes(os.urandom(8), "big")))
building.until(16, policy)
"""


def contents(folder: Path) -> dict[str, list[dict]]:
    lake = Workspace.open(folder).lake
    return {
        name: sorted(lake.table(name).to_pyarrow().to_pylist(), key=lambda row: str(sorted(row.items(), key=str)))
        for name in TABLES
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "whole"
    building = Building(Workspace.create(folder), PLAN)
    building.until(PLAN.days, building.shop.plain)
    return folder


# Landing: the standing facts are five tables, then a block has three. Killed while one is lived, and between tables.
@pytest.mark.parametrize(("function", "calls"), [("_append", 2), ("_live", 1), ("_append", 6), ("_land", 2)])
def test_a_killed_build_is_completed_to_the_same_facts(whole: Path, tmp_path: Path, function: str, calls: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "shop"), function, str(calls)], cwd=ROOT)
    assert done.returncode == -9
    building = Building(Workspace.open(tmp_path / "shop"), PLAN)
    assert building.day < PLAN.days
    building.until(PLAN.days, building.shop.plain)
    assert contents(tmp_path / "shop") == contents(whole)


def test_days_of_a_policy_that_never_answers_alike_land_wholly_or_not_at_all(tmp_path: Path) -> None:
    """Killed with the events of the second block in the lake and its slates not: those are of the same life."""
    command = [sys.executable, "-c", KILLED, str(tmp_path / "shop"), "_append", "9", "by chance"]
    assert subprocess.run(command, cwd=ROOT).returncode == -9
    before = {name: Workspace.open(tmp_path / "shop").lake.version(name) for name in ("events", "recommendations")}
    building = Building(Workspace.open(tmp_path / "shop"), PLAN)
    lake = building.workspace.lake
    after = {name: lake.version(name) for name in before}
    assert building.day == 8 and before["events"] == after["events"]
    assert before["recommendations"] < after["recommendations"]
    shown = {(row["slate_id"], row["item_id"]) for row in lake.table("recommendations").to_pyarrow().to_pylist()}
    acts = [row for row in lake.table("events").to_pyarrow().to_pylist() if row["slate_id"]]
    assert len(acts) > 300 and {(row["slate_id"], row["item_id"]) for row in acts} <= shown


def test_a_finished_shop_is_left_as_it_is(whole: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (whole / "lake").rglob("*")}
    building = Building(Workspace.open(whole), PLAN)
    assert building.day == PLAN.days
    building.until(PLAN.days, building.shop.plain)
    assert before == {file: file.stat().st_mtime_ns for file in (whole / "lake").rglob("*")}


def test_another_plan_and_a_workspace_with_other_facts_are_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ShopError, match="with seed 9 .* with seed 10 .*Delete the folder"):
        Building(Workspace.open(whole), ShopPlan(people=300, days=16, seed=10))
    other = Workspace.create(tmp_path / "other")
    other.lake.append("communities", Shop.open(PLAN).standing()["communities"], source="a file")
    with pytest.raises(ShopError, match="facts of its own"):
        Building(other, PLAN)


def test_a_saved_state_is_read_as_it_was(tmp_path: Path) -> None:
    shop = Shop.open(PLAN)
    for _ in shop.until(8, shop.plain):
        pass
    shop.state.save(tmp_path / "state.npz")
    ShopState.load(tmp_path / "state.npz").save(tmp_path / "again.npz")
    assert (tmp_path / "state.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


class Cheapest:
    """The plainest engine: the cheapest items for everybody, in a fair order of the first two."""

    def __init__(self, items: Sequence[str]) -> None:
        self.items, self.requests, self.events = items, [], 0

    def recommend_batch(self, requests: Sequence[Request]) -> list[Slate]:
        self.requests += requests
        return [self._slate(request) for request in requests]

    def observe(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.events += len(events)

    def _slate(self, request: Request) -> Slate:
        shown = [item for item in self.items if item not in request.items][:4]
        places = tuple(
            Place(item, k + 1, 0.5 if k < 2 else 1.0, 1.0 - k, 2, {"click": 0.25}, "Cheap")
            for k, item in enumerate(shown)
        )
        return Slate("own name", request, "cheapest-1", "model-7", places)


def test_an_engine_serves_the_later_days_through_requests_and_is_told_what_happened(tmp_path: Path) -> None:
    building = Building(Workspace.create(tmp_path / "shop"), PLAN)
    building.until(10, building.shop.plain)
    engine = Cheapest([f"i{k:04d}" for k in range(1_200)])
    building.until(PLAN.days, EnginePolicy(engine, building.shop.names, building.shop.setting.draws))
    lake = Workspace.open(tmp_path / "shop").lake
    rows = lake.table("recommendations").to_pyarrow().to_pylist()
    later = [row for row in rows if row["policy"] == "cheapest-1"]
    assert {row["time"].date() for row in later}.isdisjoint(
        {row["time"].date() for row in rows if row["policy"] == "plain-1"}
    )
    assert {(row["model"], row["reason"], row["p_click"], row["p_cart"]) for row in later} == {
        ("model-7", "Cheap", 0.25, None)
    }
    assert len({row["slate_id"] for row in later}) == len(engine.requests) == len({(r.seed) for r in engine.requests})
    assert {(row["user_id"], row["surface"], row["time"]) for row in later} == {
        (r.user_id, r.surface, r.time) for r in engine.requests
    }
    assert all(request.items for request in engine.requests if request.surface != "homepage")
    assert all(request.size == SIZES[request.surface] for request in engine.requests)
    events = lake.table("events").to_pyarrow().to_pylist()
    first = min(row["time"] for row in later).date()
    assert engine.events == sum(row["time"].date() >= first for row in events) > 500


def test_an_engine_that_shows_what_the_shop_does_not_have_is_named(tmp_path: Path) -> None:
    shop = Shop.open(PLAN)
    with pytest.raises(ModelError, match="'zz', which is no item"):
        next(shop.until(3, EnginePolicy(Cheapest(["zz"]), shop.names, shop.setting.draws)))


def test_a_shop_of_a_thousand_people_lives_a_month_in_a_few_seconds() -> None:
    from time import process_time

    begun, shop = process_time(), Shop.open(ShopPlan(people=1_000, days=30))
    rows = sum(len(table) for tables in shop.until(30, shop.plain) for table in tables.values())
    assert rows > 80_000 and process_time() - begun < 10
