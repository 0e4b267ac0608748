"""No golden number is left out: each kind names the test that compares it, and that test fails when it is changed."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from shared import GOLDEN, needs_golden

pytestmark = needs_golden
ROOT, HERE = Path(__file__).resolve().parents[2], Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from golden_numbers import numbers  # noqa: E402

ENTRIES = tomllib.loads((HERE / "golden_numbers.toml").read_text("utf-8"))["numbers"]
FILES = sorted(file.name for file in GOLDEN.glob("exp_*.json")) if GOLDEN.is_dir() else []
# Tables that hold what the JSON files are computed from, and the tests that read them.
INPUTS = {
    "exp_bounded_mean.csv": "tests/reference/test_exact_sequences_against_peers.py",
    "exp_quantile_ab.csv": "tests/reference/test_exact_sequences_against_peers.py",
    "exp_tt_users.csv": "tests/reference/test_tea_tasting_every_row.py",
    "exp_users_small.csv": "tests/reference/test_effects_against_peers.py",
}
USUAL = 1e-6


@cache
def kinds(file: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(numbers(json.loads((GOLDEN / file).read_text("utf-8")))))


def covers(pattern: str, kind: str) -> bool:
    return kind == pattern or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))


def of_entry(entry: dict) -> list[str]:
    return [kind for kind in kinds(entry["file"]) if any(covers(pattern, kind) for pattern in entry["kinds"])]


@pytest.mark.parametrize("file", FILES)
def test_every_number_of_a_file_is_compared_by_a_test(file):
    named = {kind for entry in ENTRIES if entry["file"] == file for kind in of_entry(entry)}
    assert [kind for kind in kinds(file) if kind not in named] == []


def test_every_file_of_experiments_is_known():
    assert {entry["file"] for entry in ENTRIES} == set(FILES)
    assert {file.name for file in GOLDEN.glob("exp_*.csv")} == set(INPUTS)
    for table, test in INPUTS.items():
        assert table in (ROOT / test).read_text("utf-8")


def test_nothing_is_named_that_is_not_there():
    for entry in ENTRIES:
        for pattern in entry["kinds"]:
            assert any(covers(pattern, kind) for kind in kinds(entry["file"])), (entry["file"], pattern)
        file, _, name = entry["test"].partition("::")
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, entry["test"]


def test_where_a_small_change_would_pass_unseen_the_reason_is_given():
    for entry in ENTRIES:
        assert ("why" in entry) == (entry.get("share", USUAL) > USUAL), entry["test"]


@pytest.fixture(scope="module")
def changing(tmp_path_factory):
    """Asks a program that changes a kind of number in a copy of the files, and says which tests fail then."""
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(GOLDEN, folder / "golden")
    for file in (folder / "golden").iterdir():
        file.chmod(0o644)
    environment = {**os.environ, "HOLDOUT_SHARED": str(folder), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    program = subprocess.Popen(
        [sys.executable, str(HERE / "golden_numbers.py"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    yield program
    program.stdin.close()
    program.wait(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['file'][4:-5]}-{entry['test'].split('::')[1]}")
def test_a_number_that_is_changed_makes_its_test_fail(changing, entry):
    """The first and last kind of each entry; HOLDOUT_EVERY_NUMBER=1 asks for all of them, which takes half an hour."""
    every = of_entry(entry)
    for kind in every if os.environ.get("HOLDOUT_EVERY_NUMBER") else dict.fromkeys((every[0], every[-1])):
        asked = {"file": entry["file"], "kind": kind, "share": entry.get("share", USUAL), "tests": [entry["test"]]}
        changing.stdin.write(json.dumps(asked) + "\n")
        changing.stdin.flush()
        assert json.loads(changing.stdout.readline())["failed"], kind
