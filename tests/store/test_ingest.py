import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from import_workers import PROCESSES, measure_import

from store import Workspace, import_files

ROWS = [
    {"unit_id": "u1", "time": "2025-01-01T10:00:00Z", "kind": "view", "item_id": "i1", "value": None},
    {"unit_id": "u2", "time": "2025-01-02 11:30:00", "kind": "purchase", "item_id": "i,2", "value": 1999},
    {"unit_id": "u3", "time": "2025-01-03T12:00:00+02:00", "kind": "refund", "item_id": None, "value": -1999},
]
IMPORTED = [
    ("u1", datetime(2025, 1, 1, 10, tzinfo=UTC), "view", "i1", None, None),
    ("u2", datetime(2025, 1, 2, 11, 30, tzinfo=UTC), "purchase", "i,2", 1999, None),
    ("u3", datetime(2025, 1, 3, 10, tzinfo=UTC), "refund", None, -1999, None),
]


def write(file: Path, rows: list[dict]) -> Path:
    table = pa.Table.from_pylist(rows)
    match file.suffix:
        case ".csv":
            pa.csv.write_csv(table, file)
        case ".parquet":
            pq.write_table(table, file)
        case ".jsonl":
            file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        case _:
            pa.feather.write_feather(table, file)
    return file


def rows_of(workspace: Workspace, table: str) -> list[tuple]:
    """The columns that the rows of these tests have, and whatever else is not empty."""
    found = workspace.lake.table(table).to_pyarrow().to_pylist()
    width = len(IMPORTED[0])
    return sorted(tuple(row.values())[:width] + tuple(filter(None, tuple(row.values())[width:])) for row in found)


def quarantined(workspace: Workspace) -> list[tuple]:
    found = workspace.lake.table("quarantine").order_by("row").to_pyarrow().to_pylist()
    return [(row["row"], row["line"], row["reason"]) for row in found]


@pytest.mark.parametrize("extension", ["csv", "parquet", "jsonl", "arrow", "feather"])
def test_every_format_gives_the_same_facts(workspace: Workspace, tmp_path: Path, extension: str) -> None:
    report = import_files(workspace, "events", [write(tmp_path / f"events.{extension}", ROWS)])
    assert (report.rows, report.quarantined) == (3, 0)
    assert rows_of(workspace, "events") == IMPORTED


def test_the_same_content_again_changes_nothing_under_any_name(workspace: Workspace, tmp_path: Path) -> None:
    first = write(tmp_path / "events.csv", ROWS)
    import_files(workspace, "events", [first])
    before = workspace.lake.versions()
    again = import_files(workspace, "events", [first, first.rename(tmp_path / "other.csv")][1:])
    assert again.files[0].already_imported and again.rows == 0
    assert "already imported, nothing changed" in again.summary()
    assert workspace.lake.versions() == before and len(rows_of(workspace, "events")) == 3


def test_the_same_file_twice_in_one_command_lands_once(workspace: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", ROWS)
    report = import_files(workspace, "events", [file, file])
    assert [each.already_imported for each in report.files] == [False, True]
    assert len(rows_of(workspace, "events")) == 3


def test_bad_rows_go_to_the_quarantine_with_file_row_line_reason_and_content(
    workspace: Workspace, tmp_path: Path
) -> None:
    (file := tmp_path / "events.csv").write_text(
        "unit_id,time,kind,value,colour\n"
        "u1,2025-01-01,view,,red\n"
        "u2,yesterday,view,,red\n"
        ",2025-01-01,view,,red\n"
        "u4,2025-01-01,purchase,19.99,red\n"
        "u5,2025-01-01\n"
        '"u\n6",2025-01-01,purchase,5,red\n'
        "u7,2025-01-01,purchase,9 EUR,red\n"
    )
    seen = []
    report = import_files(workspace, "events", [file], lambda path, rows: seen.append((path, rows)))
    assert (report.rows, report.quarantined) == (2, 5) and seen == [(file, 7)]
    assert quarantined(workspace) == [
        (2, 3, "time: not a time such as 2025-01-31T12:00:00Z"),
        (3, 4, "unit_id: required, and missing"),
        (4, 5, "value: not a whole number (int64) in the minor unit, such as 1050 cents for 10.50"),
        (5, 6, "2 values, expected 5"),
        (7, 9, "value: not a whole number (int64) in the minor unit, such as 1050 cents for 10.50"),
    ]
    row = workspace.lake.table("quarantine").order_by("row").to_pyarrow().to_pylist()[2]
    assert (row["table"], row["file"]) == ("events", str(file))
    assert json.loads(row["raw"])["value"] == "19.99"
    summary = report.summary()
    assert "2 rows imported, 5 quarantined" in summary
    assert (
        "2 x value: not a whole number (int64) in the minor unit, such as 1050 cents for 10.50, first in line 5"
        in summary
    )
    assert "ignored: colour" in summary and str(workspace.lake.path / "quarantine") in summary


def test_a_file_of_only_bad_rows_is_quarantined_once_and_for_all(workspace: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", [{"unit_id": "u1", "time": "never", "kind": "view"}])
    assert import_files(workspace, "events", [file]).quarantined == 1
    assert import_files(workspace, "events", [file]).files[0].already_imported
    assert rows_of(workspace, "events") == [] and len(quarantined(workspace)) == 1


def test_a_key_counts_once_within_a_file_and_across_files(workspace: Workspace, tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", [{"user_id": user, "country": "DE"} for user in ("u1", "u2", "u1")])
    second = write(tmp_path / "b.jsonl", [{"user_id": user, "country": "FR"} for user in ("u3", "u2", "u3", "u4")])
    report = import_files(workspace, "users", [first, second])
    assert [(each.rows, each.quarantined) for each in report.files] == [(2, 1), (2, 2)]
    assert [row[:1] + row[2:3] for row in rows_of(workspace, "users")] == [
        ("u1", "DE"),
        ("u2", "DE"),
        ("u3", "FR"),
        ("u4", "FR"),
    ]
    assert sorted(quarantined(workspace)) == [
        (2, 2, "duplicate key (user_id): already in users"),
        (3, 3, "duplicate key (user_id): on an earlier row of this file"),
        (3, 4, "duplicate key (user_id): on an earlier row of this file"),
    ]


def test_a_key_of_two_columns_is_compared_as_a_pair(workspace: Workspace, tmp_path: Path) -> None:
    pairs = [("a", "b"), ("b", "a"), ("a", "c"), ("a", "b")]
    rows = [{"user_id": user, "friend_id": friend} for user, friend in pairs]
    report = import_files(workspace, "friendships", [write(tmp_path / "f.csv", rows)])
    assert (report.rows, report.quarantined) == (3, 1)


def test_a_bad_row_does_not_take_the_key_from_a_good_one(workspace: Workspace, tmp_path: Path) -> None:
    rows = [{"item_id": "i1", "list_price": price} for price in ("free", "100", "200")]
    report = import_files(workspace, "items", [write(tmp_path / "items.csv", rows)])
    assert [row[5] for row in rows_of(workspace, "items")] == [100]
    assert report.quarantined == 2


def test_columns_that_are_not_required_may_be_absent_and_the_order_is_free(
    workspace: Workspace, tmp_path: Path
) -> None:
    (file := tmp_path / "events.csv").write_text("kind,unit_id,time\nview,u1,2025-01-01\n")
    assert import_files(workspace, "events", [file]).rows == 1
    assert rows_of(workspace, "events")[0][3:] == (None, None, None)


def test_whole_number_ids_and_dates_of_parquet_are_read_as_the_contract_says(
    workspace: Workspace, tmp_path: Path
) -> None:
    table = pa.table(
        {
            "unit_id": pa.array([7], pa.int32()),
            "time": pa.array([datetime(2025, 1, 1)], pa.timestamp("ns")),
            "kind": pa.array(["view"]).dictionary_encode(),
            "value": pa.array([12.0]),
        }
    )
    pq.write_table(table, tmp_path / "events.parquet")
    import_files(workspace, "events", [tmp_path / "events.parquet"])
    assert rows_of(workspace, "events") == [("7", datetime(2025, 1, 1, tzinfo=UTC), "view", None, 12, None)]


def write_many(file: Path, rows: int) -> Path:
    with open(file, "w") as out:
        out.write("unit_id,time,kind,item_id,value,quantity\n")
        out.writelines(f"user_{n},2025-01-{1 + n % 28:02d}T10:00:00Z,purchase,i{n % 999},{n},1\n" for n in range(rows))
    return file


def peak_memory(tmp_path: Path, table: str, file: Path) -> int:
    """Peak memory in MiB of a process that imports a file into a fresh workspace."""
    root, answer = tmp_path / f"shop {file.name}", tmp_path / f"{file.name}.peak"
    Workspace.create(root)
    (root / "holdout.toml").write_text('[engine]\nmemory_limit = "100MB"\nthreads = 1\n')
    child = PROCESSES.Process(target=measure_import, args=(root, table, file, answer))
    child.start()
    child.join()
    return int(answer.read_text())


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, extension: str) -> None:
    # Arrow reads 64 MiB of CSV ahead, which the small file must exceed as well.
    rows = (1_250_000, 2_250_000) if extension == "csv" else (300_000, 1_000_000)
    small, large = write_many(tmp_path / "small.csv", rows[0]), write_many(tmp_path / "large.csv", rows[1])
    if extension == "parquet":
        for name, file in (("small", small), ("large", large)):
            table = pa.csv.read_csv(file)
            # One row group, as big as the file.
            pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=len(table))
        small, large = small.with_suffix(".parquet"), large.with_suffix(".parquet")
    peaks = [peak_memory(tmp_path, "events", file) for file in (small, large)]
    assert peaks[1] < min(peaks[0] + 40, 450), peaks


def test_memory_of_keys_stays_within_the_limit_of_the_engine(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    with open(file, "w") as out:
        out.write("user_id\n")
        out.writelines(f"a rather long name of a user {n * 7919 % 800_011}\n" for n in range(800_000))
    assert peak_memory(tmp_path, "users", file) < 600
