"""Requests are answered by two processes as by one, whatever becomes of them."""

import copy
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from recsys.engine.engine import Engine
from recsys.world import EnginePolicy, Policy, Requests, ShopError, ShopPlan, ShownSlates
from recsys.world.building import Building
from recsys.world.helpers import Helpers, helpers, joined, part_of
from store import Workspace

PLAN = ShopPlan(people=300, days=12, seed=5)


class Kept:
    """A policy that remembers what it was asked and what it showed."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.asked, self.shown = policy, [], []

    def show(self, ask: Requests) -> ShownSlates:
        self.asked.append(copy.deepcopy(ask))
        self.shown.append(self.policy.show(ask))
        return self.shown[-1]

    def learn(self, tables) -> None:
        self.policy.learn(tables)


def a_shop(folder: Path) -> Building:
    building = Building(Workspace.create(folder), PLAN)
    building.until(10, building.shop.plain)
    return building


def same(one: ShownSlates, other: ShownSlates) -> bool:
    """Without a trained engine there are no sums in another order: the same to the bit."""
    arrays = ("item", "propensity", "candidates", "score", "chances", "reason")
    return one.policy == other.policy and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name not in ("reason",)) for name in arrays
    )


def test_two_processes_answer_as_one_does_also_after_a_day_of_events(tmp_path: Path) -> None:
    building = a_shop(tmp_path / "shop")
    shop = copy.deepcopy(building.shop)
    one = EnginePolicy(Engine.open(building.workspace, ranked=50), shop.names, shop.setting.draws)
    alone = Kept(one)
    for _ in shop.until(12, alone):
        pass
    with helpers(building.workspace, building.shop, ranked=50) as policy:
        together = Kept(policy)
        for _ in building.shop.until(12, together):
            pass
    assert len(alone.shown) == len(together.shown) > 4
    assert all(same(*pair) for pair in zip(alone.shown, together.shown, strict=True))


def test_parts_of_a_request_make_the_whole(tmp_path: Path) -> None:
    building = a_shop(tmp_path / "shop")
    kept = Kept(building.shop.plain)
    for _ in building.shop.until(11, kept):
        pass
    for ask in kept.asked:
        n = len(ask.person)
        parts = [part_of(ask, low, high) for low, high in ((0, n // 3), (n // 3, n // 3), (n // 3, n))]
        for name in ("person", "second", "about_item", "owned_item"):
            assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(ask, name)), name
        assert all((part.about_row < len(part.person)).all() and (part.about_row >= 0).all() for part in parts)


def test_a_narrow_part_is_padded_with_nothing() -> None:
    wide = ShownSlates("p", np.array([[3, 4]]), np.array([[0.5, 0.5]]), np.array([[9, 8]]))
    narrow = ShownSlates("p", np.array([[7]]), np.array([[0.25]]), np.array([[5]]))
    both = joined([narrow, wide])
    assert both.item.tolist() == [[7, -1], [3, 4]] and both.propensity.tolist() == [[0.25, 0], [0.5, 0.5]]
    assert both.score is None and both.chances is None and both.reason is None


def test_a_helper_that_was_killed_is_told_and_none_is_left_behind(tmp_path: Path) -> None:
    building = a_shop(tmp_path / "shop")
    with helpers(building.workspace, building.shop, ranked=50) as policy:
        assert isinstance(policy, Helpers)
        started: list[subprocess.Popen[bytes]] = policy._processes
        os.kill(started[1].pid, signal.SIGKILL)
        with pytest.raises(ShopError, match="ended with -9. Run the command again"):
            list(building.shop.until(11, policy))
    assert [process.poll() for process in started] == [0, -9]


def test_a_helper_that_is_still_answering_ends_in_order(tmp_path: Path) -> None:
    building = a_shop(tmp_path / "shop")
    kept = Kept(building.shop.plain)
    for _ in copy.deepcopy(building.shop).until(11, kept):
        pass
    with helpers(building.workspace, building.shop, ranked=50) as policy:
        assert isinstance(policy, Helpers)
        started: list[subprocess.Popen[bytes]] = policy._processes
        for process in started:
            policy.tell(process, kept.asked[0])
    assert [process.poll() for process in started] == [0, 0]


def test_another_version_answers_from_the_next_request_on(tmp_path: Path) -> None:
    from recsys.world.demo import TrainedEngine

    plan = ShopPlan(people=300, days=45, seed=5)
    building = Building(Workspace.create(tmp_path / "shop"), plan)
    building.until(34, building.shop.plain)
    trained = TrainedEngine(minutes=0.05)
    with trained.serving(building.workspace, building.shop) as policy:
        kept = Kept(policy)
        building.until(42, kept)
        trained.learn(building.workspace, 8, policy)
        building.until(43, kept)
    assert len(models := list(dict.fromkeys(shown.model for shown in kept.shown))) == 2
    assert models[1] == f"{models[0]}+1" == building.workspace.registry.serving_model("engine").version
