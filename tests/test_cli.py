"""The command line as a person runs it, in processes of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
TRIAL = """
[experiment]
id = "trial"
unit = "id"
arm = "arm"
control = "a"
shares = { a = 1, b = 1 }
inference = "fixed"
[source]
table = "units.csv"
[[metrics]]
id = "spend"
kind = "mean"
value = "spend"
role = "primary"
"""


def holdout(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "holdout.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    rng = np.random.default_rng(8)
    rows = [f"{i},{'ab'[i % 2]},{rng.gamma(2, 3 + i % 2):.4f}" for i in range(4_000)]
    (tmp_path / "units.csv").write_text("\n".join(["id,arm,spend", *rows]) + "\n")
    (tmp_path / "trial.toml").write_text(TRIAL)
    return tmp_path / "trial.toml"


def test_a_readout_needs_no_workspace_and_prints_words_or_json(trial):
    words, data = holdout("readout", trial), holdout("readout", trial, "--json")
    assert words.returncode == data.returncode == 0, words.stderr + data.stderr
    assert words.stdout.startswith("trial (trial)") and "Ship" in words.stdout
    assert json.loads(data.stdout)["decision"]["verdict"] == "ship"


def test_a_plan_is_printed_in_words_or_json(trial):
    words = holdout("plan", trial, "--effect", "0.1", "--power", "0.9", "--traffic", "0.5")
    data = holdout("plan", trial, "--json", "--effect", "0.1")
    assert words.returncode == data.returncode == 0, words.stderr + data.stderr
    assert "planned units detect with power 0.9" in words.stdout and "Reading the past" in words.stderr
    assert json.loads(data.stdout)["metrics"][0]["answers"][0]["inference"] == "fixed"


def test_a_mistake_ends_in_one_clear_line_and_not_in_a_traceback(trial):
    trial.write_text(TRIAL.replace('value = "spend"', 'value = "spent"'))
    done = holdout("readout", trial)
    assert done.returncode == 1 and done.stdout == ""
    assert "'spent'" in done.stderr and "spend" in done.stderr and "Traceback" not in done.stderr


def test_from_an_empty_folder_to_a_saved_look_that_can_be_recomputed_on_the_facts_as_they_were(tmp_path, trial):
    shop = tmp_path / "shop"
    assert holdout("init", shop).returncode == 0
    hour = "2026-11-0{}T12:00:00Z"
    exposures = [f"lake_trial,u{i},{'ab'[i % 2]},{hour.format(1 + i % 5)}" for i in range(2_000)]
    (tmp_path / "exposures.csv").write_text("\n".join(["experiment_id,unit_id,arm,time", *exposures]) + "\n")
    events = [f"u{i},{hour.format(6)},purchase,{1000 + 300 * (i % 2) + i % 7}" for i in range(2_000)]
    (tmp_path / "events.csv").write_text("\n".join(["unit_id,time,kind,value", *events]) + "\n")
    for table in ("exposures", "events"):
        done = holdout("import", table, tmp_path / f"{table}.csv", "--workspace", shop)
        assert done.returncode == 0 and "2,000" in done.stdout, done.stderr
    again = holdout("import", "events", tmp_path / "events.csv", "--workspace", shop)
    assert again.returncode == 0 and "already" in again.stdout
    text = (
        TRIAL.replace('"trial"', '"lake_trial"')
        .replace('unit = "id"', 'unit = "unit_id"')
        .replace('table = "units.csv"', "lake = true")
    )
    text = text.replace('value = "spend"', 'value = "value"\nwhere = { kind = "purchase" }')
    (shop / "experiments" / "lake_trial.toml").write_text(text)
    done = holdout("refresh", "--workspace", shop)
    assert (done.returncode, done.stdout.strip()) == (0, "lake_trial: ship (look 1)"), done.stderr
    late = tmp_path / "late.csv"
    late.write_text(f"unit_id,time,kind,value\nu1,{hour.format(7)},purchase,90000\nu2,yesterday,purchase,5\n")
    assert holdout("import", "events", late, "--workspace", shop).returncode == 0
    assert "yesterday" in holdout("quarantine", "events", "--workspace", shop).stdout
    done = holdout("recompute", "1", "--workspace", shop)
    assert done.returncode == 0 and "the same readout" in done.stdout, done.stdout + done.stderr


def test_a_folder_that_is_no_workspace_is_refused_with_the_command_to_make_one(tmp_path):
    done = holdout("refresh", "--workspace", tmp_path)
    assert done.returncode == 1 and "holdout init" in done.stderr and "Traceback" not in done.stderr


def test_refresh_reads_the_good_experiments_and_names_the_broken_one(tmp_path, trial):
    shop = tmp_path / "shop"
    holdout("init", shop)
    good = TRIAL.replace("units.csv", str(tmp_path / "units.csv"))
    (shop / "experiments" / "good.toml").write_text(good)
    (shop / "experiments" / "bad.toml").write_text(good.replace("alpha", "alhpa").replace("id =", "idd =", 1))
    done = holdout("refresh", "--workspace", shop)
    assert done.returncode == 1 and "good: ship" in done.stdout and "bad.toml" in done.stderr


def test_two_experiments_with_one_id_are_named(tmp_path, trial):
    shop = tmp_path / "shop"
    holdout("init", shop)
    for name in ("one", "two"):
        (shop / "experiments" / f"{name}.toml").write_text(TRIAL.replace("units.csv", str(tmp_path / "units.csv")))
    done = holdout("refresh", "--workspace", shop)
    assert done.returncode == 1 and "one: ship" in done.stdout and "'trial' is also the id of one.toml" in done.stderr


@pytest.mark.parametrize(
    ("verb", "target", "part"), [("init", "a file", "cannot be made"), ("demo", "a shop", "workspace")]
)
def test_a_folder_that_cannot_be_used_is_refused_in_one_line(tmp_path, verb, target, part):
    (tmp_path / "a file").write_text("")
    holdout("init", tmp_path / "a shop")
    done = holdout(verb, tmp_path / target)
    assert done.returncode == 1 and part in done.stderr and "Traceback" not in done.stderr


def test_assign_prints_arms_and_refresh_says_when_an_edit_moves_units(tmp_path, trial):
    shop = tmp_path / "shop"
    holdout("init", shop)
    file = shop / "experiments" / "trial.toml"
    text = TRIAL.replace("units.csv", str(tmp_path / "units.csv"))
    text += "[assignment]\nramp = [{ from = 2026-01-05, share = 0.5 }]\n"
    file.write_text(text)
    done = holdout("assign", "trial", "u1", "u2", "u4", "--workspace", shop, "--at", "2026-01-05T00:00:00Z")
    assert done.stdout.splitlines() == ["u1\tnot in the experiment", "u2\tb", "u4\ta"], done.stderr
    before = holdout("assign", "trial", "u1", "--workspace", shop, "--at", "2026-01-04")
    assert before.stdout == "u1\tnot in the experiment\n"
    wrong = holdout("assign", "trail", "u1", "--workspace", shop)
    assert wrong.returncode == 1 and "Did you mean 'trial'" in wrong.stderr
    assert holdout("refresh", "--workspace", shop).stderr == ""
    file.write_text(text.replace("b = 1", "b = 2"))
    done = holdout("refresh", "--workspace", shop)
    assert "shares changed while 'trial' runs, which moves units" in done.stderr
