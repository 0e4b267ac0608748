"""The demo in a workspace: built once, completed after a kill, never mixed with other facts."""

import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdout import app
from recsys.world import DESIGNS, EnginePolicy, Policy, Shop, ShopError, ShopPlan, build
from recsys.world.policy import SIZES, SURFACES
from store import Workspace
from tests.recsys.world.a_shop import facts

ROOT = Path(__file__).resolve().parents[3]
PLAN = ShopPlan(people=300, days=42, seed=5, experiments=28)
KILLED = """
import os, signal, sys
import recsys.world.building as building
from recsys.world import build
building.PEOPLE_DAYS = 20 * 300
def progress(message):
    if sys.argv[2] in message:
        os.kill(os.getpid(), signal.SIGKILL)
build(sys.argv[1], people=300, days=42, seed=5, progress=progress)
"""


def rows(workspace: Workspace) -> dict[str, int]:
    return {name: workspace.lake.table(name).count().execute() for name in workspace.lake.versions()}


def is_complete(folder: Path) -> bool:
    workspace = Workspace.open(folder)
    files = {file.stem for file in workspace.experiments.glob("*.toml")}
    return rows(workspace) == {name: len(table) for name, table in facts(PLAN).items()} and files == {
        record.id for record in workspace.registry.experiments()
    } == {design.id for design in DESIGNS}


def test_a_second_build_does_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    build(tmp_path / "demo", people=300, days=42, seed=5, progress=said.append)
    assert said[0] == "Simulating 300 people for 42 days" and said[-1] == "Writing the experiments"
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "demo").rglob("*")}
    said.clear()
    build(tmp_path / "demo", people=300, days=42, seed=5, progress=said.append)
    assert not said and before == {file: file.stat().st_mtime_ns for file in (tmp_path / "demo").rglob("*")}
    assert is_complete(tmp_path / "demo")


@pytest.mark.parametrize("moment", ["Simulating", "days 21 to 40", "Writing the experiments"])
def test_a_killed_build_is_completed_by_the_next(tmp_path: Path, moment: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "demo"), moment], cwd=ROOT)
    assert killed.returncode == -9
    build(tmp_path / "demo", people=300, days=42, seed=5)
    assert is_complete(tmp_path / "demo")


def test_planned_units_follow_the_size_of_the_shop(tmp_path: Path) -> None:
    build(tmp_path, people=1_000, days=42)
    assert "planned_units = 800\n" in (tmp_path / "experiments" / "slate_ranker.toml").read_text()


def test_a_demo_of_another_seed_size_or_version_is_refused(tmp_path: Path) -> None:
    build(tmp_path, people=300, days=42, seed=5)
    with pytest.raises(ShopError, match="300 people with seed 5 .* 300 people with seed 6 .*Delete the folder"):
        build(tmp_path, people=300, days=42, seed=6)
    with pytest.raises(ShopError, match="300 people .* 400 people .*Delete the folder"):
        build(tmp_path, people=400, days=42, seed=5)


def test_a_workspace_with_other_facts_is_refused(tmp_path: Path) -> None:
    Workspace.create(tmp_path)
    with pytest.raises(ShopError, match="facts of its own"):
        build(tmp_path, people=300)


def test_too_few_days_for_experiments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShopError, match="30 days are too few.* take 42"):
        build(tmp_path, people=300, days=30)


def test_the_command_builds_a_shop_of_any_size_and_reads_its_experiments(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", str(tmp_path / "demo"), "--people", "1000", "--days", "42", "--train", "0"])
    assert done.exit_code == 0, done.output
    registry = Workspace.open(tmp_path / "demo").registry
    assert all(registry.latest_look(design.id) for design in DESIGNS)
    assert "Simulating 1,000 people for 42 days" in done.output and "slate_ranker: " in done.output


def test_an_engine_serves_the_later_days_after_the_plain_policy(tmp_path: Path) -> None:
    from recsys.engine.engine import Engine
    from recsys.world.demo import learning_days, switch

    opened: list[dict[str, int]] = []
    learnt: list[tuple[int, int]] = []

    class Untrained:
        def serving(self, workspace: Workspace, shop: Shop) -> AbstractContextManager[Policy]:
            opened.append(rows(workspace))
            return nullcontext(EnginePolicy(Engine.open(workspace), shop.names, shop.setting.draws))

        def learn(self, workspace: Workspace, days: int, policy: Policy) -> None:
            learnt.append((days, rows(workspace)["recommendations"]))

    for _ in range(2):
        build(tmp_path, people=300, days=42, seed=5, engine=Untrained())
    assert len(opened) == 1
    assert [switch(42) + days for days, _ in learnt] == [*learning_days(42)] == [31, 36, 40]
    assert opened[0]["recommendations"] < learnt[0][1] < learnt[1][1] < learnt[2][1]
    shop = Shop.open(PLAN)
    shown = Workspace.open(tmp_path).lake.table("recommendations").to_pyarrow()
    begins = shop.setting.calendar.at(switch(42) * 86_400)
    assert 0 < opened[0]["recommendations"] < len(shown)
    assert {row["policy"] == "plain-1" for row in shown.to_pylist() if row["time"] < begins} == {True}
    assert {row["policy"] == "plain-1" for row in shown.to_pylist() if row["time"] >= begins} == {False}
    assert {row["surface"] for row in shown.to_pylist() if row["time"] >= begins} == {*SURFACES}
    for served in (False, True):
        rows_of = [row for row in shown.to_pylist() if (row["time"] >= begins) == served]
        assert max(row["position"] for row in rows_of if row["surface"] == "homepage") == SIZES["homepage"]
        assert all(row["position"] <= SIZES[row["surface"]] for row in rows_of)


def test_what_a_kill_kept_an_engine_from_learning_it_learns_when_the_build_goes_on(tmp_path: Path) -> None:
    from recsys.engine.engine import Engine

    learnt: list[int] = []

    class Killed:
        def serving(self, workspace: Workspace, shop: Shop) -> AbstractContextManager[Policy]:
            return nullcontext(EnginePolicy(Engine.open(workspace), shop.names, shop.setting.draws))

        def learn(self, workspace: Workspace, days: int, policy: Policy) -> None:
            learnt.append(days)
            if learnt == [3, 8]:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, people=300, days=42, seed=5, engine=Killed())
    build(tmp_path, people=300, days=42, seed=5, engine=Killed())
    assert learnt == [3, 8, 8, 12]
