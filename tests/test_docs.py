"""The words stay true: links lead somewhere, files shown are valid, commands shown exist."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import holdout
from analysis.experiment import parse_experiment

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_experiment_files_shown_are_valid(page):
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        assert parse_experiment(tomllib.loads(block), page).metrics


def test_every_key_of_an_experiment_file_is_in_its_page():
    page = (ROOT / "docs" / "experiment-file.md").read_text("utf-8")
    grammar = [ROOT / "analysis" / "experiment.py", *(ROOT / "analysis").glob("grammar/*.py")]
    grammar += (ROOT / "analysis").glob("metrics/*.py")
    asks = r"\b(?:take|text|choice|number|names|_days|path)\(\s*(?:table, )?\"(\w+)\""
    keys = {key for file in grammar for key in re.findall(asks, file.read_text("utf-8"))}
    assert keys > {"cluster", "futility_power", "planned_error", "prior_mean", "traffic", "window_days"}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", page)] == []


def test_commands_shown_exist():
    shown = set(re.findall(r"bin/holdout (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert shown
    for verb in shown:
        assert CliRunner().invoke(holdout.app, [verb, "--help"]).exit_code == 0, verb


def test_every_target_shown_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))):
        assert f"\n{target}:" in makefile, target
