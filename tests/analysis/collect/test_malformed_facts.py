"""Facts that cannot be used end in one clear error that names file, column or unit, and says what to do."""

import gzip
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from facts import a_log, a_parquet, a_table, an_experiment_file

from analysis import ExperimentError, SourceError
from analysis.collect import collect

GOOD = "unit,arm,y\n1,a,1\n2,b,2\n"
EXPOSED = "unit,arm,time\np,a,2026-03-01T10:00:00Z\nq,b,2026-03-01T12:00:00Z\n"
HAPPENED = "unit,time,v\np,2026-03-01T11:00:00Z,1\n"
SUM = 'id = "m"\nkind = "mean"\nvalue = "v"\n'


def of_kind(kind: str, value: str = "y", more: str = "") -> str:
    return f'id = "y"\nkind = "{kind}"\nvalue = "{value}"\n{more}'


TABLES: dict[str, tuple[str, str, dict[str, str], str]] = {
    "a duplicate unit": (GOOD + "2,b,3\n2,b,4\n", of_kind("mean"), {}, r"units.csv: 1 unit has .*unit = '2' with 3.*query"),
    "a missing value column": (GOOD, of_kind("mean", "yy"), {}, r"no column 'yy'.*Found: arm, unit, y. Did you mean 'y'"),
    "a missing unit column": (GOOD, of_kind("mean"), {"unit": '"uni"'}, r"no column 'uni', needed as the unit.*'unit'"),
    "a missing arm column": (GOOD, of_kind("mean"), {"arm": '"group"'}, r"no column 'group', needed as the arm"),
    "a missing segment": (GOOD, of_kind("mean"), {"segments": '["city"]'}, r"no column 'city', needed as a segment"),
    "an empty unit": (GOOD + ",a,3\n", of_kind("mean"), {}, r"column 'unit' is empty in 1 row \(first: row 3\)"),
    "an empty arm": (GOOD + "3,,3\n4,,3\n", of_kind("mean"), {}, r"column 'arm' is empty in 2 rows \(first: row 3\)"),
    "an empty outcome": (GOOD + "3,a,\n", of_kind("mean"), {}, r"column 'y' has no number in 1 row \(first: row 3\)"),
    "NaN": (GOOD + "3,a,nan\n", of_kind("mean"), {}, r"column 'y' has no number in 1 row \(first: row 3, nan\)"),
    "infinity": (GOOD + "3,a,inf\n", of_kind("mean"), {}, r"column 'y' is infinite or too large to square in 1 row \(first: row 3, inf\)"),
    "text in a number": (GOOD + "3,a,x1\n", of_kind("mean"), {}, r"column 'y' is text.*1 row \(first: row 3, 'x1'\)"),
    "only one arm": ("unit,arm,y\n1,a,1\n", of_kind("mean"), {}, r"no unit is in arm 'b' of column 'arm'. Found: a."),
    "an unknown control": ("unit,arm,y\n1,A,1\n2,b,2\n", of_kind("mean"), {}, r"no unit is in arm 'a'.*Found: A, b"),
    "no rows": ("unit,arm,y\n", of_kind("mean"), {}, r"units.csv: has no rows, only columns \['unit', 'arm', 'y'\]"),
    "an empty file": ("", of_kind("mean"), {}, r"units.csv: is empty"),
    "a ragged row": (GOOD + "3,a,1,5,6\n", of_kind("mean"), {}, r"units.csv: cannot be read.*Line: 4 .*3,a,1,5,6"),
    "a proportion of 2": (GOOD, of_kind("proportion"), {}, r"\[metrics 1\] kind: 'y': a proportion must be 0 or 1"),
    "a count of -1": (GOOD + "3,a,-1\n", of_kind("count"), {}, r"\[metrics 1\] kind: 'y': a count must be a whole number"),
    "too many segment values": (
        "unit,arm,y,s\n" + "".join(f"{k},{'ab'[k % 2]},1,{k}\n" for k in range(1200)),
        of_kind("mean"), {"segments": '["s"]'}, r"segment 's' has 1200 values, expected at most 1000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_malformed_table_is_refused(tmp_path: Path, name: str) -> None:
    text, metric, plan, message = TABLES[name]
    with pytest.raises((SourceError, ExperimentError), match=message):
        collect(a_table(tmp_path, text, metric, **plan))


LOGS: dict[str, tuple[str, str, str, str]] = {
    "a bad time": (EXPOSED + "r,a,yesterday\n", HAPPENED, SUM, r"exposures.csv: column 'time' is not a time in 1 row \(first: row 3, 'yesterday'\)"),
    "no time": (EXPOSED + "r,a,\n", HAPPENED, SUM, r"exposures.csv: column 'time' is empty in 1 row \(first: row 3\)"),
    "a bad event time": (EXPOSED, HAPPENED + "p,2026-13-01,1\n", SUM, r"events.csv: column 'time' is not a time.*row 2, '2026-13-01'"),
    "an event of nobody": (EXPOSED, HAPPENED + ",2026-03-01,1\n", SUM, r"events.csv: column 'unit' is empty in 1 row \(first: row 2\)"),
    "no time column": (EXPOSED, "unit,at,v\np,2026-03-01,1\n", SUM, r"events.csv: has no column 'time', needed as the time.*Found: at, unit, v"),
    "no value column": (EXPOSED, HAPPENED, SUM.replace('"v"', '"revenue"'), r"events.csv: has no column 'revenue'"),
    "no filter column": (EXPOSED, HAPPENED, SUM + "where = { kind = 1 }", r"no column 'kind', needed as a filter in `where`"),
    "a filter of the wrong type": (EXPOSED, HAPPENED, SUM + 'where = { v = "x" }', r"`where` compares column 'v', which is BIGINT, with 'x'"),
    "a text value": (EXPOSED, HAPPENED + "p,2026-03-01T11:00:00Z,1 EUR\n", SUM, r"events.csv: column 'v' is text.*row 2, '1 EUR'"),
    "an infinite value": (EXPOSED, HAPPENED + "p,2026-03-01T11:00:00Z,-inf\n", SUM + 'aggregation = "max"', r"column 'v' is not a finite number.*row 2, -inf"),
    "a NaN value": (EXPOSED, HAPPENED + "p,2026-03-01T11:00:00Z,nan\n", SUM, r"column 'v' is not a finite number.*row 2, nan"),
    "a year too many": (EXPOSED, HAPPENED + "p,2206-03-01T11:00:00Z,1\n", SUM, r"last fact on 2206-03-01, .* days; .* is the limit"),
    "no events": (EXPOSED, "unit,time,v\n", SUM, r"events.csv: has no rows"),
    "no exposures": ("unit,arm,time\n", HAPPENED, SUM, r"exposures.csv: has no rows"),
    "everybody in both arms": (EXPOSED + "p,b,2026-03-02\nq,a,2026-03-02\n", HAPPENED, SUM, r"every unit of arm 'a' is in another arm too"),
    "a fraction of a count": (EXPOSED, HAPPENED + "p,2026-03-01T12:00:00Z,0.5\n", SUM.replace("mean", "count") + 'aggregation = "sum"', r"a count must be a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_malformed_exposures_and_events_are_refused(tmp_path: Path, name: str) -> None:
    exposures, events, metric, message = LOGS[name]
    with pytest.raises((SourceError, ExperimentError), match=message):
        collect(a_log(tmp_path, exposures, events, metric))


def a_zip(path: Path, **members: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)


FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("units.csv", lambda path: None, r"units.csv: there is no such file"),
    "a folder": ("units.csv", Path.mkdir, r"units.csv: is a folder"),
    "in Latin-1": ("units.csv", lambda p: p.write_bytes(b"unit,arm,y\n1,a,\xe9t\xe9\n"), r"units.csv: is not UTF-8 text"),
    "a picture": ("units.csv", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), r"units.csv: "),
    "no Parquet": ("units.parquet", lambda path: path.write_text(GOOD), r"units.parquet: is not a Parquet file"),
    "half a Parquet": ("units.parquet", lambda path: path.write_bytes(b"PAR1" + b"x" * 50), r"units.parquet: cannot be read"),
    "half a zip": ("units.zip", lambda path: path.write_bytes(b"PK\x03\x04" + b"x" * 50), r"units.zip: is not a whole zip"),
    "a zip of two": ("units.zip", lambda path: a_zip(path, one=GOOD, two=GOOD), r"units.zip: holds 2 CSV files"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    file, write, message = FILES[name]
    write(tmp_path / file)
    with pytest.raises(SourceError, match=message):
        collect(an_experiment_file(tmp_path, f'table = "{file}"', of_kind("mean")))


@pytest.mark.parametrize(
    "query", ["DROP TABLE source", "SELECT nothing FROM source", "SELECT * FROM elsewhere", "so what"]
)
def test_a_query_that_is_no_select_over_source_is_refused(tmp_path: Path, query: str) -> None:
    with pytest.raises(SourceError, match=r"units.csv: query: cannot be read: "):
        collect(a_table(tmp_path, GOOD, more=f'query = "{query}"'))


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    a_parquet(tmp_path / "u.parquet", {"unit": [1, 2], "arm": ["a", "b"], "y": [[1], [2]], "t": [1, 2]})
    with pytest.raises(SourceError, match=r"column 'y' is BIGINT\[\], expected numbers"):
        collect(an_experiment_file(tmp_path, 'table = "u.parquet"', of_kind("mean")))
    with pytest.raises(SourceError, match=r"column 't' is BIGINT, expected times"):
        collect(an_experiment_file(tmp_path, 'table = "u.parquet"\ntime = "t"', of_kind("mean", "t")))


def test_nan_in_parquet_is_refused_though_its_statistics_hide_it(tmp_path: Path) -> None:
    y = [float("nan") if k == 7 else k / 10 for k in range(100)]
    arm = ["ab"[k % 2] for k in range(100)]
    a_parquet(tmp_path / "u.parquet", {"unit": list(range(100)), "arm": arm, "y": y})
    with pytest.raises(SourceError, match=r"column 'y' has no number in 1 row \(first: row 8, nan\)"):
        collect(an_experiment_file(tmp_path, 'table = "u.parquet"', of_kind("mean")))
    times = ["2026-03-01"] * 100
    a_parquet(tmp_path / "x.parquet", {"unit": list(range(100)), "arm": arm, "time": times})
    a_parquet(tmp_path / "e.parquet", {"unit": list(range(100)), "time": times, "y": y})
    source = 'exposures = "x.parquet"\nevents = "e.parquet"'
    for kind in ("mean", "proportion"):
        with pytest.raises(SourceError, match=r"column 'y' is not a finite number in 1 row \(first: row 8, nan\)"):
            collect(an_experiment_file(tmp_path, source, of_kind(kind)))


def test_a_damaged_page_of_parquet_is_refused(tmp_path: Path) -> None:
    unit, times = list(range(5000)), ["2026-03-01"] * 5000
    a_parquet(tmp_path / "x.parquet", {"unit": unit, "arm": ["a", "b"] * 2500, "time": times})
    when = [datetime(2026, 3, 1, 0, 0, k % 60) for k in unit]
    file = a_parquet(tmp_path / "e.parquet", {"unit": unit, "time": when, "y": [k / 7 for k in unit]})
    damaged = bytearray(file.read_bytes())
    damaged[100:4000] = bytes(3900)
    file.write_bytes(damaged)
    with pytest.raises(SourceError, match=r"e.parquet: cannot be read"):
        collect(an_experiment_file(tmp_path, 'exposures = "x.parquet"\nevents = "e.parquet"', of_kind("mean")))


def test_the_lake_needs_a_workspace(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="needs a workspace"):
        collect(an_experiment_file(tmp_path, "lake = true", SUM))


@pytest.mark.parametrize("packed", ["units.csv.gz", "units.zip"])
def test_packed_files_are_read_as_they_are(tmp_path: Path, packed: str) -> None:
    if packed.endswith("gz"):
        (tmp_path / packed).write_bytes(gzip.compress(GOOD.encode()))
    else:
        a_zip(tmp_path / packed, units=GOOD)
    collected = collect(an_experiment_file(tmp_path, f'table = "{packed}"', of_kind("mean")))
    assert collected.moments.mean[0, 0, :, 0].tolist() == [1, 2]


def test_a_cap_that_would_flatten_everything_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"{k},{'ab'[k % 2]},{int(k > 95)}\n" for k in range(100))
    metric = of_kind("mean") + "\ncap = { quantile = 0.9 }"
    with pytest.raises(ExperimentError, match=r"cap: 'y': the cap comes to 0.*higher quantile"):
        collect(a_table(tmp_path, "unit,arm,y\n" + rows, metric))


MISTAKES = {
    "an arm in another case": (GOOD + "3,A,1\n", of_kind("mean"), r"1 units have the arm 'A'.*but 'a' it does"),
    "two columns of one name": ("unit,arm,y,y\n1,a,1,2\n2,b,2,3\n", of_kind("mean"), r"two columns called 'y'"),
    "a number too large to square": (GOOD + "3,a,1e200\n", of_kind("mean"), r"'y' is infinite or too large.*row 3"),
    "the outcome as its own covariate": (
        GOOD,
        of_kind("mean") + '\ncovariates = ["y"]',
        r"covariates: holds 'y', which is the outcome",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_that_would_pass_unseen_are_refused(tmp_path: Path, case: str) -> None:
    text, metric, message = MISTAKES[case]
    with pytest.raises((SourceError, ExperimentError), match=message):
        collect(a_table(tmp_path, text, metric))


def test_files_of_other_kinds_say_what_they_are(tmp_path: Path) -> None:
    experiment = a_table(tmp_path, GOOD, of_kind("mean"))
    with zipfile.ZipFile(tmp_path / "units.csv", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(SourceError, match="is an Excel workbook; save its sheet as CSV"):
        collect(experiment)
    (tmp_path / "units.csv").write_bytes(gzip.compress(GOOD.encode()))
    with pytest.raises(SourceError, match=r"compressed by gzip; name it units\.csv\.gz"):
        collect(experiment)


def test_one_huge_value_in_an_arm_leaves_the_other_arm_its_digits(tmp_path: Path) -> None:
    rows = "".join(f"{k},{'ab'[k % 2]},{k % 7 + 0.1}\n" for k in range(400))
    clean = collect(a_table(tmp_path, "unit,arm,y\n" + rows, of_kind("mean"))).moments
    spoilt = collect(a_table(tmp_path, "unit,arm,y\n" + rows + "x,a,1e15\n", of_kind("mean"))).moments
    assert spoilt.mean[0, 0, 1, 0] == pytest.approx(clean.mean[0, 0, 1, 0], rel=1e-12)
    assert spoilt.cross[0, 0, 1, 0, 0] == pytest.approx(clean.cross[0, 0, 1, 0, 0], rel=1e-12)
