from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.check import check, convert, convertible
from store.contract import Column, Contract

TIME = Column("time", "timestamp")


def checked(values: list, kind: str, *, required: bool = False, found: pa.DataType | None = None) -> tuple[list, dict]:
    contract = Contract("t", "", (Column("x", kind, required=required),))
    result = check(pa.RecordBatch.from_arrays([pa.array(values, found)], names=["x"]), contract)
    assert len(result.good) + len(result.problems) == len(values)
    return result.good.column("x").to_pylist(), result.problems


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int64", ["1", " -2 ", "007"], ["1.0", "1e3", "0x1F", "five", "99999999999999999999", "1 2", "NaN"]),
        ("int32", ["2147483647"], ["2147483648"]),
        ("float64", ["1", "1e3", "-.5"], ["1,5", "one", "nan", "inf", "-inf"]),
        ("bool", ["true", "False", "1", "0"], ["yes", "2"]),
        ("timestamp", ["2024-02-29", "2024-01-01 10:00"], ["2023-02-29", "01/02/2024", "20240101", "now", "10:00"]),
    ],
)
def test_text_is_parsed_strictly(kind: str, good: list[str], bad: list[str]) -> None:
    values, problems = checked([*good, *bad], kind)
    assert len(values) == len(good)
    assert sorted(problems) == list(range(len(good), len(good) + len(bad)))


@pytest.mark.parametrize("kind", ["int64", "float64", "bool", "timestamp", "string"])
@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_value_is_null_or_a_problem_where_required(kind: str, missing: str | None) -> None:
    values, problems = checked([missing], kind, found=pa.string())
    assert values == ([""] if kind == "string" and missing == "" else [None]) and not problems
    values, problems = checked([missing], kind, required=True, found=pa.string())
    assert values == [] and problems == {0: "x: required, and missing"}


def test_nan_and_infinity_are_problems_and_never_numbers() -> None:
    assert checked([1.0, float("nan"), float("inf"), None], "float64") == (
        [1.0, None],
        {1: "x: NaN or infinite", 2: "x: NaN or infinite"},
    )


def test_money_in_a_float_column_must_be_whole() -> None:
    assert checked([1200.0, 12.5, float("nan")], "int64") == (
        [1200],
        {1: "x: not a whole number (int64)", 2: "x: not a whole number (int64)"},
    )


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
            st.none() | st.integers(-14 * 60, 14 * 60),
            st.sampled_from("T "),
        ),
        min_size=1,
    )
)
def test_mixed_offsets_are_each_converted_and_none_is_utc(times: list[tuple[datetime, int | None, str]]) -> None:
    zones = [UTC if minutes is None else timezone(timedelta(minutes=minutes)) for _, minutes, _ in times]
    text = [
        (time if minutes is None else time.replace(tzinfo=zone)).isoformat(separator)
        for (time, minutes, separator), zone in zip(times, zones, strict=True)
    ]
    expected = [time.replace(tzinfo=zone) for (time, _, _), zone in zip(times, zones, strict=True)]
    assert convert(pa.array(text), TIME).to_pylist() == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-06T07:08:09.123456789Z",
        "2024-05-06 07:08:09.123456 UTC",
        "2024-05-06T09:08:09.123456+0200",
        "2024-05-06 09:08:09.123456 +02:00",
        "2024-05-06T00:08:09.123456-07",
    ],
)
def test_common_ways_to_write_a_time_mean_the_same(text: str) -> None:
    expected = [datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)]
    assert convert(pa.array([text]), TIME).to_pylist() == expected
    assert convert(pa.array([text, "2024-01-01", "bad"]), TIME).to_pylist()[:1] == expected


def test_times_of_other_zones_and_units_become_utc_microseconds() -> None:
    noon = datetime(2024, 7, 1, 12, tzinfo=UTC)
    for kind in (pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("s", "+02:00"), pa.timestamp("ms", "UTC")):
        assert convert(pa.array([noon], kind), TIME).to_pylist() == [noon]
    assert convert(pa.array([noon.replace(tzinfo=None)], pa.timestamp("ns")), TIME).to_pylist() == [noon]


@given(st.lists(st.none() | st.integers(-(2**70), 2**70).map(str) | st.text(max_size=3)))
def test_whole_numbers_agree_with_a_plain_reading_of_each(values: list[str | None]) -> None:
    def plain(text: str | None) -> int | None:
        stripped = (text or "").strip()
        if not stripped.removeprefix("-").isdecimal() or not stripped.isascii():
            return None
        return int(stripped) if -(2**63) <= int(stripped) < 2**63 else None

    assert convert(pa.array(values, pa.string()), Column("x", "int64")).to_pylist() == list(map(plain, values))


def test_types_that_would_need_a_guess_are_not_convertible() -> None:
    assert not convertible(pa.int64(), TIME)
    assert not convertible(pa.float64(), Column("id", "string"))
    assert not convertible(pa.list_(pa.int64()), Column("x", "int64"))
    assert convertible(pa.dictionary(pa.int32(), pa.large_string()), Column("id", "string"))
    assert convertible(pa.int64(), Column("id", "string"))


def test_a_number_is_not_taken_for_a_time_nor_a_fraction_for_a_name() -> None:
    assert checked([1735689600], "timestamp")[0] == []
    assert checked([1.5], "string")[0] == []
    assert checked([date(2025, 1, 31)], "timestamp")[0] == [datetime(2025, 1, 31, tzinfo=UTC)]
