"""Whole files that are refused: a clear message, and a lake that is as it was."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from store import IngestError, StoreError, Workspace, import_files

GOOD = "unit_id,time,kind,value\nu1,2025-01-01,view,1\n"


def text(content: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda file: file.write_text(content, encoding)


def truncated_parquet(file: Path) -> None:
    pq.write_table(pa.table({"unit_id": ["u"] * 10_000}), file)
    file.write_bytes(file.read_bytes()[:-100])


def damaged_parquet(file: Path) -> None:
    """Whole at both ends, so that it breaks only while rows are read."""
    rows = 300_000
    names = pa.array([f"user {n}" for n in range(rows)])
    when = pa.array(["2025-01-01"] * rows)
    pq.write_table(pa.table({"unit_id": names, "time": when, "kind": when}), file, compression="zstd")
    content = bytearray(file.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 1000] = bytes(1000)
    file.write_bytes(content)


def arrow(**columns: list) -> Callable[[Path], None]:
    return lambda file: pyarrow.feather.write_feather(pa.table(columns), file)


def truncated_arrow(file: Path) -> None:
    arrow(unit_id=["u1"], time=["2025-01-01"], kind=["view"])(file)
    file.write_bytes(file.read_bytes()[:-30])


REFUSED = {
    "a required column is missing": (
        "events.csv",
        text("unitid,time,kind\nu1,2025-01-01,view\n"),
        "events.csv lacks the column 'unit_id', which events requires. Found: kind, time, unitid. "
        "Did you mean 'unitid'. Rename or add it.",
    ),
    "a column name differs in case": ("events.csv", text(GOOD.replace("kind", "Kind")), "'kind'.* mean 'Kind'"),
    "semicolons separate": ("events.csv", text(GOOD.replace(",", ";")), "It looks separated by ';': export it with"),
    "tabs separate": ("events.csv", text(GOOD.replace(",", "\t")), r"It looks separated by '\\t'"),
    "there is no byte": ("events.csv", text(""), r"is empty \(0 bytes\)"),
    "there is only a header": ("events.csv", text("unit_id,time,kind\n"), "has no rows, only columns"),
    "there are only blank lines": ("events.csv", text("unit_id,time,kind\n\n\n"), "has no rows, only columns"),
    "the first line is blank": ("events.csv", text("\n" + GOOD), "lacks the column 'unit_id'"),
    "a column is named twice": ("events.csv", text(GOOD.replace("value", "time")), "names 'time' 2 times"),
    "the encoding is Windows-1252": (
        "events.csv",
        text(GOOD + "ü,2025-01-01,view,1\n", "cp1252"),
        "is not UTF-8: byte 0xfc at offset 45, line 3. Convert it",
    ),
    "the encoding is UTF-16": (
        "events.csv",
        text(GOOD, "utf-16"),
        "byte 0xff at offset 0, line 1. It looks like UTF-16",
    ),
    "a quote is never closed": (
        "events.csv",
        text(GOOD + '"u2,2025-01-01,view,1\n' + "u3,2025-01-01,view,1\n" * 500_000),
        "a quote in line 3 is opened and never closed",
    ),
    "the last quote is never closed": (
        "events.csv",
        text(GOOD + 'u2,2025-01-01,"view,1\n'),
        "a quote in line 3 is opened",
    ),
    "a row is longer than a block": (
        "events.csv",
        text(GOOD + f'u2,2025-01-01,"{"long" * 5_000_000}",1\n'),
        "after row 1: one row is longer than 2 MiB",
    ),
    "Parquet is cut off": ("events.parquet", truncated_parquet, "cannot be read as Parquet.*Is it whole?"),
    "Parquet breaks halfway": ("events.parquet", damaged_parquet, "cannot be read as Parquet.*Is it whole?"),
    "text is called Parquet": ("events.parquet", text(GOOD), "cannot be read as Parquet"),
    "text is called Arrow": ("events.arrow", text(GOOD), "cannot be read as Arrow IPC"),
    "Arrow is cut off": ("events.arrow", truncated_arrow, "cannot be read as Arrow IPC"),
    "an Arrow column has another type": (
        "events.feather",
        arrow(unit_id=["u1"], time=[1735689600], kind=["view"]),
        r"has the column 'time' as int64, expected timestamp \(UTC\)\. Convert it",
    ),
    "an Arrow column is missing": ("events.arrow", arrow(unit_id=["u1"], kind=["view"]), "lacks the column 'time'"),
    "a column holds lists": (
        "events.arrow",
        arrow(unit_id=["u1"], time=["2025-01-01"], kind=[["view"]]),
        "has the column 'kind' as list<item: string>, expected string",
    ),
    "JSON is one list": ("events.jsonl", text('[{"unit_id": "u1"}]'), "the first row is not a JSON object. Write one"),
    "JSON never names a required key": (
        "events.jsonl",
        text('{"unit_id": "u1"}\n{"kind": "a"}\n'),
        "lacks the.*'time'",
    ),
    "JSON is not UTF-8": (
        "events.jsonl",
        text('{"unit_id": "u1", "time": "2025-01-01", "kind": "ü"}', "latin-1"),
        "is not UTF-8",
    ),
    "the extension is not known": ("events.xlsx", text(GOOD), r"extension '.xlsx', expected one of .csv, .parquet"),
    "there is no extension": ("events", text(GOOD), "a name without extension, expected one of"),
    "it is a folder": ("events.csv", Path.mkdir, "is a folder, expected a file"),
    "it is not there": ("events.csv", lambda file: None, "no such file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_is_refused_with_a_clear_message_and_the_lake_is_intact_if(
    workspace: Workspace, tmp_path: Path, case: str
) -> None:
    name, make, message = REFUSED[case]
    (good := tmp_path / "good.csv").write_text(GOOD)
    import_files(workspace, "events", [good])
    files = sorted(workspace.path.rglob("*.*"))
    make(tmp_path / name)
    with pytest.raises(IngestError) as error:
        import_files(workspace, "events", [tmp_path / name])
    assert re.search(message, str(error.value)), str(error.value)
    assert name in str(error.value)
    assert sorted(workspace.path.rglob("*.*")) == files
    assert workspace.lake.table("events").count().execute() == 1


def test_a_refused_file_keeps_even_the_first_table_from_being_made(workspace: Workspace, tmp_path: Path) -> None:
    damaged_parquet(tmp_path / "events.parquet")
    with pytest.raises(IngestError):
        import_files(workspace, "events", [tmp_path / "events.parquet"])
    assert workspace.lake.versions() == {} and not list(workspace.lake.path.rglob("*.parquet"))


def test_one_bad_head_keeps_all_files_of_the_command_out(workspace: Workspace, tmp_path: Path) -> None:
    (good := tmp_path / "good.csv").write_text(GOOD)
    (bad := tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(IngestError, match=r"bad.csv lacks the column 'unit_id'"):
        import_files(workspace, "events", [good, bad])
    assert workspace.lake.versions() == {}


@pytest.mark.parametrize(
    ("table", "files", "message"),
    [("event", ["x.csv"], "'event' is not known.*Did you mean 'events'"), ("events", [], "no file to import")],
)
def test_a_wrong_command_is_refused(workspace: Workspace, table: str, files: list[str], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        import_files(workspace, table, files)


def test_a_file_that_changes_while_it_is_read_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (file := tmp_path / "events.csv").write_text(GOOD)

    def append(path: Path, rows: int) -> None:
        file.write_text(GOOD + GOOD)

    with pytest.raises(IngestError, match="changed while it was read"):
        import_files(workspace, "events", [file], append)
    assert workspace.lake.versions() == {}


def test_a_fault_of_the_disk_is_told_as_such(workspace: Workspace, tmp_path: Path) -> None:
    (file := tmp_path / "events.csv").write_text(GOOD)
    (workspace.lake.path / "events").write_text("a file where the folder of the table belongs")
    with pytest.raises(
        IngestError, match=r"the import into events stopped: .*Not a directory.*\. Doing it again is safe"
    ):
        import_files(workspace, "events", [file])
