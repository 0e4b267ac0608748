"""What counts for whom and when, on cases small enough to work out by hand."""

from pathlib import Path

import numpy as np
import pytest
from facts import a_log, a_parquet, a_table, an_experiment_file

from analysis import load_experiment
from analysis.collect import collect
from analysis.collected import Collected

EXPOSED = """unit,arm,time
p,a,2026-03-01T10:00:00Z
q,b,2026-03-01T12:00:00Z
"""
SUM = 'id = "m"\nkind = "mean"\nvalue = "v"\n'


def total(collected: Collected, arm: int, look: int = -1, variable: int = 0) -> float:
    """Sum of a variable over the units of an arm, all segments together."""
    return float(collected.moments.n[look, 0, arm] * collected.moments.mean[look, 0, arm, variable])


def log(folder: Path, events: str, metric: str, exposures: str = EXPOSED, **plan: str) -> Collected:
    return collect(a_log(folder, exposures, events, metric, **plan))


def test_both_ends_of_the_window_after_exposure_count(tmp_path: Path) -> None:
    events = """unit,time,v
p,2026-03-01T09:59:59.999999Z,1
p,2026-03-01T10:00:00Z,10
p,2026-03-03T10:00:00Z,100
p,2026-03-03T10:00:00.000001Z,1000
"""
    assert total(log(tmp_path, events, SUM + "window_days = 2"), 0) == pytest.approx(110)
    assert total(log(tmp_path, events, SUM), 0) == pytest.approx(1110)


def test_the_window_before_exposure_holds_its_start_and_not_the_exposure(tmp_path: Path) -> None:
    events = """unit,time,v
p,2026-02-27T09:59:59.999999Z,1
p,2026-02-27T10:00:00Z,10
p,2026-03-01T09:59:59.999999Z,100
p,2026-03-01T10:00:00Z,1000
"""
    collected = log(tmp_path, events, SUM + "covariates = { window_days = 2 }")
    assert total(collected, 0, variable=1) == pytest.approx(110)
    assert total(collected, 0, variable=0) == pytest.approx(1000)


def test_a_look_is_the_end_of_a_utc_day_and_a_gap_is_a_look_too(tmp_path: Path) -> None:
    events = """unit,time,v
p,2026-03-01T23:59:59.999999Z,1
p,2026-03-02T00:00:00Z,10
p,2026-03-04T23:00:00Z,100
"""
    collected = log(tmp_path, events, SUM)
    assert collected.labels == tuple(f"2026-03-0{day}T00:00:00Z" for day in (2, 3, 4, 5))
    assert [total(collected, 0, look) for look in range(4)] == pytest.approx([1, 11, 11, 111])


def test_units_enter_with_their_first_exposure(tmp_path: Path) -> None:
    exposures = EXPOSED + "r,a,2026-03-03T00:00:00Z\nr,a,2026-03-02T00:00:00Z\nr,a,2026-03-05T00:00:00Z\n"
    collected = log(tmp_path, "unit,time,v\nr,2026-03-02T00:00:00Z,5\n", SUM, exposures)
    assert collected.moments.n[:, 0].tolist() == [[1, 1], [2, 1], [2, 1], [2, 1], [2, 1]]
    assert total(collected, 0) == pytest.approx(5)


def test_first_exposure_gives_segment_and_covariate(tmp_path: Path) -> None:
    exposures = """unit,arm,time,device,age
p,a,2026-03-01T10:00:00Z,phone,30
p,a,2026-03-01T09:00:00Z,desk,
q,b,2026-03-01T12:00:00Z,,40
"""
    collected = log(
        tmp_path,
        "unit,time,v\np,2026-03-01T10:00:00Z,1\n",
        SUM + 'covariates = ["age"]',
        exposures,
        segments='["device"]',
    )
    assert [s and s.value for s in collected.segments] == [None, "(none)", "desk"]
    assert [v.name for v in collected.moments.variables] == ["sum(v)", "age", "age missing"]
    assert collected.moments.mean[0, 0].tolist() == [[1, 0, 1], [0, 40, 0]]
    assert collected.moments.n[0].tolist() == [[1, 1], [0, 1], [1, 0]]


def test_crossed_units_are_left_out_of_every_look_and_counted_from_their_first_exposure(tmp_path: Path) -> None:
    exposures = (
        EXPOSED
        + "x,a,2026-03-02T10:00:00Z\nx,b,2026-03-03T10:00:00Z\ny,a,2026-03-01T10:00:00Z\ny,c,2026-03-01T11:00:00Z\n"
    )
    collected = log(tmp_path, "unit,time,v\np,2026-03-03T10:00:00Z,1\nx,2026-03-02T11:00:00Z,50\n", SUM, exposures)
    assert collected.crossed.sum(axis=1).tolist() == [1, 2, 2]
    assert collected.moments.n[:, 0].tolist() == [[1, 1]] * 3
    assert total(collected, 0) == pytest.approx(1)
    assert collected.left_out == {}


def test_units_of_other_arms_are_left_out_and_counted(tmp_path: Path) -> None:
    collected = log(tmp_path, "unit,time,v\nz,2026-03-01T13:00:00Z,1\n", SUM, EXPOSED + "z,c,2026-03-01T10:00:00Z\n")
    assert collected.left_out == {"c": 1}
    assert collected.moments.n[-1, 0].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ('kind = "mean"\nvalue = "v"', 4),
        ('kind = "mean"\nvalue = "v"\nwhere = { kind = "buy" }', -3),
        ('kind = "count"', 4),
        ('kind = "count"\nwhere = { kind = "buy" }', 2),
        ('kind = "count"\nwhere = { flag = true }', 1),
        ('kind = "count"\nwhere = { flag = 0, kind = "see" }', 1),
        ('kind = "mean"\nvalue = "v"\naggregation = "max"', 7),
        ('kind = "mean"\nvalue = "v"\naggregation = "max"\nwhere = { kind = "buy" }', -3),
        ('kind = "mean"\nvalue = "v"\naggregation = "max"\nwhere = { kind = "none" }', 0),
        ('kind = "proportion"', 1),
        ('kind = "proportion"\nvalue = "v"\nwhere = { kind = "zero" }', 0),
        ('kind = "proportion"\nwhere = { kind = "zero" }', 1),
        ('kind = "mean"\nvalue = "v"\ncap = { value = 3 }', 3),
    ],
)
def test_each_aggregation(tmp_path: Path, metric: str, expected: float) -> None:
    events = """unit,time,v,kind,flag
p,2026-03-01T10:00:00Z,-3,buy,true
p,2026-03-01T11:00:00Z,,buy,false
p,2026-03-01T12:00:00Z,7,see,false
p,2026-03-01T13:00:00Z,0,zero,
"""
    collected = log(tmp_path, events, f'id = "m"\n{metric}')
    assert total(collected, 0) == pytest.approx(expected)
    assert total(collected, 1) == 0


def test_a_cap_at_a_quantile_is_taken_at_the_last_look_over_all_units_and_used_at_every_look(tmp_path: Path) -> None:
    events = "unit,time,v\np,2026-03-01T10:00:00Z,10\nq,2026-03-01T13:00:00Z,8\nq,2026-03-02T13:00:00Z,12\n"
    collected = log(tmp_path, events, SUM + "cap = { quantile = 0.25 }")
    assert collected.caps == {"sum(v) capped at q0.25": 12.5}
    assert [total(collected, 1, look) for look in (0, 1)] == [8, 12.5]


def test_times_with_and_without_offsets_are_one_clock(tmp_path: Path) -> None:
    exposures = "unit,arm,time\np,a,2026-03-01T12:00:00+02:00\nq,b,2026-03-01 10:00:00\n"
    events = "unit,time,v\np,2026-03-01T09:59:59Z,1\np,2026-03-01T05:00:00-05:00,10\nq,2026-03-01T10:00:00,100\n"
    collected = log(tmp_path, events, SUM, exposures)
    assert [total(collected, arm) for arm in (0, 1)] == pytest.approx([10, 100])


def test_ids_as_text_keep_their_zeros_and_ids_of_different_types_still_meet(tmp_path: Path) -> None:
    a_parquet(
        tmp_path / "events.parquet", {"unit": [7, 7, 8], "time": ["2026-03-01T13:00:00"] * 3, "v": [1.0, 2.0, 4.0]}
    )
    (tmp_path / "exposures.csv").write_text(
        "unit,arm,time\n7,a,2026-03-01T10:00:00Z\n007,a,2026-03-01T10:00:00Z\n8,b,2026-03-01T10:00:00Z\n"
    )
    collected = collect(an_experiment_file(tmp_path, 'exposures = "exposures.csv"\nevents = "events.parquet"', SUM))
    assert collected.moments.n[-1, 0].tolist() == [2, 1]
    assert [total(collected, arm) for arm in (0, 1)] == pytest.approx([3, 4])


def test_the_last_look_alone_is_the_last_of_all_looks(tmp_path: Path) -> None:
    events = "unit,time,v\np,2026-03-01T10:00:00Z,10\nq,2026-03-02T13:00:00Z,8\nq,2026-02-28T13:00:00Z,12\n"
    experiment = a_log(tmp_path, EXPOSED, events, SUM + "covariates = { window_days = 3 }")
    daily, last = collect(experiment), collect(experiment, looks="last")
    assert last.looks == daily.looks[-1:]
    np.testing.assert_allclose(last.moments.mean, daily.moments.mean[-1:])
    np.testing.assert_allclose(last.moments.cross, daily.moments.cross[-1:])


def test_the_variance_is_right_at_every_look_when_the_mean_is_1e8(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    n, day = 4000, np.timedelta64(1, "D")
    start = np.datetime64("2026-03-01T00:00:00", "us")
    first = start + (rng.random(n) * 3 * 86_400e6).astype("timedelta64[us]")
    unit, amount = np.tile(np.arange(n), 2), 1e8 + rng.normal(size=2 * n)
    a_parquet(
        tmp_path / "x.parquet", {"unit": np.arange(n), "time": first, "arm": np.where(np.arange(n) % 2, "a", "b")}
    )
    a_parquet(tmp_path / "e.parquet", {"unit": unit, "time": np.concatenate([first, first + 2 * day]), "v": amount})
    collected = collect(an_experiment_file(tmp_path, 'exposures = "x.parquet"\nevents = "e.parquet"', SUM))
    for look, end in enumerate(start + day * np.arange(1, 6)):
        here = np.concatenate([first, first + 2 * day]) < end
        for arm, odd in enumerate((1, 0)):
            who = np.flatnonzero((first < end) & (np.arange(n) % 2 == odd))
            values = np.bincount(unit[here], amount[here], minlength=n)[who]
            assert collected.moments.covariance[look, 0, arm, 0, 0] == pytest.approx(np.var(values, ddof=1), rel=1e-6)


def test_a_table_with_a_time_column_has_daily_looks(tmp_path: Path) -> None:
    text = "unit,arm,y,when\n1,a,1,2026-03-01\n2,b,2,2026-03-01\n3,a,3,2026-03-03T05:00:00Z\n4,b,5,2026-03-02\n"
    collected = collect(a_table(tmp_path, text, more='time = "when"'))
    assert collected.moments.n[:, 0].tolist() == [[1, 1], [1, 2], [2, 2]]
    assert collected.moments.mean[:, 0, :, 0].tolist() == [[1, 2], [1, 3.5], [2, 3.5]]


def test_a_query_shapes_the_rows_first(tmp_path: Path) -> None:
    text = "day,who,g,y\n1,1,0,1\n2,1,0,2\n1,2,1,5\n"
    query = "SELECT who AS unit, CASE g WHEN 0 THEN 'a' ELSE 'b' END AS arm, sum(y) AS y FROM source GROUP BY 1, 2"
    collected = collect(a_table(tmp_path, text, more=f'query = "{query}"'))
    assert collected.moments.mean[0, 0, :, 0].tolist() == [3, 5]
    assert collected.looks == (None,)


def test_many_joint_segments_are_counted_dimension_by_dimension(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    n = 6000
    cities, days = rng.integers(0, 90, n), rng.integers(0, 90, n)
    y, arm = rng.normal(size=n), rng.integers(0, 2, n)
    a_parquet(
        tmp_path / "u.parquet",
        {"unit": np.arange(n), "arm": np.array(["a", "b"])[arm], "y": y, "city": cities, "day": days},
    )
    experiment = an_experiment_file(
        tmp_path, 'table = "u.parquet"', 'id = "y"\nkind = "mean"\nvalue = "y"', segments='["city", "day"]'
    )
    moments, segments = (collected := collect(experiment)).moments, collected.segments
    for k, codes in ((1, cities), (91, days)):
        here = (codes == int(segments[k].value)) & (arm == 1)  # type: ignore[union-attr]
        assert moments.n[0, k, 1] == here.sum()
        assert moments.mean[0, k, 1, 0] == pytest.approx(y[here].mean())
        assert moments.cross[0, k, 1, 0, 0] == pytest.approx(y[here].var() * here.sum())


@pytest.mark.parametrize("parquet", [False, True])
def test_an_event_dated_on_the_day_of_first_exposure_is_an_outcome_and_no_covariate(
    tmp_path: Path, parquet: bool
) -> None:
    from analysis.collect.plain import collect_plain

    events = "unit,time,v\np,2026-02-28,1\np,2026-03-01,10\np,2026-03-03,100\np,2026-03-04,1000\n"
    metric = SUM + "window_days = 2\ncovariates = { window_days = 2 }"
    experiment = a_log(tmp_path, EXPOSED, events, metric)
    if parquet:
        import duckdb

        folder = str(tmp_path)
        duckdb.sql(f"COPY (SELECT * FROM '{folder}/events.csv') TO '{folder}/events.parquet'")
        text = experiment.file.read_text().replace("events.csv", "events.parquet")
        experiment.file.write_text(text)
        experiment = load_experiment(experiment.file)
    for collected in (collect(experiment), collect_plain(experiment)):
        assert total(collected, 0, variable=0) == pytest.approx(110)
        assert total(collected, 0, variable=1) == pytest.approx(1)
