"""Who is retained, from when a unit counts, and which values a cap is taken from, worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from facts import a_log, a_table

from analysis import ExperimentError, read
from analysis.collect import collect
from analysis.collected import Collected

EXPOSED = """unit,arm,time
p,a,2026-03-01T10:00:00Z
q,b,2026-03-01T12:00:00Z
r,a,2026-03-02T10:00:00Z
"""
BACK = 'id = "back"\nkind = "retention"\nwindow_days = [2, 3]\n'


def totals(collected: Collected, arm: int) -> list[list[float]]:
    """Sums of all variables over the units of an arm, look by look."""
    moments = collected.moments[:, 0, arm]
    return np.round(moments.n[:, None] * moments.mean, 9).tolist()


def test_a_unit_counts_from_the_day_on_which_its_window_ends(tmp_path: Path) -> None:
    events = """unit,time,v
p,2026-03-03T09:59:59Z,1
p,2026-03-04T10:00:00Z,1
q,2026-03-03T12:00:00Z,1
q,2026-03-03T13:00:00Z,1
r,2026-03-04T09:00:00Z,1
r,2026-03-05T10:00:01Z,1
"""
    collected = collect(a_log(tmp_path, EXPOSED, events, BACK))
    assert [v.name for v in collected.moments.variables] == ["any() 2 to 3 days after", "units 2 to 3 days after"]
    # The windows of p and q end on 4 March, that of r on 5 March: r came before and after it, but not within.
    assert totals(collected, 0) == [[0, 0], [0, 0], [0, 0], [1, 1], [1, 2]]
    assert totals(collected, 1) == [[0, 0], [0, 0], [0, 0], [1, 1], [1, 1]]


def test_a_window_that_ends_at_midnight_ends_on_the_new_day(tmp_path: Path) -> None:
    exposed = "unit,arm,time\np,a,2026-03-01T00:00:00Z\nq,b,2026-03-01T00:00:00.000001Z\n"
    events = "unit,time\np,2026-03-04T00:00:00Z\nq,2026-03-03T23:00:00Z\n"
    collected = collect(a_log(tmp_path, exposed, events, BACK))
    assert totals(collected, 0) == [[0, 0], [0, 0], [0, 0], [1, 1]]
    assert totals(collected, 1) == [[0, 0], [0, 0], [0, 0], [1, 1]]


def test_events_with_dates_only_count_on_every_day_that_the_window_touches(tmp_path: Path) -> None:
    events = "unit,time\np,2026-03-03\nq,2026-03-04\nr,2026-03-03\nr,2026-03-06\n"
    collected = collect(a_log(tmp_path, EXPOSED, events, BACK))
    assert totals(collected, 0) == [[0, 0], [0, 0], [0, 0], [1, 1], [1, 2], [1, 2]]
    assert totals(collected, 1) == [[0, 0], [0, 0], [0, 0], [1, 1], [1, 1], [1, 1]]


def test_the_last_look_alone_is_the_last_of_all(tmp_path: Path) -> None:
    rng = np.random.default_rng(31)
    exposed = "unit,arm,time\n" + "".join(
        f"{k},{'ab'[k % 2]},2026-03-{rng.integers(1, 11):02d}T{rng.integers(24):02d}:00:00Z\n" for k in range(80)
    )
    events = "unit,time,v\n" + "".join(
        f"{rng.integers(80)},2026-03-{rng.integers(1, 12):02d}T{rng.integers(24):02d}:30:00Z,{rng.normal():.3f}\n"
        for _ in range(400)
    )
    median = 'id = "median"\nkind = "quantile"\nquantile = 0.5\nvalue = "v"\nwindow_days = 4'
    experiment = a_log(tmp_path, exposed, events, BACK, median)
    daily, last = collect(experiment), collect(experiment, looks="last")
    np.testing.assert_allclose(last.moments.mean[0], daily.moments.mean[-1], rtol=1e-12)
    np.testing.assert_allclose(last.moments.cross[0], daily.moments.cross[-1], rtol=1e-12)
    for name in ("value", "standard_error", "ties", "rows", "units"):
        one, all_looks = (getattr(found.quantiles["median"], name) for found in (last, daily))
        np.testing.assert_allclose(one[0], all_looks[-1], rtol=1e-12)
    assert 0 < daily.moments.mean[-1, 0, 0, 1] < 1


def test_retention_is_the_share_of_those_whose_window_is_over_and_they_are_what_is_counted(tmp_path: Path) -> None:
    exposed = "unit,arm,time\n" + "".join(f"{k},{'ab'[k % 2]},2026-03-0{1 + k % 5}T08:00:00Z\n" for k in range(2_000))
    # Every third unit comes back in its window, and an unknown one makes the last look that of 6 March.
    events = "unit,time\n" + "".join(f"{k},2026-03-0{3 + k % 5}T20:00:00Z\n" for k in range(0, 2_000, 3) if k % 5 < 4)
    readout = read(a_log(tmp_path, exposed, events, BACK + 'role = "primary"'))
    effect = readout.looks[-1].effects[0]
    assert readout.looks[-1].time == "2026-03-07T00:00:00Z"
    over = [k for k in range(2_000) if k % 5 < 3]
    wanted = [np.mean([k % 3 == 0 for k in over if k % 2 == arm]) for arm in (0, 1)]
    assert [effect.means.control, effect.means.treatment] == pytest.approx(wanted, rel=1e-12)
    assert (effect.n.control, effect.n.treatment) == (600, 600)
    error = np.sqrt(sum(p * (1 - p) / 600 for p in wanted))
    assert effect.absolute.standard_error == pytest.approx(error, rel=1e-3)
    assert "control has 0 units" in str(readout.looks[0].effects[0].reason)
    # Nobody had time to come back: that is no lack of units.
    leaning = [check.reason for look in readout.looks for check in look.checks if check.name == "sample_size"]
    assert not any("back" in reason for reason in leaning)


@pytest.mark.parametrize("days", ["7", "[7]", "[14, 7]", "[-1, 7]", "[true, 7]"])
def test_a_span_that_is_none_is_refused(tmp_path: Path, days: str) -> None:
    with pytest.raises(ExperimentError, match=r"window_days: found .*\[7, 14\]"):
        a_log(tmp_path, EXPOSED, "unit,time\n", f'id = "m"\nkind = "retention"\nwindow_days = {days}')


def test_retention_needs_events(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="needs exposures and events"):
        a_table(tmp_path, "unit,arm\n1,a\n", 'id = "m"\nkind = "retention"\nvalue = "y"\nwindow_days = [7, 14]')


PAST = """unit,time,v,n
p,2026-02-27T10:00:00Z,{0},2
q,2026-02-28T10:00:00Z,{1},4
p,2026-02-20T10:00:00Z,999,9
p,2026-03-01T10:00:00Z,{2},1
q,2026-03-02T10:00:00Z,{3},8
r,2026-03-02T10:00:00Z,3,8
"""
FROZEN = 'id = "m"\nkind = "mean"\nvalue = "v"\ncap = { quantile = 0.5, window_days = 3 }\n'


def test_a_cap_from_before_exposure_counts_all_units_and_moves_with_nothing_that_came_later(tmp_path: Path) -> None:
    caps = [
        collect(a_log(tmp_path, EXPOSED, PAST.format(10, 30, *later), FROZEN)).caps for later in ((1, 2), (5000, 70))
    ]
    # p had 10, q 30 and r nothing in the three days before.
    assert list(caps[0].values()) == list(caps[1].values()) == [10.0]
    collected = collect(a_log(tmp_path, EXPOSED, PAST.format(10, 30, 5000, 70), FROZEN))
    assert [v.name for v in collected.moments.variables] == ["sum(v) capped at q0.5 of 3 days before"]
    assert (totals(collected, 0)[-1], totals(collected, 1)[-1]) == ([13.0], [10.0])


def test_a_covariate_from_before_exposure_gets_the_cap_of_its_outcome(tmp_path: Path) -> None:
    metric = FROZEN + "covariates = { window_days = 10 }"
    collected = collect(a_log(tmp_path, EXPOSED, PAST.format(10, 30, 5000, 70), metric))
    assert list(collected.caps.values()) == [10.0, 10.0]


def test_both_parts_of_a_ratio_are_capped_on_all_units(tmp_path: Path) -> None:
    metric = (
        'id = "m"\nkind = "ratio"\nvalue = "v"\ncap = { quantile = 0.5, window_days = 3 }\n'
        'denominator = { value = "n", cap = { quantile = 0.5, window_days = 3 } }'
    )
    collected = collect(a_log(tmp_path, EXPOSED, PAST.format(10, 30, 5000, 70), metric))
    assert list(collected.caps.values()) == [10.0, 2.0]
    assert (totals(collected, 0)[-1], totals(collected, 1)[-1]) == ([13.0, 3.0], [10.0, 2.0])


def test_a_cap_that_comes_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="the cap comes to 0"):
        collect(a_log(tmp_path, EXPOSED, PAST.format(0, 0, 5000, 70), FROZEN))
