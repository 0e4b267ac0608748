"""An import is all or none, whatever happens to it and whoever imports or reads beside it."""

import random
import signal
from collections import Counter
from pathlib import Path

import pytest
from import_workers import POINTS, PROCESSES, run_import, run_import_and_die, run_import_for

from store import Workspace, import_files

GOOD, BAD = 60_000, 60


def write_events(file: Path, day: int = 1, good: int = GOOD, bad: int = BAD) -> Path:
    with open(file, "w") as out:
        out.write("unit_id,time,kind,value\n")
        out.writelines(f"day{day}_{n},2025-01-{day:02d},purchase,{n}\n" for n in range(good))
        out.writelines(f"bad{day}_{n},2025-01-{day:02d},purchase,much\n" for n in range(bad))
    return file


def write_users(file: Path, first: int = 0, good: int = GOOD, bad: int = BAD) -> Path:
    with open(file, "w") as out:
        out.write("user_id,first_seen\n")
        out.writelines(f"u{n},2025-01-01\n" for n in range(first, first + good))
        out.writelines(f"u{n},2025-01-02\n" for n in range(first, first + bad))
    return file


WRITE = {"events": write_events, "users": write_users}


def visible(workspace: Workspace, table: str) -> tuple[int, int]:
    """How many good and bad rows a reader sees."""
    counted = (workspace.lake.table(name).count().execute() for name in (table, "quarantine"))
    good, bad = counted
    return good, bad


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("table", ["events", "users"])
def test_a_kill_at_any_step_leaves_all_or_none_and_a_second_import_completes_it(
    workspace: Workspace, tmp_path: Path, table: str, point: str
) -> None:
    file = WRITE[table](tmp_path / "rows.csv", good=1000, bad=10)
    child = PROCESSES.Process(target=run_import_and_die, args=(workspace.path, table, file, point))
    child.start()
    child.join()
    assert child.exitcode == -9
    assert visible(workspace, table) == ((1000, 10) if point == "rows committed" else (0, 0))
    report = import_files(workspace, table, [file])
    assert report.files[0].already_imported == (point == "rows committed")
    assert visible(workspace, table) == (1000, 10)


@pytest.mark.parametrize("table", ["events", "users"])
def test_a_kill_at_any_moment_leaves_all_or_none_and_a_second_import_completes_it(tmp_path: Path, table: str) -> None:
    file = WRITE[table](tmp_path / "rows.csv", good=1000, bad=10)
    moments, outcomes, longest = random.Random(2), Counter(), 0.03
    for trial in range(12):
        workspace, moment = Workspace.create(tmp_path / f"shop {trial}"), moments.uniform(0.001, longest)
        child = PROCESSES.Process(target=run_import_for, args=(workspace.path, table, file, moment))
        child.start()
        child.join()
        if child.exitcode == 0:
            longest = moment
        outcomes[visible(workspace, table), child.exitcode] += 1
        import_files(workspace, table, [file])
        assert visible(workspace, table) == (1000, 10)
    assert {seen for seen, _ in outcomes} <= {(0, 0), (1000, 10)}, outcomes
    assert outcomes[(0, 0), -signal.SIGPROF], "no trial was killed in time"


def test_two_imports_at_once_both_land(workspace: Workspace, tmp_path: Path) -> None:
    files = [write_events(tmp_path / f"{day}.csv", day) for day in (1, 2)]
    at_once(workspace, "events", files)
    assert visible(workspace, "events") == (2 * GOOD, 2 * BAD)


def test_eight_imports_of_the_same_file_at_once_land_once(workspace: Workspace, tmp_path: Path) -> None:
    file = write_events(tmp_path / "rows.csv", good=5000)
    at_once(workspace, "events", [file] * 8)
    assert visible(workspace, "events") == (5000, BAD)


def test_imports_at_once_with_the_same_people_keep_each_person_once(workspace: Workspace, tmp_path: Path) -> None:
    files = [write_users(tmp_path / f"{first}.csv", first, good=1000, bad=0) for first in (0, 500, 250, 750)]
    at_once(workspace, "users", files)
    assert workspace.lake.table("users").user_id.nunique().execute() == 1750
    assert visible(workspace, "users") == (1750, 4 * 1000 - 1750)


def test_a_reader_never_sees_half_of_a_file(workspace: Workspace, tmp_path: Path) -> None:
    files = [write_events(tmp_path / f"{day}.csv", day) for day in range(1, 7)]
    child = PROCESSES.Process(target=run_import, args=(workspace.path, "events", files))
    child.start()
    seen = []
    while child.is_alive():
        events, bad = (workspace.lake.table(name) for name in ("events", "quarantine"))
        days = events.group_by(events.time.day()).agg(n=events.count()).to_pyarrow()
        assert set(days["n"].to_pylist()) <= {GOOD}
        assert bad.count().execute() % BAD == 0
        seen.append(len(days))
    child.join()
    assert child.exitcode == 0 and seen == sorted(seen)
    assert len(set(seen)) > 2, "the reader was too slow to see anything between"
    assert visible(workspace, "events") == (6 * GOOD, 6 * BAD)


def at_once(workspace: Workspace, table: str, files: list[Path]) -> None:
    children = [PROCESSES.Process(target=run_import, args=(workspace.path, table, [file])) for file in files]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * len(files)
