"""The same days lived again under the policy that was asked about: what it earns is known, and was foretold."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from recsys.offpolicy.evaluation import evaluate
from recsys.offpolicy.policies import Explore
from recsys.offpolicy.slate_log import read_slates
from recsys.world import Shop, ShopPlan
from recsys.world.plain import MIX
from store import Workspace

# The plain policy draws this share of the homepage's places uniformly; what if it were a sixth of that?
LOGGED, ASKED = MIX["homepage"][2], 0.05


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Six days of one shop under both shares, from the same day on, with the same people and random numbers."""
    folder = tmp_path_factory.mktemp("living")
    return {share: lived(folder / f"{share}", share) for share in (LOGGED, ASKED)}


def lived(folder, share):
    shop = Shop.open(ShopPlan(people=8000, days=40, seed=3))
    workspace = Workspace.create(folder)
    for name, table in shop.standing().items():
        workspace.lake.append(name, table, source="standing")
    for _ in shop.until(12, shop.plain):
        pass
    policy = replace(shop.plain, mix=MIX | {"homepage": (1 - share, 0.0, share)})
    days = {}
    for day in shop.until(18, policy):
        for name, table in day.items():
            days.setdefault(name, []).append(table)
    for name, tables in days.items():
        workspace.lake.append(name, pa.concat_tables(tables, promote_options="default"), source="days")
    return workspace


@pytest.mark.parametrize("reward", ["click", "purchase", "revenue", "margin"])
def test_what_another_share_of_exploration_earns_is_foretold_from_the_log_of_the_first(logs, reward):
    assert LOGGED == 0.3
    asked = Explore(ASKED, LOGGED)
    report = evaluate(read_slates(logs[LOGGED], "homepage", reward), asked)
    lived_again = evaluate(read_slates(logs[ASKED], "homepage", reward), Explore(ASKED, ASKED)).logged
    for found in report.estimates:
        assert found.refused == ""
        if found.estimator == "iips":
            continue
        # Both are estimates, of the same days: half the widths of both intervals together hold their difference.
        room = (
            found.interval.upper - found.interval.lower + lived_again.interval.upper - lived_again.interval.lower
        ) / 2
        assert abs(found.value - lived_again.value) < room, (found, lived_again)


def test_clicks_are_foretold_better_than_by_what_the_log_earned(logs):
    report = evaluate(read_slates(logs[LOGGED], "homepage", "click"), Explore(ASKED, LOGGED))
    truth = evaluate(read_slates(logs[ASKED], "homepage", "click"), Explore(ASKED, ASKED)).logged.value
    best = next(each.value for each in report.estimates if each.estimator == "cascade_dr")
    assert abs(best - truth) < abs(report.logged.value - truth)
    lift = report.lifts[[each.estimator for each in report.estimates].index("cascade_dr")]
    assert np.isfinite([lift.lower, lift.upper]).all() and lift.lower > 0
