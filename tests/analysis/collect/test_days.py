"""What the days of a scan say: active units, cohorts in the last days, and units at a cap."""

from pathlib import Path

from facts import a_log

from analysis.collect import collect

COUNT = 'id = "orders"\nkind = "count"\nrole = "primary"'


def a_month(folder: Path, events: str, metric: str = COUNT, **plan: str):
    """Units 1 and 2 come on the first day of January, 3 and 4 on the 20th; the last fact is of the 28th."""
    exposures = "unit,arm,time\n1,a,2026-01-01\n2,b,2026-01-01\n3,a,2026-01-20\n4,b,2026-01-20\n"
    return collect(a_log(folder, exposures, f"unit,time,value\n{events}1,2026-01-28,0\n", metric, **plan))


def test_active_units_are_counted_once_a_day_by_arm(tmp_path: Path):
    collected = a_month(tmp_path, "1,2026-01-02,5\n1,2026-01-02,6\n2,2026-01-02,7\n4,2026-01-21,7\n9,2026-01-21,7\n")
    assert collected.active.shape == (28, 2)
    assert collected.active[[0, 1, 20, 27]].tolist() == [[0, 0], [1, 1], [0, 1], [1, 0]]


def test_cohorts_hold_what_was_done_in_the_last_seven_days(tmp_path: Path):
    before = "1,2026-01-21,1\n3,2026-01-21,1\n"
    within = "1,2026-01-22,1\n2,2026-01-25,1\n2,2026-01-28,1\n4,2026-01-23,1\n"
    cohorts = a_month(tmp_path, before + within).cohorts
    assert (f"{cohorts.begin:%d}", f"{cohorts.end:%d}") == ("22", "29")
    assert cohorts.moments.n.tolist() == [[1, 1], [1, 1]]
    assert cohorts.moments.mean[..., 0].tolist() == [[2, 2], [0, 1]]


def test_cohorts_end_with_the_experiment(tmp_path: Path):
    cohorts = a_month(tmp_path, "", end="2026-01-27").cohorts
    assert (f"{cohorts.begin:%d}", f"{cohorts.end:%d}") == ("20", "27")
    assert cohorts.moments.n.tolist() == [[1, 1], [0, 0]]


def test_units_at_a_cap_are_counted_by_arm_and_capped_in_the_last_days_too(tmp_path: Path):
    spend = 'id = "spend"\nkind = "mean"\nvalue = "value"\nrole = "primary"\ncap = { value = 6 }'
    collected = a_month(tmp_path, "1,2026-01-23,9\n2,2026-01-23,5\n4,2026-01-23,60\n", spend)
    assert {name: cut.tolist() for name, cut in collected.capped.items()} == {"sum(value) capped at 6": [1, 1]}
    assert collected.cohorts.moments.mean[..., 0].tolist() == [[6, 5], [0, 6]]
