"""Friends in the lake: what the readout makes of them, and communities from the command line and back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from facts import an_experiment_file
from typer.testing import CliRunner

import analysis
import holdout
from analysis.collect import collect
from analysis.network.people import communities_of
from analysis.readout.report import as_text
from store import Workspace
from tests.benchmarks._networks import World

METRIC = 'id = "spend"\nkind = "mean"\nvalue = "value"\nwhere = { kind = "purchase" }\nrole = "primary"'
START = datetime(2026, 3, 1, tzinfo=UTC)


def a_shop(folder: Path, world: World, arm: np.ndarray) -> Workspace:
    """A workspace in which everybody of `world` was seen on the first of March, and bought a day later."""
    workspace, n = Workspace.create(folder / "shop"), world.graph.n
    people = [f"p{k:05d}" for k in range(n)]
    one, other = world.graph.directed
    tables = {
        "exposures": {
            "experiment_id": ["trial"] * n, "unit_id": people, "arm": np.where(arm, "b", "a"), "time": [START] * n
        },
        "events": {
            "unit_id": people, "time": [START + timedelta(days=1)] * n, "kind": ["purchase"] * n,
            "value": np.rint(100 * (world.outcome(arm) + 5)).astype(np.int64),
        },
        "users": {"user_id": people},
        "friendships": {
            "user_id": [people[k] for k in one], "friend_id": [people[k] for k in other],
            "since": pa.array([None] * len(one), pa.timestamp("us", "UTC")),
        },
    }  # fmt: skip
    for table, columns in tables.items():
        workspace.lake.append(table, pa.table(columns), source="1")
    return workspace


@pytest.fixture(scope="module")
def much_passed_on(tmp_path_factory):
    rng = np.random.default_rng(5)
    world = World.draw(rng, by_unit=True, spill=3.0, people=1_200)
    folder = tmp_path_factory.mktemp("friends")
    arm = world.assign(rng)
    return world, arm, folder, a_shop(folder, world, arm)


def test_a_readout_by_unit_estimates_spillover_and_warns(much_passed_on):
    world, arm, folder, workspace = much_passed_on
    experiment = an_experiment_file(folder, "lake = true", METRIC, unit='"unit_id"')
    readout = analysis.read(experiment, workspace)
    network = readout.network
    assert network.randomised == "units" and network.friendships == len(world.graph.pairs)
    assert network.with_friends == (world.graph.degree > 0).sum()
    dose = next(effect for effect in network.effects if effect.contrast == "dose_untreated")
    assert dose.absolute.lower < 300 < dose.absolute.upper
    assert dose.n.control + dose.n.treatment == ((arm == 0) & (world.graph.degree > 0)).sum()
    check = next(check for check in readout.looks[-1].checks if check.name == "spillover")
    assert check.verdict == "warn" and "randomise by community" in check.reason
    assert any("spillover" in note.lower() for note in readout.decision.notes)
    assert analysis.Readout.from_json(readout.to_json()) == readout
    assert "Friends, at the last look" in as_text(readout) and "dose untreated" in as_text(readout)


def test_communities_are_found_imported_and_read_as_clusters(tmp_path):
    rng = np.random.default_rng(9)
    world = World.draw(rng, by_unit=False, spill=1.0, people=1_200)
    workspace, output = a_shop(tmp_path, world, world.assign(rng)), tmp_path / "found.csv"
    arguments = ["communities", "-w", str(workspace.path), "--largest", "40", "--output", str(output)]
    done = CliRunner().invoke(holdout.app, arguments)
    assert done.exit_code == 0 and f"of {len(world.graph.pairs):,} friendships lie inside" in done.output
    first = output.read_bytes()
    assert CliRunner().invoke(holdout.app, arguments).exit_code == 0 and output.read_bytes() == first
    rows = ["user_id,community", *(f"p{k:05d},c{c}" for k, c in enumerate(world.community) if k != 7)]
    output.write_text("\n".join(rows))
    assert (
        CliRunner().invoke(holdout.app, ["import", "communities", str(output), "-w", str(workspace.path)]).exit_code
        == 0
    )
    by_unit = an_experiment_file(tmp_path, "lake = true", METRIC, unit='"unit_id"')
    here = np.delete(np.arange(world.graph.n), 7)
    found = collect(by_unit, workspace).neighbours.community
    assert len(np.unique(np.stack([found[here], world.community[here]]), axis=1).T) == world.community.max() + 1
    assert (found == found[7]).sum() == 1


def test_without_friendships_there_are_no_communities_to_find(tmp_path):
    with pytest.raises(analysis.SourceError, match="table friendships is empty"):
        communities_of(Workspace.create(tmp_path / "empty"), 200)


def test_a_readout_by_community_gives_the_total_effect_and_no_warning(tmp_path):
    rng = np.random.default_rng(9)
    world = World.draw(rng, by_unit=False, spill=1.0, people=1_200)
    workspace = a_shop(tmp_path, world, world.assign(rng))
    known = {"user_id": [f"p{k:05d}" for k in range(world.graph.n)], "community": [f"c{c}" for c in world.community]}
    workspace.lake.append("communities", pa.table(known), source="1")
    experiment = an_experiment_file(tmp_path, "lake = true", METRIC, unit='"unit_id"', cluster='"community"')
    readout = analysis.read(experiment, workspace)
    assert readout.network.randomised == "clusters" and readout.network.communities == world.community.max() + 1
    assert [check.name for check in readout.looks[-1].checks if check.name == "spillover"] == []
    total = next(effect for effect in readout.network.effects if effect.contrast == "total")
    truth = 100 * world.truth(rng)[3]
    assert total.absolute.lower < truth < total.absolute.upper


def test_friends_made_after_the_start_and_friends_outside_do_not_count(tmp_path):
    rng = np.random.default_rng(9)
    world = World.draw(rng, by_unit=True, spill=0.0, people=60)
    workspace = a_shop(tmp_path, world, world.assign(rng))
    later = {
        "user_id": ["p00000", "p00000"],
        "friend_id": ["p00059", "stranger"],
        "since": [START, START - timedelta(1)],
    }
    workspace.lake.append("friendships", pa.table(later), source="2")
    experiment = an_experiment_file(tmp_path, "lake = true", METRIC, unit='"unit_id"')
    assert collect(experiment, workspace).neighbours.graph.pairs.tolist() == world.graph.pairs.tolist()
