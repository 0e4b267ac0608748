"""`holdout train`: from facts to an engine that serves; a killed run goes on; going back is one command."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from holdout import app
from recsys.encoder import Encoder
from recsys.engine.engine import Engine
from recsys.errors import DataError, ModelError
from recsys.facts import interactions
from recsys.interactions import ACTIONS
from recsys.training import pipeline
from recsys.training.encoding import surfaces_of, vectors_before
from recsys.training.ranking import acts_before
from store import Workspace
from tests.recsys.training.sample import a_shop

MINUTES = 0.2


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workspace = a_shop(tmp_path_factory.mktemp("shops") / "shop")
    return workspace, pipeline.train(workspace, seed=3, minutes=MINUTES)


def test_training_ends_in_a_version_that_serves(trained):
    workspace, made = trained
    assert made == workspace.registry.serving_model("engine")
    folder = workspace.path / made.artifact
    assert {each.name for each in folder.iterdir() if each.is_dir()} == {
        "encoder",
        "linear",
        "ranker",
        "embeddings",
        "report",
    }
    assert list((workspace.path / "models" / "training").iterdir()) == []
    assert made.lake_versions == workspace.lake.versions()
    engine = Engine.open(workspace)
    assert engine.model == made.version


def test_the_card_says_what_was_learnt_and_how_it_does_on_later_days(trained):
    workspace, made = trained
    assert made.card == json.loads((workspace.path / made.artifact / "report" / "card.json").read_text())
    # People keep to a genre of 10 items of 60; popularity cannot know whose.
    assert made.metrics["encoder"]["recall@10"] > 2 * made.metrics["popularity"]["recall@10"]
    assert made.metrics["ranker"]["heads"]["click"]["auc"] > 0.75
    assert made.card["encoder"]["acts"] > 1000
    assert made.card["plan"]["seed"] == 3


def test_embeddings_are_exported_with_their_version(trained):
    workspace, made = trained
    folder = workspace.path / made.artifact / "embeddings"
    encoder, data = Encoder.load(workspace.path / made.artifact / "encoder"), interactions(workspace)
    items, users, acts = (load_file(folder / f"{name}.safetensors") for name in ("items", "users", "interactions"))
    np.testing.assert_array_equal(items["vectors"], encoder.vectors)
    assert users["ids"].tobytes().decode().split("\n") == list(data.users)
    for vectors in (users["vectors"], acts["vectors"]):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(acts["vectors"]) == len(data)
    assert encoder.version == made.version
    header = (folder / "users.safetensors").read_bytes()[8:400].decode(errors="replace")
    assert made.version in header


def test_no_weight_is_a_pickle(trained):
    workspace, made = trained
    files = [each for each in (workspace.path / made.artifact).rglob("*") if each.is_file()]
    assert {each.suffix for each in files} == {".json", ".safetensors"}


def test_the_vector_before_an_act_does_not_know_the_act(trained):
    """Against the plain way: one person at a time, with only the acts before."""
    workspace, made = trained
    encoder, data = Encoder.load(workspace.path / made.artifact / "encoder"), interactions(workspace)
    rng = np.random.default_rng(4)
    rows = rng.choice(len(data), 60)
    user, now = data.user[rows].astype(np.int64), data.time[rows]
    ends = acts_before(data, user, now)
    found = vectors_before(encoder, data, user, ends, now, "homepage")
    for place, row in enumerate(rows):
        past = np.flatnonzero((data.user == data.user[row]) & (data.time < data.time[row]))[-encoder.shape.length :]
        plain = encoder.user_vectors(
            data.item[past][None], data.action[past][None], data.time[past][None], int(data.time[row]), "homepage"
        )
        np.testing.assert_allclose(found[place], plain[0], atol=2e-6)


def test_an_act_knows_the_surface_that_it_came_from(trained):
    workspace, _ = trained
    data = interactions(workspace)
    assert (surfaces_of(workspace, data) == 1).all()
    assert len(data) and set(np.unique(data.action)) <= {ACTIONS.index("view"), ACTIONS.index("purchase")}


def test_a_version_is_chosen_and_taken_back_by_one_command(trained):
    workspace, made = trained
    workspace.registry.save_model(
        "engine", "older", artifact=made.artifact, metrics={}, card={}, lake_versions={}, code_version="x"
    )
    run = CliRunner()
    folder = ["--workspace", str(workspace.path)]
    back = run.invoke(app, ["models", "use", "older", "--by", "ann", "--reason", "sells less", *folder])
    assert back.output.strip() == f"engine older serves, in place of {made.version}."
    listed = run.invoke(app, ["models", *folder]).output.splitlines()
    assert [line.split(",")[0] for line in listed] == ["engine older: serves", f"engine {made.version}: ready"]
    assert workspace.registry.audit("model engine")[-1].actor == "ann"
    assert run.invoke(app, ["models", "use", made.version, *folder]).exit_code == 0
    assert workspace.registry.serving_model("engine").version == made.version


def test_a_version_that_lost_a_part_neither_serves_nor_is_let_to(trained, tmp_path):
    workspace, made = trained
    lost, aside = workspace.path / made.artifact / "encoder", tmp_path / "aside"
    lost.rename(aside)
    try:
        asked = CliRunner().invoke(app, ["models", "use", made.version, "--workspace", str(workspace.path)])
        with pytest.raises(ModelError, match="has no folder .*encoder. Put it back"):
            Engine.open(workspace, version=made.version)
    finally:
        aside.rename(lost)
    assert asked.exit_code and "encoder. Put it back, train again" in str(asked.exception)
    assert made.card["made_of"] == ["encoder", "linear", "ranker"]


def test_a_run_that_broke_between_stages_goes_on_where_it_stood(tmp_path, monkeypatch):
    workspace = a_shop(tmp_path / "shop", days=12, people=120)
    stages = pipeline.STAGES
    broken = pipeline.Stage("linear", _raise)
    monkeypatch.setattr(pipeline, "STAGES", (stages[0], broken, *stages[2:]))
    with pytest.raises(KeyboardInterrupt):
        pipeline.train(workspace, minutes=0.05)
    assert workspace.registry.models() == []
    monkeypatch.setattr(pipeline, "STAGES", stages)
    told = []
    made = pipeline.train(workspace, minutes=99, resume=True, progress=told.append)
    assert "encoder: done before" in told
    # What the run was begun with holds, not what it went on with.
    assert made.card["plan"]["minutes"] == 0.05
    assert workspace.registry.serving_model("engine") == made


def _raise(run, folder):
    raise KeyboardInterrupt


def test_a_process_that_is_killed_while_it_trains_leaves_a_run_that_resumes(tmp_path):
    workspace = a_shop(tmp_path / "shop", days=12, people=120)
    code = (
        "import sys; from recsys.training.pipeline import train; from store import Workspace;"
        "train(Workspace.open(sys.argv[1]), minutes=9, progress=lambda m: print(m, flush=True))"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(workspace.path)], env=environment, stdout=subprocess.PIPE, text=True
    )
    for line in child.stdout:
        if "round 2" in line:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not list((workspace.path / "models").glob("engine/*"))
    plan = next((workspace.path / "models" / "training").glob("*/plan.json"))
    plan.write_text(plan.read_text().replace('"minutes": 9', '"minutes": 0.02'))
    made = pipeline.train(workspace, resume=True)
    assert made.serving and made.version == plan.parent.name


def test_facts_that_are_too_few_are_told(tmp_path):
    with pytest.raises(DataError, match="has 0 acts on items, at least 100 are needed"):
        pipeline.train(Workspace.create(tmp_path / "empty"))


def test_a_bundle_that_lost_its_encoder_is_told(trained, tmp_path):
    workspace, made = trained
    copy = tmp_path / "copy"
    shutil.copytree(workspace.path / made.artifact / "encoder", copy)
    (copy / "encoder.json").unlink()
    with pytest.raises(ModelError, match="holds no encoder"):
        Encoder.load(copy)
