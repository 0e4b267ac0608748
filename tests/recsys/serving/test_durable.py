"""Before a segment of the journal goes, everything that has taken its place is on the disk: seen at the system's calls."""

import os
import stat
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from recsys.serving.drain import Drain
from recsys.serving.journal import Journal
from recsys.serving.rows import EVENTS, SLATE, answer, lines
from store import Workspace
from tests.recsys.serving.test_drain import a_slate, an_event


class Watch:
    """Which files, and which names in folders, were forced to the disk, and which of both before a segment went."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.synced: set[tuple[int, int]] = set()
        self.named: set[int] = set()
        self.before = self.synced, self.named
        fsync, unlink = os.fsync, Path.unlink

        def noted(number: int) -> None:
            fsync(number)
            forced = os.fstat(number)
            if stat.S_ISDIR(forced.st_mode):
                self.named |= {os.stat(name, dir_fd=number).st_ino for name in os.listdir(number)}
            else:
                self.synced.add((forced.st_ino, forced.st_size))

        def last(path: Path, missing_ok: bool = False) -> None:
            if path.suffix == ".closed":
                self.before = set(self.synced), set(self.named)
            unlink(path, missing_ok)

        patched.setattr(os, "fsync", noted)
        patched.setattr(Path, "unlink", last)

    def kept(self, paths: set[Path]) -> bool:
        """Whether all of this, as it is now, was on the disk under its name."""
        synced, named = self.before
        files = {(path.stat().st_ino, path.stat().st_size) for path in paths if path.is_file()}
        return files <= synced and {path.stat().st_ino for path in paths} <= named


def below(folder: Path) -> set[Path]:
    """A folder and all in it."""
    return {folder, *folder.rglob("*")}


def test_a_segment_goes_only_when_every_file_of_the_tables_and_every_name_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    drain, watch = Drain(journal, workspace.lake), Watch(monkeypatch)
    for round in range(2):
        watch.synced.clear()
        watch.named.clear()
        before = below(workspace.lake.path)
        journal.write(EVENTS, lines([an_event(f"e{round}")]))
        journal.write(SLATE, answer(a_slate()))
        assert drain.once() == 3
        new = below(workspace.lake.path) - before
        assert len([file for file in new if file.suffix == ".parquet"]) == 2
        names = set(journal.folder.glob(f"*{round + 1}.names"))
        assert len(names) == 1 and watch.kept(new | names)
    journal.close()


def test_commits_of_others_and_a_checkpoint_are_on_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader begins at the checkpoint: one that a power cut left empty would take the table with it."""
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    drain, watch = Drain(journal, workspace.lake), Watch(monkeypatch)
    row = pa.table({"unit_id": ["u1"], "kind": ["view"], "time": pa.array([0], pa.timestamp("us", "UTC"))})
    for number in range(3):
        workspace.lake.append("events", row, source=f"import {number}")
    DeltaTable(workspace.lake.path / "events").create_checkpoint()
    journal.write(EVENTS, lines([an_event("a")]))
    assert drain.once() == 1
    there = below(workspace.lake.path / "events")
    assert {file.name for file in there} >= {"_last_checkpoint", "00000000000000000003.checkpoint.parquet"}
    assert watch.kept(there)
    journal.close()


def some_events(unit: str) -> pa.Table:
    return pa.table({"unit_id": [unit], "kind": ["view"], "time": pa.array([0], pa.timestamp("us", "UTC"))})


def test_a_checkpoint_that_was_made_long_after_its_commit_is_on_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    drain, watch = Drain(journal, workspace.lake), Watch(monkeypatch)
    journal.write(EVENTS, lines([an_event("a")]))
    drain.once()
    late = DeltaTable(workspace.lake.path / "events")
    journal.write(EVENTS, lines([an_event("b")]))
    drain.once()
    late.create_checkpoint()
    journal.write(EVENTS, lines([an_event("c")]))
    drain.once()
    there = below(workspace.lake.path / "events")
    assert "00000000000000000001.checkpoint.parquet" in {file.name for file in there}
    assert watch.kept(there)
    journal.close()


def test_a_table_that_others_tidy_up_meanwhile_does_not_stop_the_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of commits that no drain has seen yet are put together and deleted, then the log is cut off too."""
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    lake = workspace.lake
    drain = Drain(journal, lake)
    for number in range(3):
        lake.append("events", some_events(f"u{number}"), source=f"import {number}")
    assert lake.join_small("events", many=3) == 3
    DeltaTable(lake.path / "events").vacuum(0, dry_run=False, enforce_retention_duration=False)
    journal.write(EVENTS, lines([an_event("a")]))
    assert drain.once() == 1
    lake.append("events", some_events("u3"), source="import 3")
    DeltaTable(lake.path / "events").create_checkpoint()
    for version in range(lake.version("events") or 0):
        (lake.path / "events" / "_delta_log" / f"{version:020}.json").unlink()
    lake.append("events", some_events("u4"), source="import 4")
    (lake.path / "events" / "_delta_log" / f"{(lake.version('events') or 0) - 1:020}.json").unlink()
    whole_machine: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: whole_machine.append(bool(journal.closed())))
    for name in ("b", "c"):
        journal.write(EVENTS, lines([an_event(name)]))
        assert drain.once() == 1
    # Once: from there on the log is whole again.
    assert whole_machine == [True]
    assert len(lake.table("events").to_pyarrow()) == 8 and journal.closed() == []
    journal.close()


def test_a_file_that_the_table_still_has_and_that_is_gone_keeps_the_segment(tmp_path: Path) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    drain = Drain(journal, workspace.lake)
    workspace.lake.append("events", some_events("u"), source="import")
    (file,) = (workspace.lake.path / "events").glob("*.parquet")
    file.unlink()
    journal.write(EVENTS, lines([an_event("a")]))
    with pytest.raises(FileNotFoundError):
        drain.once()
    assert len(journal.closed()) == 1
    journal.close()


def test_what_a_drain_committed_before_it_broke_is_on_the_disk_before_its_segment_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    drain, real = Drain(journal, workspace.lake), os.fsync
    journal.write(EVENTS, lines([an_event("a")]))
    journal.rotate()

    def failing(number: int) -> None:
        if os.fstat(number).st_ino in {file.stat().st_ino for file in workspace.lake.path.rglob("*.json")}:
            raise OSError("pulled")
        real(number)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="pulled"):
            drain.once()
    committed = below(workspace.lake.path / "events")
    watch = Watch(monkeypatch)
    assert drain.once() == 0
    assert below(workspace.lake.path / "events") == committed and watch.kept(committed)
    assert journal.closed() == []
    journal.close()


def test_what_a_process_that_was_killed_committed_is_on_the_disk_before_its_segment_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    first = Drain(journal, workspace.lake)
    journal.write(EVENTS, lines([an_event("a")]))
    journal.rotate()
    with monkeypatch.context() as patched:
        patched.setattr(first._durable, "sync", lambda table: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            first.once()
    whole_machine: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: whole_machine.append(bool(journal.closed())))
    assert Drain(journal, workspace.lake).once() == 0
    # That of before a drain's first commit: of what is older nobody knows whether it is on the disk.
    assert whole_machine == [True] and journal.closed() == []
    journal.close()
