"""What a scan makes of clusters, and of units and clusters that were seen in two arms."""

from pathlib import Path

import pytest
from facts import a_log, a_table

from analysis import ExperimentError, SourceError, read
from analysis.collect import collect
from analysis.collected import Collected
from analysis.variables import SIZE, Variable

# Shop s (arm a) has p from 1 March and q from 2 March; shop t (arm b) has r from 1 March.
EXPOSED = (
    "unit,shop,arm,time\n"
    "p,s,a,2026-03-01T10:00:00Z\nq,s,a,2026-03-02T10:00:00Z\nr,t,b,2026-03-01T12:00:00Z\n"
)  # fmt: skip
EVENTS = (
    "unit,time,v\np,2026-03-01T11:00:00Z,4\np,2026-03-02T11:00:00Z,9\nq,2026-03-02T11:00:00Z,5\n"
    "r,2026-03-03T11:00:00Z,1\n"
)
SUM = 'id = "sum"\nkind = "mean"\nvalue = "v"'


def log(folder: Path, exposures: str, *metrics: str, **plan: str) -> Collected:
    return collect(a_log(folder, exposures, EVENTS, *(metrics or (SUM,)), **plan))


def totals(collected: Collected, look: int, *variables: Variable) -> list[list[float]]:
    """For each arm the sums of SIZE and the first metric's value over its clusters."""
    chosen = collected.moments.select(variables or (SIZE, collected.moments.variables[1]))
    return (chosen.n[look, 0][:, None] * chosen.mean[look, 0]).tolist()


def test_a_unit_joins_its_cluster_at_its_own_first_exposure_and_a_cluster_enters_with_its_first_unit(
    tmp_path: Path,
) -> None:
    collected = log(tmp_path, EXPOSED + "w,u,b,2026-03-03T01:00:00Z\n", cluster='"shop"')
    assert collected.moments.n[:, 0].tolist() == [[1, 1], [1, 1], [1, 2]]
    assert [totals(collected, look) for look in range(3)] == [
        [[1, 4], [1, 0]], [[2, 18], [1, 0]], [[2, 18], [2, 1]]
    ]  # fmt: skip
    assert collected.inside is not None and collected.inside.n.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("metric", "total"),
    [
        ('id = "m"\nkind = "mean"\nvalue = "v"\ncap = { value = 6 }', 11),
        ('id = "m"\nkind = "mean"\nvalue = "v"\naggregation = "max"', 14),
        ('id = "m"\nkind = "proportion"\nvalue = "v"', 2),
        ('id = "m"\nkind = "count"\nwindow_days = 0.5', 2),
    ],
)
def test_caps_maxima_and_any_are_settled_for_each_unit_before_they_are_summed(
    metric: str, total: float, tmp_path: Path
) -> None:
    assert totals(log(tmp_path, EXPOSED, metric, cluster='"shop"'), 2)[0] == [2, total]


CROSSED = EXPOSED + "q,s,b,2026-03-03T10:00:00Z\nx,u,a,2026-03-01T10:00:00Z\nw,z,b,2026-03-01T10:00:00Z\n"


def test_a_cluster_seen_in_two_arms_is_left_out_with_all_its_units(tmp_path: Path) -> None:
    collected = log(tmp_path, CROSSED, cluster='"shop"')
    assert collected.moments.n[-1, 0].tolist() == [1, 2]
    assert collected.crossed.tolist() == [[1, 0]] * 3
    assert totals(collected, 2) == [[1, 0], [2, 1]]


@pytest.mark.parametrize("cluster", [{}, {"cluster": '"shop"'}])
def test_crossovers_may_stay_in_the_arm_that_they_were_in_first_and_are_still_counted(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    collected = log(tmp_path, CROSSED, crossovers='"first"', **cluster)
    assert collected.moments.n[-1, 0].tolist() == ([2, 2] if cluster else [3, 2])
    assert collected.crossed[-1].tolist() == [1, 0]
    assert collected.moments.n[-1, 0, 0] * collected.moments.select((Variable("v", "sum"),)).mean[-1, 0, 0, 0] == 18


def test_a_unit_that_moves_stays_in_its_first_cluster_and_makes_neither_cross(tmp_path: Path) -> None:
    collected = log(tmp_path, EXPOSED + "q,t,b,2026-03-03T10:00:00Z\n", cluster='"shop"')
    assert collected.crossed.sum() == 0
    assert totals(collected, 2) == [[2, 18], [1, 1]]


def test_clusters_of_other_arms_are_left_out_and_counted_as_clusters(tmp_path: Path) -> None:
    collected = log(tmp_path, EXPOSED + "x,u,c,2026-03-01T10:00:00Z\ny,u,c,2026-03-01T10:00:00Z\n", cluster='"shop"')
    assert collected.left_out == {"c": 1}


def test_clusters_of_a_table_that_cross_have_no_first_arm_and_are_left_out(tmp_path: Path) -> None:
    text = "unit,shop,arm,y\n1,s,a,2\n2,s,b,4\n3,t,a,8\n4,u,b,16\n"
    collected = collect(a_table(tmp_path, text, cluster='"shop"'))
    assert collected.crossed.tolist() == [[1, 0]] and totals(collected, 0) == [[1, 8], [1, 16]]
    with pytest.raises(ExperimentError, match=r"crossovers: is \"first\", but \[source\] has no times"):
        a_table(tmp_path, text, cluster='"shop"', crossovers='"first"')


def test_a_segment_that_differs_inside_a_cluster_is_refused(tmp_path: Path) -> None:
    text = "unit,shop,arm,y,device\n1,s,a,2,phone\n2,s,a,4,desk\n3,t,b,8,desk\n"
    with pytest.raises(SourceError) as refusal:
        collect(a_table(tmp_path, text, cluster='"shop"', segments='["device"]'))
    for part in ("units.csv", "'device'", "'desk' and 'phone'", "'s'", "whole clusters"):
        assert part in str(refusal.value)


def test_a_cluster_must_be_known_for_every_unit(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="column 'shop' is empty in 1 row"):
        collect(a_table(tmp_path, "unit,shop,arm,y\n1,s,a,2\n2,,a,4\n3,t,b,8\n", cluster='"shop"'))


def test_ids_of_clusters_are_kept_as_they_are_written(tmp_path: Path) -> None:
    collected = collect(a_table(tmp_path, "unit,shop,arm,y\n1,07,a,2\n2,7,a,4\n3,8,b,8\n", cluster='"shop"'))
    assert collected.moments.n[0, 0].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("plan", "wanted"),
    [
        ({"cluster": '"unit"'}, "cluster: 'unit' is the unit or arm column"),
        ({"crossovers": '"as_treated"'}, "crossovers: found 'as_treated'. Known: exclude, first"),
    ],
)
def test_a_wrong_cluster_or_policy_is_refused(plan: dict[str, str], wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError) as refusal:
        a_table(tmp_path, "unit,arm,y\n1,a,2\n2,b,3\n", **plan)
    assert wanted in str(refusal.value)


def test_the_crossover_check_fits_the_policy_and_compares_the_split_with_and_without_them(tmp_path: Path) -> None:
    rows = [f"{k},{'ab'[k % 2]},2026-03-01T10:00:00Z" for k in range(4_000)]
    rows += [f"{k},b,2026-03-01T11:00:00Z" for k in range(0, 100, 2)]
    text = "unit,arm,time\n" + "\n".join(rows) + "\n"
    verdicts = {}
    for policy in ("exclude", "first"):
        readout = read(a_log(tmp_path, text, "unit,time,v\n1,2026-03-01T12:00:00Z,1\n", SUM, crossovers=f'"{policy}"'))
        verdicts[policy] = next(check for check in readout.looks[0].checks if check.name == "crossover")
        assert readout.looks[0].units == {"a": 1_950 if policy == "exclude" else 2_000, "b": 2_000}
    out, kept = verdicts["exclude"], verdicts["first"]
    assert out.value == kept.value == pytest.approx(50 / 4_000)
    assert out.verdict == "fail" and kept.verdict == "warn"
    assert "50 of 4,000 units were seen in two arms and are left out (1.25%)" in out.reason
    assert "with them 50.00 / 50.00 arrived (p = 1), without 49.37 / 50.63" in out.reason
    assert "biases the comparison" in out.reason
    assert "stay in their first (1.25%)" in kept.reason and "with them" not in kept.reason
