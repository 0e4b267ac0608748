"""The ranker learns anew from what was shown lately; the encoder and all else stay as they are."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recsys.engine.engine import Engine
from recsys.errors import ModelError
from recsys.interactions import DAY
from recsys.ranking.rows import RankerError
from recsys.slate import Request
from recsys.training import pipeline
from recsys.training.renewal import renew
from store import Workspace
from tests.recsys.engine.workspaces import after
from tests.recsys.training.sample import DAYS, ITEMS, START, a_shop

CLICKED, PLACES = 0.3, 12


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = a_shop(tmp_path_factory.mktemp("shops") / "shop")
    pipeline.train(workspace, seed=3, minutes=5, rounds=3)
    return workspace


def lived_on(trained: Workspace, folder: Path) -> Workspace:
    """Ten days later: slates have twice the places, and whatever stands there is clicked as often."""
    workspace, rng = Workspace.open(shutil.copytree(trained.path, folder / "shop")), np.random.default_rng(4)
    slates, events = [], []
    for k in range(1_500):
        when = START + timedelta(days=DAYS + 10 * k / 1_500)
        person = {"slate_id": f"later{k}", "time": when}
        for place, item in enumerate(rng.permutation(ITEMS)[:PLACES]):
            about = {**person, "item_id": f"i{item:02}"}
            slates.append({**about, "user_id": f"u{k % 250:04}", "position": place + 1, "surface": "homepage",
                           "propensity": 0.5, "policy": "p"})  # fmt: skip
            if rng.random() < CLICKED:
                events.append({**about, "unit_id": f"u{k % 250:04}", "kind": "view"})
    workspace.lake.append("recommendations", pa.Table.from_pylist(slates), source="later slates")
    workspace.lake.append("events", pa.Table.from_pylist(events), source="later events")
    return workspace


def expected_clicks(workspace: Workspace, version: str) -> float:
    """Mean chance of a click that the engine tells of what it shows."""
    engine = Engine.open(workspace, version=version)
    requests = [Request(f"u{k:04}", "homepage", after(workspace), seed=k, size=PLACES) for k in range(100)]
    chances = [place.chances["click"] for slate in engine.recommend_batch(requests) for place in slate.places]
    return float(np.mean(chances))


def test_it_knows_what_the_days_since_taught_and_the_way_back_stays(trained: Workspace, tmp_path: Path) -> None:
    workspace = lived_on(trained, tmp_path)
    old = workspace.registry.serving_model("engine")
    made = renew(workspace, days=10)
    assert made.serving and made.version == f"{old.version}+1"
    assert expected_clicks(workspace, made.version) == pytest.approx(CLICKED, abs=0.03)
    assert abs(expected_clicks(workspace, old.version) - CLICKED) > 0.06
    for part in ("encoder", "linear"):
        files = {file.name: file.read_bytes() for file in (workspace.path / old.artifact / part).iterdir()}
        assert files == {file.name: file.read_bytes() for file in (workspace.path / made.artifact / part).iterdir()}
    renewed = made.card["renewed"]
    assert renewed["from"] == old.version
    # The last days but one in seven: what an engine showed reaches the model, not its curves alone.
    passed = (renewed["trained_until"] - renewed["since"]) / (10 * DAY)
    assert passed == pytest.approx(0.85, abs=0.02)
    assert made.metrics["ranker"]["heads"]["click"]["calibration_error"] < 0.05
    assert made.metrics["encoder"] == old.metrics["encoder"]
    assert made.card["plan"]["lake_versions"] == workspace.lake.versions() != old.card["plan"]["lake_versions"]
    assert workspace.registry.use_model("engine", old.version).serving


def test_the_same_log_gives_the_same_ranker(trained: Workspace, tmp_path: Path) -> None:
    workspace = lived_on(trained, tmp_path)
    first = workspace.registry.serving_model("engine").version
    made = []
    for _ in range(2):
        workspace.registry.use_model("engine", first)
        made.append(workspace.path / renew(workspace, days=10).artifact / "ranker" / "ranker.safetensors")
    assert made[0] != made[1] and made[0].read_bytes() == made[1].read_bytes()


def test_too_few_impressions_change_nothing(trained: Workspace, tmp_path: Path) -> None:
    workspace = Workspace.open(shutil.copytree(trained.path, tmp_path / "shop"))
    before = workspace.registry.serving_model("engine")
    with pytest.raises(RankerError, match="too few to train a ranker"):
        renew(workspace, rows=500)
    assert workspace.registry.serving_model("engine") == before


def test_without_an_engine_there_is_nothing_to_renew(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no engine that was trained serves"):
        renew(Workspace.create(tmp_path))
