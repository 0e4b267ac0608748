"""Small files become one, and nothing else changes: not the rows, not the past, not what was imported."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import Workspace, contract
from store.lake import Lake

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


def shown(number: int, rows: int = 1) -> pa.Table:
    made = {"experiment_id": ["e"] * rows, "unit_id": [f"u{number}_{k}" for k in range(rows)], "arm": ["A"] * rows}
    return pa.table(made | {"time": [NOON + timedelta(minutes=number)] * rows})


def fill(lake: Lake, first: int, last: int, rows: int = 1) -> None:
    for number in range(first, last):
        lake.append("exposures", shown(number, rows), source=str(number))


def units(lake: Lake, version: int | None = None) -> list[str]:
    return sorted(lake.table("exposures", version).unit_id.to_pyarrow().to_pylist())


def test_many_small_files_become_one_with_the_same_rows_in_the_order_of_their_coming(workspace: Workspace) -> None:
    lake = workspace.lake
    fill(lake, 0, 9, rows=3)
    before, rows = lake.versions()["exposures"], units(lake)
    old = lake.files("exposures")
    assert lake.join_small("exposures", many=10) == 0 and lake.versions()["exposures"] == before
    assert lake.join_small("exposures", many=9) == 9
    (joined,) = lake.files("exposures")
    assert units(lake) == rows and len(rows) == 27
    times = pq.read_table(joined, columns=["time"])["time"].to_pylist()
    assert times == sorted(times)
    assert lake.files("exposures", before) == old and units(lake, before) == rows, "the past is as it was"
    assert lake.append("exposures", shown(3), source="3") == 0, "what was imported is known"
    fill(lake, 9, 10)
    assert len(units(lake)) == 28 and len(lake.files("exposures")) == 2


def test_a_row_is_written_again_only_when_its_file_doubles(workspace: Workspace) -> None:
    lake, most = workspace.lake, 0
    for number in range(120):
        fill(lake, number, number + 1, rows=50)
        lake.join_small("exposures", many=10)
        most = max(most, len(lake.files("exposures")))
    assert len(units(lake)) == 6_000 and most < 20
    written = sum(pq.ParquetFile(file).metadata.num_rows for file in (lake.path / "exposures").glob("*.parquet"))
    assert written < 6_000 * (1 + 7), "120 files of 50 rows double fewer than seven times"


def test_writers_and_joiners_at_once_lose_and_double_nothing(workspace: Workspace) -> None:
    lake, joined = workspace.lake, [0, 0]
    fill(lake, 0, 10)
    writing = [threading.Thread(target=fill, args=(lake, 100 * k, 100 * k + 40)) for k in range(1, 4)]
    done = threading.Event()

    def join(place: int) -> None:
        while not done.is_set():
            joined[place] += Lake(lake.path).join_small("exposures", many=5)

    joining = [threading.Thread(target=join, args=(place,)) for place in range(2)]
    for thread in (*writing, *joining):
        thread.start()
    for thread in writing:
        thread.join()
    while sum(joined) == 0:
        join_now = lake.join_small("exposures", many=5)
        joined[0] += join_now
    done.set()
    for thread in joining:
        thread.join()
    wanted = sorted(f"u{n}_0" for n in [*range(10), *(100 * k + i for k in range(1, 4) for i in range(40))])
    assert units(lake) == wanted
    owned = {
        Path(file) for version in range(lake.versions()["exposures"] + 1) for file in lake.files("exposures", version)
    }
    assert set((lake.path / "exposures").glob("*.parquet")) == owned, "what was not committed is gone"


def test_files_of_before_a_column_came_are_joined_with_null_there(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = workspace.lake
    fill(lake, 0, 3)
    old = (contract.FOLDER / "exposures.toml").read_text()
    monkeypatch.setattr(contract, "FOLDER", tmp_path)
    (tmp_path / "exposures.toml").write_text(old + '[columns.score]\ntype = "float64"\ndescription = "New."\n')
    assert lake.join_small("exposures", many=3) == 3
    assert lake.table("exposures").score.to_pyarrow().to_pylist() == [None] * 3
    lake.append("exposures", shown(3).append_column("score", pa.array([0.5])), source="3")
    assert lake.join_small("exposures", many=2) == 2
    assert sorted(lake.table("exposures").score.to_pyarrow().to_pylist(), key=str) == [0.5, None, None, None]


@pytest.mark.parametrize("joining", [False, True])
def test_a_file_is_on_the_disk_before_a_commit_names_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, joining: bool
) -> None:
    lake = workspace.lake
    fill(lake, 0, 3)
    fsync, forced = os.fsync, {}

    def noted(number: int) -> None:
        fsync(number)
        path = os.readlink(f"/proc/self/fd/{number}")
        forced.setdefault(path, (os.fstat(number).st_size, lake.versions()["exposures"]))

    monkeypatch.setattr(os, "fsync", noted)
    before = lake.versions()["exposures"]
    if joining:
        assert lake.join_small("exposures", many=3) == 3
    else:
        fill(lake, 3, 4)
    (new,) = set(lake.files("exposures")) - set(lake.files("exposures", before))
    assert forced[new] == (os.path.getsize(new), before)
    assert forced[str(lake.path / "exposures")][1] == before
