"""Chances are mended by what followed from the engine's own slates, and left alone where that says nothing."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recsys.engine.engine import Engine
from recsys.errors import ModelError
from recsys.ranking.calibration import chained, chance, fitted, log_odds
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import CLICK
from recsys.slate import OUTCOMES, Request
from recsys.training.recalibration import Served, as_served, recalibrate
from store import Workspace
from tests.recsys.engine.workspaces import VERSION, a_shop, a_trained_shop, after

PLACES = 10


def a_log(
    folder: Path,
    *,
    told: float,
    slates: int = 600,
    model: str | None = VERSION,
    on_cart: float = 1.0,
    days: int = 20,
    at_last: float = 1.0,
) -> Workspace:
    """A trained shop whose engine showed slates over some days, every other beside the cart, and told `told` times the
    chance of a click. It knows nothing of this: beside the cart the odds are `on_cart` times as high as elsewhere, on
    the last third of the days `at_last` times as high as before."""
    workspace = Workspace.open(shutil.copytree(a_trained_shop().path, folder / "shop"))
    rng = np.random.default_rng(1)
    true = rng.uniform(0.05, 0.35, slates * PLACES)
    slate = np.repeat(np.arange(slates), PLACES)
    lift = np.where(slate % 2 == 1, np.log(on_cart), 0.0) + np.where(slate >= 2 * slates / 3, np.log(at_last), 0.0)
    clicked = rng.random(len(true)) < chance(log_odds(true) + lift)
    begin, items = after(a_shop()), [f"i{k:04}" for k in range(PLACES)]
    times = [begin + timedelta(days=days * k / slates) for k in range(slates)]
    rows = [
        {"slate_id": f"s{k}", "position": p + 1, "user_id": f"u{k % 97}", "time": times[k], "surface": "cart" if k % 2 else "homepage",
         "item_id": items[p], "propensity": 0.5, "policy": "p", "model": model, "p_click": told * true[PLACES * k + p],
         **{f"p_{outcome}": 0.001 for outcome in OUTCOMES[1:]}}
        for k in range(slates)
        for p in range(PLACES)
    ]  # fmt: skip
    events = [
        {
            "unit_id": row["user_id"],
            "kind": "view",
            "item_id": row["item_id"],
            "slate_id": row["slate_id"],
            "time": row["time"],
        }
        for row, happened in zip(rows, clicked, strict=True)
        if happened
    ]
    workspace.lake.append("recommendations", pa.Table.from_pylist(rows), source="log")
    workspace.lake.append("events", pa.Table.from_pylist(events), source="log")
    return workspace


def test_chances_that_were_twice_too_high_are_halved_in_a_new_version_that_serves(tmp_path):
    workspace = a_log(tmp_path, told=2.0)
    served = as_served(workspace, VERSION).whole["click"]
    assert served["predicted_rate"] == pytest.approx(2 * served["observed_rate"], rel=0.15)
    made = recalibrate(workspace)
    assert as_served(workspace, f"{VERSION}+1") == Served({}, {})
    assert made is not None and made.serving and made.version == f"{VERSION}+1"
    heads = made.metrics["recalibrated"]
    assert heads["click"]["after"]["calibration_error"] < 0.2 * heads["click"]["before"]["calibration_error"]
    assert [outcome for outcome, told in heads.items() if told] == ["click"]
    old, new = (
        Ranker.load(workspace.path / "models" / "engine" / version / "ranker") for version in (VERSION, made.version)
    )
    raw = np.linspace(0.001, 0.6, 50)
    told = old.curves[0](raw)
    inside = (told > 0.15) & (told < 0.6)
    assert inside.any()
    assert new.curves[0](raw)[inside] == pytest.approx(told[inside] / 2, rel=0.15)
    assert all(np.array_equal(a(raw), b(raw)) for a, b in zip(new.curves[1:], old.curves[1:], strict=True))
    slate = Engine.open(workspace).recommend(Request("u", "homepage", after(a_shop()), seed=1))
    assert slate.model == made.version
    # Of the new version nothing is logged yet: there is nothing to mend it by.
    assert recalibrate(workspace) is None


def a_ranker_that_adds(workspace: Workspace, shift: float) -> None:
    """The version that serves adds this to the log odds of a click beside the cart."""
    folder = workspace.path / "models" / "engine" / VERSION / "ranker"
    ranker = Ranker.load(folder)
    shifts = ranker.shifts.copy()
    shifts[ranker.surface("cart"), CLICK] = shift
    shutil.rmtree(folder)
    replace(ranker, shifts=shifts).save(folder)


def test_a_surface_with_twice_the_odds_is_mended_and_the_others_stay(tmp_path):
    workspace = a_log(tmp_path, told=1.0, on_cart=2.0, slates=1_500)
    made = recalibrate(workspace)
    assert made is not None
    ranker = Ranker.load(workspace.path / made.artifact / "ranker")
    # A curve of both surfaces may take up a part of it.
    lift = ranker.shifts[ranker.surface("cart"), CLICK] - ranker.shifts[ranker.surface("homepage"), CLICK]
    assert lift == pytest.approx(np.log(2), abs=0.15)
    assert not ranker.shifts[:, CLICK + 1 :].any()
    before, after = (made.metrics["recalibrated"]["click"][each] for each in ("before", "after"))
    assert after["calibration_error"] < 2 * after["calibration_floor"]
    assert before["calibration_error"] > 2 * after["calibration_error"]


def test_errors_that_cancel_in_the_whole_are_told_by_surface(tmp_path):
    served = as_served(a_log(tmp_path, told=1.3, on_cart=2.0, slates=1_500), VERSION)
    rates = {
        name: each["click"]["predicted_rate"] / each["click"]["observed_rate"]
        for name, each in (served.by_surface | {"whole": served.whole}).items()
    }
    assert rates["homepage"] > 1.15 and rates["cart"] < 0.85
    assert rates["whole"] == pytest.approx(1, abs=0.1)
    together = sum(each["click"]["rows"] for each in served.by_surface.values())
    assert together == served.whole["click"]["rows"]


def test_what_was_added_for_a_surface_is_found_anew_not_added_to(tmp_path):
    """Both logs are of a version that halves the odds beside the cart, in one rightly: nothing changes, or it goes."""
    right = a_log(tmp_path, told=1.0, slates=1_500)
    halved = a_log(tmp_path / "halved", told=1.0, slates=1_500, on_cart=2.0)
    for workspace in (right, halved):
        a_ranker_that_adds(workspace, -np.log(2))
    assert recalibrate(right) is None
    made = recalibrate(halved)
    assert made is not None
    ranker = Ranker.load(halved.path / made.artifact / "ranker")
    lift = ranker.shifts[ranker.surface("cart"), CLICK] - ranker.shifts[ranker.surface("homepage"), CLICK]
    assert abs(lift) < 0.15


def test_two_busy_days_at_the_end_do_not_hide_that_chances_are_too_high(tmp_path):
    made = recalibrate(a_log(tmp_path, told=1.5, slates=1_200, days=6, at_last=1.4))
    assert made is not None
    before, after = (made.metrics["recalibrated"]["click"][each] for each in ("before", "after"))
    assert before["predicted_rate"] > 1.25 * before["observed_rate"]
    assert after["predicted_rate"] == pytest.approx(after["observed_rate"], rel=0.12)


@pytest.mark.parametrize(
    "log",
    [{"told": 1.0}, {"told": 2.0, "slates": 100}, {"told": 2.0, "model": "another"}, {"told": 2.0, "model": None}],
)
def test_right_chances_a_short_log_or_that_of_another_version_change_nothing(tmp_path, log):
    workspace = a_log(tmp_path, **log)
    assert recalibrate(workspace) is None
    assert workspace.registry.serving_model("engine").version == VERSION


def test_without_an_engine_there_is_nothing_to_mend():
    with pytest.raises(ModelError, match="no engine with a ranker serves"):
        recalibrate(a_shop())


def test_two_curves_as_one_say_what_they_say_one_after_the_other():
    rng = np.random.default_rng(2)
    raw = chance(rng.normal(-2, 1.5, 20_000))
    curves = []
    for shift in (-0.7, 0.4):
        happened = (rng.random(20_000) < chance(log_odds(raw) * 0.8 + shift)).astype(np.float32)
        curves.append(fitted(raw, happened, np.arange(20_000)))
    both = chained(*curves)
    grid = np.linspace(0.0001, 0.999, 999)
    assert both(grid) == pytest.approx(curves[1](curves[0](grid)), rel=0.01)
    assert (np.diff(both(grid)) >= 0).all()
