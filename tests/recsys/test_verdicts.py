"""The demo shop read end to end: each experiment gets the verdict that its story asks for, whatever the seed."""

from pathlib import Path

import pytest

from analysis.experiment import load_experiment
from analysis.reading import read
from analysis.readout import Readout
from recsys.world import Truth, build
from store import Workspace

VERDICTS = {
    "slate_ranker": "ship",
    "wishlist_badge": "stop",
    "deep_discount_drop": "review",
    "checkout_redirect": "blocked",
    "gift_reminder": "keep_running",
    "group_buy_invite": "ship",
}


@pytest.fixture(scope="module", params=[2026, 5])
def read_demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Truth]:
    folder: Path = tmp_path_factory.mktemp("demo")
    truth, workspace = build(folder, seed=request.param), Workspace.open(folder)
    return {id: read(load_experiment(workspace.experiments / f"{id}.toml"), workspace) for id in VERDICTS}, truth


def overall(readout: Readout, metric: str, look: int = -1):
    return next(e for e in readout.looks[look].effects if e.metric == metric and e.segment is None)


def test_each_experiment_gets_its_verdict_from_daily_looks(read_demo: tuple[dict, Truth]) -> None:
    readouts, _ = read_demo
    assert {id: readout.decision.verdict for id, readout in readouts.items()} == VERDICTS
    assert {len(readout.looks) for readout in readouts.values()} == {28}


def test_the_win_is_clear_before_the_end_and_the_harm_is_beyond_its_margin(read_demo: tuple[dict, Truth]) -> None:
    readouts, _ = read_demo
    assert overall(readouts["slate_ranker"], "revenue", look=20).reading == "better"
    assert overall(readouts["slate_ranker"], "revenue", look=0).reading == "unclear"
    assert overall(readouts["slate_ranker"], "revenue").variance_reduction > 0.15
    assert overall(readouts["deep_discount_drop"], "full_price_orders").reading == "beyond_margin"


def test_only_the_broken_experiment_fails_a_check_and_only_after_the_fault_began(
    read_demo: tuple[dict, Truth],
) -> None:
    readouts, _ = read_demo
    failing = {
        id: [k for k, look in enumerate(readout.looks) if any(check.verdict == "fail" for check in look.checks)]
        for id, readout in readouts.items()
    }
    assert min(failing.pop("checkout_redirect")) >= 9
    assert not any(failing.values())


@pytest.mark.parametrize("id", ["slate_ranker", "wishlist_badge", "deep_discount_drop"])
def test_intervals_of_the_sound_experiments_hold_the_truth(read_demo: tuple[dict, Truth], id: str) -> None:
    readouts, truth = read_demo
    for metric, true in truth.effects[id].items():
        if any(effect.metric == metric for effect in readouts[id].looks[-1].effects):
            relative = overall(readouts[id], metric).relative
            assert relative.lower <= true.relative <= relative.upper, metric


def test_friends_pass_the_invite_on_and_its_direct_effect_is_found_beside(read_demo: tuple[dict, Truth]) -> None:
    readouts, truth = read_demo
    readout, direct = readouts["group_buy_invite"], truth.direct["group_buy_invite"]
    found = {(e.metric, e.contrast): e.relative for e in readout.network.effects}
    for metric in ("wishlist", "orders"):
        alone = found[metric, "without_friends"]
        assert alone.lower <= direct[metric].relative <= alone.upper, metric
    assert found["wishlist", "total"].lower > direct["wishlist"].relative
    assert all(cost.clusters < cost.units / 10 for cost in readout.clusters)
    assert next(cost for cost in readout.clusters if cost.metric == "wishlist").design_effect > 1
