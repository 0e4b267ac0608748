import threading
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from store import ContractError, LakeError, Workspace, contract
from store.lake import Lake

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


def exposures(*units: str) -> pa.Table:
    rows = [{"experiment_id": "e", "unit_id": unit, "arm": "A", "time": NOON} for unit in units]
    return pa.Table.from_pylist(rows)


def units(lake: Lake, version: int | None = None) -> list[str]:
    return sorted(lake.table("exposures", version).unit_id.to_pyarrow().to_pylist())


def test_an_append_is_there_exactly_once_for_each_source(workspace: Workspace) -> None:
    assert workspace.lake.append("exposures", exposures("u1", "u2"), source="day 1") == 2
    assert workspace.lake.append("exposures", exposures("u1", "u2"), source="day 1") == 0
    assert workspace.lake.append("exposures", exposures("u3"), source="day 2") == 1
    assert units(workspace.lake) == ["u1", "u2", "u3"]


def test_the_past_stays_readable_by_version(workspace: Workspace) -> None:
    lake = workspace.lake
    lake.append("exposures", exposures("u1"), source="day 1")
    then = lake.versions()
    lake.append("exposures", exposures("u2"), source="day 2")
    assert units(lake, then["exposures"]) == ["u1"]
    assert units(lake) == ["u1", "u2"]
    assert len(lake.files("exposures", then["exposures"])) == 1


def test_a_version_that_is_not_there_is_named_with_those_that_are(workspace: Workspace) -> None:
    workspace.lake.append("exposures", exposures("u1"), source="day 1")
    with pytest.raises(LakeError, match="version 7 cannot be read; there are 0 to 1"):
        workspace.lake.files("exposures", 7)


def test_a_table_that_was_never_written_is_empty_and_has_its_columns(workspace: Workspace) -> None:
    table = workspace.lake.table("events")
    assert table.count().execute() == 0 and "value" in table.columns
    assert workspace.lake.files("events") == [] and workspace.lake.version("events") is None


def test_files_are_paths_that_duckdb_reads_even_in_odd_folders(tmp_path: Path) -> None:
    lake = Workspace.create(tmp_path / "my shop #1 ü & co").lake
    lake.append("exposures", exposures("u1"), source="day 1")
    assert duckdb.read_parquet(lake.files("exposures")).select("unit_id").fetchall() == [("u1",)]


def test_a_folder_that_delta_cannot_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="holds '%'"):
        Lake(tmp_path / "100%")


def test_a_stream_is_appended_in_one_commit(workspace: Workspace) -> None:
    table = exposures(*(f"u{number:06d}" for number in range(300_000)))
    reader = pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches(max_chunksize=10_000)))
    assert workspace.lake.append("exposures", reader, source="big") == 300_000
    assert workspace.lake.version("exposures") == 1
    assert workspace.lake.table("exposures").count().execute() == 300_000


def test_a_row_that_breaks_the_contract_stops_the_whole_append(workspace: Workspace) -> None:
    broken = exposures("u1", "u2", "")
    with pytest.raises(LakeError, match=r"row 3 of 'day 1' breaks the contract. unit_id: required, and missing"):
        workspace.lake.append("exposures", broken, source="day 1")
    assert workspace.lake.versions() == {} and not list(workspace.lake.path.rglob("*.parquet"))


def test_an_unknown_table_is_refused_everywhere(workspace: Workspace) -> None:
    for act in (workspace.lake.files, workspace.lake.version, workspace.lake.table):
        with pytest.raises(ContractError, match="Did you mean 'events'"):
            act("event")


def test_eight_writers_at_once_all_land_and_make_the_table_once(workspace: Workspace) -> None:
    def write(number: int) -> None:
        workspace.lake.append("exposures", exposures(f"u{number}"), source=f"writer {number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert units(workspace.lake) == [f"u{number}" for number in range(8)]


def test_sources_and_old_versions_are_remembered_past_a_checkpoint(workspace: Workspace) -> None:
    lake = workspace.lake
    for number in range(105):
        lake.append("exposures", exposures(f"u{number:03d}"), source=str(number))
    assert list((lake.path / "exposures" / "_delta_log").glob("*.checkpoint.parquet"))
    assert lake.append("exposures", exposures("u000"), source="0") == 0
    assert units(lake, 1) == ["u000"] and len(units(lake)) == 105


def test_a_commit_never_removes_its_own_file_nor_leaves_one_behind(workspace: Workspace) -> None:
    lake = workspace.lake
    lake.append("exposures", exposures("u1"), source="day 1")
    with pytest.raises(RuntimeError), lake.part("exposures") as part:
        part.write(exposures("u2").to_batches()[0].cast(part.schema))
        raise RuntimeError
    with lake.part("exposures") as part:
        part.write(exposures("u3").to_batches()[0].cast(part.schema))
        assert not lake.commit(part, "day 1")
    assert sorted(map(str, (lake.path / "exposures").glob("*.parquet"))) == lake.files("exposures")


def test_a_column_that_the_contract_does_not_know_stops_an_append(workspace: Workspace) -> None:
    with pytest.raises(LakeError, match=r"'day 1' has the column 'arms', exposures has not\..* mean 'arm'"):
        workspace.lake.append("exposures", exposures("u1").rename_columns({"arm": "arms"}), source="day 1")
    assert workspace.lake.versions() == {}


def test_numbers_are_never_taken_for_times(workspace: Workspace) -> None:
    wrong = exposures("u1").drop_columns("time").append_column("time", pa.array([1735689600]))
    with pytest.raises(LakeError, match=r"'time' as int64, expected timestamp \(UTC\)"):
        workspace.lake.append("exposures", wrong, source="day 1")


def test_a_contract_may_gain_a_column_and_older_rows_have_null_there(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = workspace.lake
    lake.append("exposures", exposures("u1"), source="day 1")
    old = (contract.FOLDER / "exposures.toml").read_text()
    monkeypatch.setattr(contract, "FOLDER", tmp_path)
    (tmp_path / "exposures.toml").write_text(old + '[columns.score]\ntype = "float64"\ndescription = "New."\n')
    assert lake.table("exposures").score.to_pyarrow().to_pylist() == [None]
    scored = exposures("u2").append_column("score", pa.array([0.5]))
    assert lake.append("exposures", scored, source="day 2") == 1
    assert dict(lake.table("exposures").select("unit_id", "score").to_pandas().values.tolist()) == {
        "u1": pytest.approx(float("nan"), nan_ok=True),
        "u2": 0.5,
    }
    names = [field.name for field in DeltaTable(lake.path / "exposures").schema().fields]
    assert names == [*lake.table("exposures").columns]


def test_a_contract_may_not_change_the_type_of_a_column(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.lake.append("exposures", exposures("u1"), source="day 1")
    monkeypatch.setattr(contract, "FOLDER", tmp_path)
    text = '[columns.unit_id]\ntype = "int64"\nrequired = true\ndescription = "Now a number."\n'
    (tmp_path / "exposures.toml").write_text(f'description = "Exposures."\n{text}')
    with pytest.raises(LakeError, match=r"'unit_id' is .*string.* in the lake, .*long.* in the contract"):
        workspace.lake.append("exposures", pa.table({"unit_id": [1]}), source="day 2")
    assert len(list((workspace.lake.path / "exposures").glob("*.parquet"))) == 1
