"""The demo shop in a workspace: built once, completed after a kill, never mixed with other facts."""

import subprocess
import sys
from pathlib import Path

import pytest

from recsys.world import World, WorldError, build
from store import Workspace

ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import os, signal, sys
from recsys.world import build
def progress(message):
    if sys.argv[2] in message:
        os.kill(os.getpid(), signal.SIGKILL)
build(sys.argv[1], people=1_500, seed=5, progress=progress)
"""


def rows(workspace: Workspace) -> dict[str, int]:
    return {name: workspace.lake.table(name).count().execute() for name in workspace.lake.versions()}


def is_complete(folder: Path) -> bool:
    workspace, simulation = Workspace.open(folder), World(1_500, 5).simulate()
    files = {file.stem for file in workspace.experiments.glob("*.toml")}
    return (
        rows(workspace) == {name: len(table) for name, table in simulation.tables.items()}
        and files == {record.id for record in workspace.registry.experiments()} == set(simulation.truth.effects)
        and build(folder, people=1_500, seed=5) == simulation.truth
    )


def test_a_second_build_does_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    first = build(tmp_path / "demo", people=1_500, seed=5, progress=said.append)
    assert said[0] == "Simulating 1,500 people" and said[-1] == "Writing the experiments"
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "demo").rglob("*")}
    said.clear()
    assert build(tmp_path / "demo", people=1_500, seed=5, progress=said.append) == first
    assert not said and before == {file: file.stat().st_mtime_ns for file in (tmp_path / "demo").rglob("*")}
    assert is_complete(tmp_path / "demo")


@pytest.mark.parametrize("moment", ["Simulating", "exposures", "Writing the experiments"])
def test_a_killed_build_is_completed_by_the_next(tmp_path: Path, moment: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "demo"), moment], cwd=ROOT)
    assert killed.returncode == -9
    build(tmp_path / "demo", people=1_500, seed=5)
    assert is_complete(tmp_path / "demo")


def test_planned_units_follow_the_size_of_the_shop(tmp_path: Path) -> None:
    build(tmp_path, people=6_000)
    assert "planned_units = 1220\n" in (tmp_path / "experiments" / "slate_ranker.toml").read_text()


def test_a_demo_of_another_seed_or_size_is_refused(tmp_path: Path) -> None:
    build(tmp_path, people=1_500, seed=5)
    with pytest.raises(WorldError, match="1500 people with seed 5.* 1500 with seed 6. Delete the folder"):
        build(tmp_path, people=1_500, seed=6)


def test_a_workspace_with_other_facts_is_refused(tmp_path: Path) -> None:
    Workspace.create(tmp_path)
    with pytest.raises(WorldError, match="facts of its own"):
        build(tmp_path, people=1_500)
