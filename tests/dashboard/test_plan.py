"""The page Plan: its numbers are the planner's, its edits stay on the page, and what is wrong is told."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import analysis
from analysis.errors import ExperimentError
from analysis.planning.result import Reach
from dashboard import planning, source
from dashboard.parts import curve
from store import Workspace
from tests.dashboard.test_pages import html, opened

OWN = '[source]\nexposures = "exposures.csv"\nevents = "events.csv"\n'
FILE = f"""
[experiment]
id = "boxes"
unit = "unit"
control = "old"
shares = {{ old = 1, new = 1 }}
inference = "confidence_sequence"
planned_units = 700

{OWN}
[[metrics]]
id = "spend"
name = "Spend per <buyer>"
kind = "mean"
value = "value"
role = "primary"
"""


def a_shop(workspace: Workspace) -> None:
    """Two weeks of 100 visitors a day who spend 1 to 7, and an experiment on them."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    times = [start + timedelta(days=k // 100, minutes=14 * (k % 100)) for k in range(1400)]
    rows = [f"u{k},{time:%Y-%m-%dT%H:%M:%SZ},{k % 7 + 1}" for k, time in enumerate(times)]
    (workspace.experiments / "events.csv").write_text("\n".join(["unit,time,value", *rows]) + "\n")
    (workspace.experiments / "boxes.toml").write_text(FILE)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.create(tmp_path_factory.mktemp("planned") / "shop")
    a_shop(workspace)
    (workspace.experiments / "torn.toml").write_text("[experiment\n")
    return workspace


def test_the_numbers_are_those_of_the_planner(monkeypatch: pytest.MonkeyPatch, shop: Workspace) -> None:
    test = opened(monkeypatch, shop.path, "plan", file="boxes", effect="8.0", power="90%", traffic="50")
    experiment = analysis.load_experiment(shop.experiments / "boxes.toml")
    made = analysis.plan(experiment, shop, effect=0.08, target=0.9, traffic=0.5)
    card = html(test, "card")
    assert f"{100 * made.lift:.1f}%" in card and f"<dd>{made.days}<" in card and f"<dd>{100 * made.share:.0f}%" in card
    assert f"{made.suggested_units:,} units" in card
    assert f"planned_units = {made.suggested_units}" in test.code[0].value
    table = html(test, "metrics")
    assert "<buyer>" not in table and table.count('scope="row"') == len(made.metrics[0].answers)
    assert html(test, "price").count('scope="row"') == len(made.price)


def test_edits_are_planned_and_not_written(monkeypatch: pytest.MonkeyPatch, shop: Workspace) -> None:
    test = opened(monkeypatch, shop.path, "plan", file="boxes")
    before = html(test, "card")
    test.text_area[0].set_value(FILE.replace("planned_units = 700", "planned_units = 1400")).run()
    assert "your own lines" in test.info[0].value
    assert "until 1,400 units" in html(test, "card") != before
    assert (shop.experiments / "boxes.toml").read_text() == FILE


def test_a_new_experiment_begins_with_a_template(monkeypatch: pytest.MonkeyPatch, shop: Workspace) -> None:
    test = opened(monkeypatch, shop.path, "plan", file="A new experiment")
    assert test.text_area[0].value == planning.TEMPLATE and test.expander[0].proto.expanded


def test_other_files_cannot_be_read_through_the_page(
    monkeypatch: pytest.MonkeyPatch, shop: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text("unit,arm,value\n1,old,2\n")
    table = f'[source]\ntable = "{tmp_path / "secret.csv"}"\n'
    query = f"{OWN}query = \"SELECT * FROM glob('/*')\"\n"
    for lines in (table, query):
        test = opened(monkeypatch, shop.path, "plan", file="boxes")
        test.text_area[0].set_value(FILE.replace(OWN, lines)).run()
        assert "only the lake, or the file's own source" in test.code[0].value
    monkeypatch.setenv("HOLDOUT_WORKSPACE", str(shop.path))
    with pytest.raises(ExperimentError, match="only the lake"):
        planning.drafted(FILE, None)


def test_what_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch, shop: Workspace, tmp_path: Path) -> None:
    test = opened(monkeypatch, shop.path, "plan", file="torn")
    assert "no plan for this" in test.error[0].value and "not valid TOML" in test.code[0].value
    empty = Workspace.create(tmp_path / "empty")
    test = opened(monkeypatch, empty.path, "plan")
    assert test.text_area[0].value == planning.TEMPLATE
    assert "import events first" in test.code[0].value


def test_the_past_is_read_once_for_the_same_question(monkeypatch: pytest.MonkeyPatch, shop: Workspace) -> None:
    monkeypatch.setenv("HOLDOUT_WORKSPACE", str(shop.path))
    said: list[str] = []
    file = next(file for file in source.files() if file.experiment)
    asked = dict(effect=0.123, target=0.8, traffic=1.0, progress=said.append)
    first = planning.planned(file.experiment, FILE, **asked)
    heard = len(said)
    assert heard and planning.planned(file.experiment, FILE, **asked) is first and len(said) == heard
    assert planning.planned(file.experiment, FILE, **{**asked, "effect": 0.124}) is not first


def test_a_curve_stays_on_its_field_and_leaves_out_what_is_not_known() -> None:
    weeks = [
        Reach(7 * k, 100 * k, k > 2, {"fixed": 0.3 / k, "bayesian": None if k == 1 else 0.4 / k}) for k in range(1, 7)
    ]
    drawn = curve.drawing(weeks, 14, "spend")
    lines = [
        [tuple(map(float, p.split(","))) for p in points.split()] for points in re.findall(r'points="([^"]*)"', drawn)
    ]
    assert [len(line) for line in lines] == [6, 5]
    assert all(0 <= x <= 100 and 0 <= y <= 100 for line in lines for x, y in line)
    assert all(a[1] < b[1] for line in lines for a, b in pairwise(line))
    assert "30.0% after 7 days, 5.0% after 42 days" in drawn
    none = curve.drawing([Reach(7, 10, False, {"fixed": None})], None, "spend")
    assert "No lift" in none and "<svg" not in none
