import codecs
import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import IngestError, formats
from store.formats import delimited, digest, open_source

Row = tuple[int, int | None, tuple]

# No "\r\n" within quotes: Arrow 26 drops its "\n" where a block ends between the two.
CELL = st.sampled_from(["", "a", "1", "two words", "com,ma", "line\nbreak", 'quo"te', "ü"])
RECORD = st.lists(CELL, min_size=2, max_size=2) | st.lists(CELL, min_size=1, max_size=4) | st.just([])
IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)


def read(file: Path) -> tuple[list[Row], list[tuple[int, int | None]]]:
    """Rows as (number, line, values), and the numbers and lines of broken ones."""
    good, broken = [], []
    for batch in open_source(file).batches():
        lines = [None] * len(batch.rows) if batch.lines is None else batch.lines.tolist()
        values = [tuple(row.values()) for row in batch.data.to_pylist()]
        good += zip(batch.rows.tolist(), lines, values, strict=True)
        broken += [(row.row, row.line) for row in batch.broken]
    return good, broken


def plain(text: str) -> tuple[list[Row], list[tuple[int, int]]]:
    """The same by Python's own reader, which counts lines itself; rows with nothing in them are left out."""
    reader, good, broken, line = csv.reader(io.StringIO(text, newline="")), [], [], 0
    for number, record in enumerate(reader):
        start, line = line + 1, reader.line_num
        if number and len(record) == 2 and any(record):
            good.append((number, start, tuple(record)))
        elif number and record and len(record) != 2:
            broken.append((number, start))
    return good, broken


@IN_ONE_FOLDER
@given(st.lists(RECORD, min_size=1, max_size=60))
def test_rows_and_lines_of_csv_are_numbered_as_a_plain_reader_does(tmp_path: Path, records: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    for record in [["x", "y"], *records]:
        # csv writes a lone empty cell as "", which is a row of its own and not a blank line.
        writer.writerow(record)
    (file := tmp_path / "rows.csv").write_text(text.getvalue(), newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", 128)
        good, broken = read(file)
    expected_good, expected_broken = plain(text.getvalue())
    assert [(row, line, tuple(value or "" for value in values)) for row, line, values in good] == expected_good
    assert broken == expected_broken


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_comes_with_or_without_byte_order_mark_and_carriage_returns(tmp_path: Path, mark: bytes, end: str) -> None:
    (file := tmp_path / "rows.csv").write_bytes(mark + end.join(["x,y", "ü,1", '"",2']).encode())
    assert read(file) == ([(1, 2, ("ü", "1")), (2, 3, ("", "2"))], [])
    assert list(open_source(file).columns()) == ["x", "y"]


def test_json_lines_are_numbered_by_row_and_line_and_broken_ones_are_kept(tmp_path: Path) -> None:
    (file := tmp_path / "rows.jsonl").write_text('{"x": 1, "y": "a"}\n\n{"x": \n[1]\n{"y": null}\nnull\n', "utf-8")
    assert read(file) == ([(1, 1, (1, "a")), (4, 5, (None, None))], [(2, 3), (3, 4), (5, 6)])


def test_json_values_of_mixed_types_stay_apart(tmp_path: Path) -> None:
    (file := tmp_path / "rows.ndjson").write_text('{"x": 1}\n{"x": "1.5"}\n{"x": true}\n{"x": {"a": 1}}\n')
    assert [values for _, _, values in read(file)[0]] == [("1",), ("1.5",), ("true",), ('{"a": 1}',)]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow", "rows.feather", "stream.ipc"])
def test_columnar_files_come_in_small_batches(tmp_path: Path, name: str) -> None:
    table = pa.table({"x": range(200_000)})
    if name == "rows.parquet":
        pq.write_table(table, tmp_path / name)
    else:
        new = pa.ipc.new_stream if name == "stream.ipc" else pa.ipc.new_file
        with new(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    batches = list(open_source(tmp_path / name).batches())
    assert max(len(batch.rows) for batch in batches) <= formats.ROWS
    assert [(int(batch.rows[0]), batch.data["x"][0].as_py()) for batch in batches] == [
        (start + 1, start) for start in range(0, 200_000, formats.ROWS)
    ]


@IN_ONE_FOLDER
@given(st.text(max_size=40), st.sampled_from([b"\xff", b"\xe4r", b"\xc3"]), st.text(max_size=40), st.integers(1, 9))
def test_the_first_byte_that_is_not_utf8_is_named(
    tmp_path: Path, before: str, wrong: bytes, after: str, block: int
) -> None:
    content = before.encode() + wrong + after.encode()
    (file := tmp_path / "rows.csv").write_bytes(content)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        expected = rf"byte 0x{content[error.start]:02x} at offset {error.start}, line {line}\."
    with pytest.MonkeyPatch.context() as patch, pytest.raises(IngestError, match=expected):
        patch.setattr(formats, "BLOCK", block)
        digest(file)


def test_the_digest_depends_on_the_content_alone(tmp_path: Path) -> None:
    for name, text in [("a.csv", "x\n1\n"), ("b.csv", "x\n1\n"), ("c.csv", "x\n2\n")]:
        (tmp_path / name).write_text(text)
    a, b, c = (digest(tmp_path / f"{name}.csv") for name in "abc")
    assert a == b != c
