"""Definitions: every word, metric and method has its place, and links between them lead somewhere."""

import re
import tomllib
from pathlib import Path

import pytest

from dashboard.methods import methods
from dashboard.pages_list import FOLDER
from dashboard.parts import stated
from store import Workspace
from tests.dashboard.test_pages import html, opened

DOCS = Path(__file__).resolve().parents[2] / "docs"
GROUPS = tomllib.loads((FOLDER.parent / "definitions.toml").read_text("utf-8"))["group"]
SHOP = """
[experiment]
id = "{id}"
owner = "Ann"
unit = "visitor_id"
control = "a"
shares = {{ a = 1, b = 1 }}
inference = "fixed"

[source]
lake = true

[[metrics]]
id = "spend"
name = "Money <b>spent</b>"
kind = "mean"
value = "value"
role = "primary"
{more}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three experiments: two define a metric alike, one only in its file; the third otherwise."""
    workspace = Workspace.create(tmp_path_factory.mktemp("defined") / "shop")
    workspace.registry.save_experiment(SHOP.format(id="first", more=""), id="first", name="first")
    (workspace.experiments / "second.toml").write_text(SHOP.format(id="second", more=""))
    workspace.registry.save_experiment(SHOP.format(id="third", more="direction = 'decrease'"), id="third", name="third")
    workspace.registry.save_experiment("of an old grammar", id="old", name="old")
    return workspace


def test_every_page_of_the_docs_is_shown_whole_and_has_a_title() -> None:
    assert methods().keys() == {file.stem for file in DOCS.glob("*.md")}
    for method in methods().values():
        assert method.title and method.parts
        words = re.findall(r"\w+", (DOCS / f"{method.name}.md").read_text("utf-8").partition("\n")[2])
        # Links and the language of a code block are all that may change.
        assert len(re.findall(r"\w+", " ".join(method.parts))) >= 0.9 * len(words)
        for name in re.findall(r"definitions\?doc=([\w-]+)", " ".join(method.parts)):
            assert name in methods()


def test_prose_after_a_formula_is_prose_and_formulas_are_code() -> None:
    parts = methods()["group-sequential"].parts
    assert parts[1].startswith("f(t)") and parts[3].startswith("P( no earlier look crossed")
    assert parts[2].startswith("t is the time of a look") and "| pocock |" in parts[4]


def test_every_term_that_leads_to_a_method_finds_it() -> None:
    terms = [term for group in GROUPS for term in group["term"]]
    assert {term["doc"] for term in terms if "doc" in term} <= methods().keys()


def test_the_word_chance_is_kept_for_posteriors() -> None:
    others = [term for group in GROUPS for term in group["term"] if group["title"] != "Bayesian reading"]
    assert others and not [term["name"] for term in others if "chance" in f"{term['name']} {term['text']}".lower()]


def test_the_address_opens_a_method(monkeypatch: pytest.MonkeyPatch, shop: Workspace) -> None:
    test = opened(monkeypatch, shop.path, "definitions", doc="confidence-sequence")
    assert test.header[0].value == methods()["confidence-sequence"].title
    assert test.code
    test = opened(monkeypatch, shop.path, "definitions", doc="nothing")
    assert "no page “nothing”" in test.info[0].value
    assert set(re.findall(r'doc=([\w-]+)"', html(test, "titles"))) == methods().keys()


def test_every_metric_is_listed_once_with_all_who_use_it(monkeypatch: pytest.MonkeyPatch, shop: Workspace) -> None:
    drawn = html(opened(monkeypatch, shop.path, "definitions", tab="Metrics"), "metrics")
    entries = drawn.split("</li>")[:-1]
    assert len(entries) == 2 and "<b>spent" not in drawn
    assert "first, owner Ann, source lake" in entries[0] and "second, owner Ann" in entries[0]
    assert "third" in entries[1] and "lower is better" in entries[1] and "direction" in entries[1]
    assert "a mean per visitor; higher is better" in entries[0]
    found = html(opened(monkeypatch, shop.path, "definitions", tab="Metrics", define="THIRD"), "metrics")
    assert found.count("</li>") == 1


def test_a_workspace_without_experiments_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    test = opened(monkeypatch, Workspace.create(tmp_path / "new").path, "definitions", tab="Metrics")
    assert "No experiment of this workspace" in test.markdown[0].value


def test_the_lines_of_a_metric_end_where_the_next_table_begins() -> None:
    text = SHOP.format(id="x", more="where = { kind = 'sale' }") + "\n[bayesian]\nmean = 0\n"
    said = stated.lines(text, "spend")
    assert said.startswith("[[metrics]]") and said.endswith("'sale' }")
    assert stated.lines(text, "other") == ""
