"""An experiment in a workspace reads exposures, events and users from the lake."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from facts import an_experiment_file

from analysis import ExperimentError, SourceError
from analysis.collect import collect
from store import Workspace

METRIC = 'id = "spend"\nkind = "mean"\nvalue = "value"\nwhere = { kind = "purchase" }'


def day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


def a_workspace(folder: Path) -> Workspace:
    workspace = Workspace.create(folder / "shop")
    shown = {
        "experiment_id": ["trial", "trial", "other"], "unit_id": ["p", "q", "q"], "arm": ["a", "b", "a"],
        "time": [day(1), day(2), day(1)],
    }  # fmt: skip
    workspace.lake.append("exposures", pa.table(shown), source="1")
    return workspace


def test_units_that_a_fault_touched_can_be_left_out_of_both_arms(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path)
    shown = {"experiment_id": ["trial"] * 4, "unit_id": list("pqrs"), "arm": list("abab"), "time": [day(1)] * 4}
    workspace.lake.append("exposures", pa.table(shown), source="1")
    users = {"user_id": list("pqr"), "platform": ["phone", "phone", "desktop"]}
    workspace.lake.append("users", pa.table(users), source="1")
    source = 'lake = true\nexclude = { platform = ["phone"] }'
    experiment = an_experiment_file(tmp_path, source, METRIC, unit='"unit_id"')
    assert collect(experiment, workspace).moments.n[-1, 0].tolist() == [1, 1], "who has no platform stays"
    with pytest.raises(SourceError, match="has no column 'platfrom', needed as a column to exclude by"):
        collect(
            an_experiment_file(tmp_path, source.replace("platform", "platfrom"), METRIC, unit='"unit_id"'), workspace
        )


def test_an_end_before_anybody_came_is_refused(tmp_path: Path) -> None:
    experiment = an_experiment_file(tmp_path, "lake = true", METRIC, unit='"unit_id"', end="2025-03-09")
    with pytest.raises(ExperimentError, match="end: 2025-03-09 is not after the first exposure, of 2026-03-01"):
        collect(experiment, a_workspace(tmp_path))


def test_the_lake_gives_exposures_events_and_segments_of_users(tmp_path: Path) -> None:
    workspace = a_workspace(tmp_path)
    done = {
        "unit_id": ["p", "p", "q"], "time": [day(1), day(3), day(2)], "kind": ["purchase", "view", "purchase"],
        "value": pa.array([500, 9, 700], pa.int64()),
    }  # fmt: skip
    workspace.lake.append("events", pa.table(done), source="1")
    workspace.lake.append("users", pa.table({"user_id": ["p"], "country": ["DE"]}), source="1")
    experiment = an_experiment_file(tmp_path, "lake = true", METRIC, unit='"unit_id"', segments='["country"]')
    collected = collect(experiment, workspace)
    assert collected.labels[-1] == "2026-03-04T00:00:00Z"
    assert [s and s.value for s in collected.segments] == [None, "(none)", "DE"]
    assert collected.moments.mean[-1, 0, :, 0].tolist() == [500, 700]
    assert collected.moments.n[-1].tolist() == [[1, 1], [0, 1], [1, 0]]


def test_without_events_every_value_is_0(tmp_path: Path) -> None:
    experiment = an_experiment_file(tmp_path, "lake = true", METRIC, unit='"unit_id"')
    collected = collect(experiment, a_workspace(tmp_path))
    assert collected.moments.mean[-1, 0, :, 0].tolist() == [0, 0]
    assert collected.last_event is None


def test_an_experiment_that_was_never_shown_is_named(tmp_path: Path) -> None:
    experiment = an_experiment_file(tmp_path, "lake = true", METRIC, id='"trail"', unit='"unit_id"')
    with pytest.raises(SourceError, match="no row of experiment 'trail'. Found: other, trial"):
        collect(experiment, a_workspace(tmp_path))
    with pytest.raises(SourceError, match="table exposures is empty"):
        collect(experiment, Workspace.create(tmp_path / "empty"))
