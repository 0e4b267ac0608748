"""An experiment is planned from a workspace's lake: what its tables know of the people of the past."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from facts import an_experiment_file

from analysis import SourceError, plan
from analysis.experiment import Experiment
from store import Workspace

PEOPLE, CIRCLES = 1_200, 200
START = datetime(2026, 3, 2, tzinfo=UTC)
ORDERS = 'id = "orders"\nkind = "count"\nwhere = { kind = "order" }\ncovariates = { window_days = 28 }'


def orders(rng: np.random.Generator) -> np.ndarray:
    """How often each person orders in the four weeks before and the week after; circles are alike, and so are people
    to what they were before. Shape (PEOPLE, 2)."""
    circle = rng.gamma(4, 1, CIRCLES)[np.arange(PEOPLE) % CIRCLES]
    taste = circle * rng.gamma(4, 0.25, PEOPLE)
    return np.column_stack([rng.poisson(4 * taste), rng.poisson(taste)])


def a_shop(folder: Path, counts: np.ndarray, circles: int = PEOPLE, *, backwards: bool = False) -> Workspace:
    """A lake in which everybody visits, and orders, and the first `circles` people have a community."""
    workspace = Workspace.create(folder / "shop")
    rows = []
    for person, (before, after) in enumerate(counts):
        rows += [(f"u{person}", START + timedelta(days=28, hours=person % 24), "visit")]
        rows += [(f"u{person}", START + timedelta(days=k % 28, hours=5), "order") for k in range(before)]
        rows += [(f"u{person}", START + timedelta(days=29 + k % 5, hours=5), "order") for k in range(after)]
    rows += [("nobody", START + timedelta(days=34, hours=23), "visit")]
    names, rows = ("unit_id", "time", "kind"), rows[:: -1 if backwards else 1]
    events = dict(zip(names, zip(*rows, strict=True), strict=True))
    workspace.lake.append("events", pa.table({name: list(column) for name, column in events.items()}), source="1")
    member = [f"u{k}" for k in range(circles)]
    found = {"user_id": member, "community": [f"c{k % CIRCLES}" for k in range(circles)]}
    workspace.lake.append("communities", pa.table(found), source="1")
    return workspace


def by_circle(folder: Path) -> Experiment:
    source = 'lake = true\n[plan]\ndays = 7\nstart = 2026-03-30\ntraffic = { kind = "visit" }'
    design = {"unit": '"unit_id"', "cluster": '"community"', "planned_units": str(CIRCLES)}
    return an_experiment_file(folder, source, ORDERS, **design)


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return orders(np.random.default_rng(4))


def test_people_lie_in_the_communities_of_the_lake_and_covariates_save_there(tmp_path: Path, counts: np.ndarray):
    made = plan(by_circle(tmp_path), a_shop(tmp_path, counts))
    (forecast,) = made.metrics
    assert forecast.value == pytest.approx(counts[:, 1].sum() / (PEOPLE + 1))
    # Who lies in none is alone, as in a readout.
    circle = np.append(np.arange(PEOPLE) % CIRCLES, CIRCLES)
    sums = np.stack([np.bincount(circle, np.append(column, 0)) for column in counts.T])
    size = np.bincount(circle)
    left = (sums - np.outer(sums.sum(axis=1) / size.sum(), size)) * len(size) / size.sum()
    covariance = np.cov(left)
    adjusted = np.sqrt(covariance[1, 1] - covariance[0, 1] ** 2 / covariance[0, 0])
    assert forecast.deviation == pytest.approx(adjusted, rel=0.01)
    assert adjusted < 0.5 * np.sqrt(covariance[1, 1])


def test_a_plan_by_community_in_a_lake_without_any_names_the_table_to_import(tmp_path: Path, counts: np.ndarray):
    with pytest.raises(SourceError, match="nobody's community is known. Import the table communities"):
        plan(by_circle(tmp_path), a_shop(tmp_path, counts[:1], circles=0))


def test_the_order_of_the_rows_changes_no_digit_of_a_plan(tmp_path: Path, counts: np.ndarray):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    one = plan(by_circle(tmp_path / "one"), a_shop(tmp_path / "one", counts))
    assert plan(by_circle(tmp_path / "other"), a_shop(tmp_path / "other", counts, backwards=True)) == one
