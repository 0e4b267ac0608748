"""The pages on a workspace full of samples, and on an empty one."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import dashboard
from analysis.crossings import count, crossings
from analysis.readout import Readout
from dashboard import asked
from dashboard.report.tables import tables
from store import Workspace
from tests.dashboard import rich, sample

APP = Path(dashboard.__file__).with_name("app.py")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    yield sample.fill(tmp_path_factory.mktemp("samples") / "shop")


def opened(monkeypatch: pytest.MonkeyPatch, workspace: Path, page: str | None = None, **query: str) -> AppTest:
    """A page as a visitor finds it under an address."""
    monkeypatch.setenv("HOLDOUT_WORKSPACE", str(workspace))
    test = AppTest.from_file(str(APP), default_timeout=180)
    test.session_state["painted"] = "yes"
    if page:
        test.run()
        test.switch_page(f"pages/{page}.py")
    for key, value in query.items():
        test.query_params[key] = value
    test.run()
    assert not test.exception, test.exception
    return test


def html(test: AppTest, key: str) -> str:
    """What a part drew."""
    return next(json.loads(e.proto.json)["html"] for e in test.get("bidi_component") if e.proto.id.endswith(f"-{key}"))


def test_the_list_shows_every_experiment(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    test = opened(monkeypatch, filled.path)
    drawn = html(test, "list")
    for record in filled.registry.experiments():
        assert f"readout?exp={record.id}" in drawn
    assert "No look yet" in drawn


def test_the_list_is_found_by_text_status_and_owner_of_the_address(
    monkeypatch: pytest.MonkeyPatch, filled: Workspace
) -> None:
    for query, found in (
        ({"find": "OKAFOR", "status": "No look yet"}, ["gift-cards"]),
        ({"owner": "L. Okafor", "find": "banner"}, ["free-returns"]),
        ({"owner": "No owner"}, ["mail-subjects"]),
    ):
        drawn = html(opened(monkeypatch, filled.path, **query), "list")
        assert re.findall(r"readout\?exp=([a-z-]+)", drawn) == found
    said = [each.value for each in opened(monkeypatch, filled.path, find="zebra").markdown]
    assert any("No experiment is like that" in each for each in said)


def test_files_that_are_broken_or_new_are_in_the_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = Workspace.create(tmp_path / "shop")
    (here.experiments / "broken.toml").write_text("[experiment]\nid = 7\n")
    (here.experiments / "gone.toml").symlink_to(here.path / "nowhere.toml")
    (here.experiments / "folder.toml").mkdir()
    good = '[experiment]\nid = "fresh"\nshares = { a = 1, b = 1 }\ncontrol = "a"\ninference = "fixed"\n'
    (here.experiments / "fresh.toml").write_text(
        good + '[source]\nlake = true\n[[metrics]]\nid = "m"\nkind = "mean"\nvalue = "value"\n'
    )
    test = opened(monkeypatch, here.path)
    assert "3 experiment files cannot be read" in test.error[0].value
    assert "broken.toml" in html(test, "broken")
    drawn = html(test, "list")
    assert "plan?file=fresh" in drawn and "No look yet" in drawn
    assert "%" not in drawn and "peeking" not in test.markdown[0].value


def test_the_page_counts_what_peeking_would_have_claimed(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    test = opened(monkeypatch, filled.path)
    looks = [filled.registry.latest_look(each.id) for each in filled.registry.experiments()]
    found = count(one for look in looks if look for one in crossings(Readout.from_json(look.readout)))
    naive, always = found["naive"], found["confidence_sequence"]
    assert 0 < always.crossed < naive.crossed
    said = next(each.value for each in test.markdown if "at every look" in each.value)
    assert f"{naive.crossed} of {naive.series} series" in said and f"calls {always.crossed}" in said


def test_an_empty_workspace_says_what_to_do_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    test = opened(monkeypatch, Workspace.create(tmp_path / "empty").path)
    assert "No experiment has been read" in test.markdown[0].value
    assert "holdout" in test.code[0].value


def test_a_workspace_that_is_gone_is_told_not_crashed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    test = opened(monkeypatch, tmp_path / "nowhere")
    assert "holdout.toml" in test.error[0].value


@pytest.mark.parametrize("id", [story.id for story in sample.STORIES] + ["new-market"])
def test_every_sample_has_a_readout(monkeypatch: pytest.MonkeyPatch, filled: Workspace, id: str) -> None:
    test = opened(monkeypatch, filled.path, "readout", exp=id)
    assert test.title[0].value == filled.registry.experiment(id).name
    assert 'id="verdict"' in html(test, "top")
    assert len(test.get("plotly_chart")) == (id != "winback-mail")


def test_an_unknown_experiment_leads_back(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    for query in ({}, {"exp": "nonsense"}):
        test = opened(monkeypatch, filled.path, "readout", **query)
        assert test.title[0].value == "No such experiment."
        assert test.page_link[0].label == ":blue[See all experiments]"


def test_an_experiment_without_a_look_says_how_to_take_one(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    test = opened(monkeypatch, filled.path, "readout", exp="gift-cards")
    assert "holdout refresh" in test.markdown[0].value


def test_an_old_look_is_shown_as_it_was(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    oldest = filled.registry.looks("checkout-slate")[-1]
    test = opened(monkeypatch, filled.path, "readout", exp="checkout-slate", look=str(oldest.id))
    assert "not the latest" in test.info[0].value
    assert "Day 14" in test.markdown[0].value


def test_a_look_of_another_experiment_is_not_shown(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    other = filled.registry.looks("free-returns")[0]
    test = opened(monkeypatch, filled.path, "readout", exp="checkout-slate", look=str(other.id))
    assert "no saved look" in test.info[0].value
    assert "Slate ranker" in test.title[0].value


def test_the_address_chooses_metric_and_arm(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    test = opened(
        monkeypatch,
        filled.path,
        "readout",
        exp="mail-subjects",
        tab="Segments",
        metric="Items per slate clicked",
        arm="First name",
    )
    assert test.selectbox(key="metric").value == "clicks"
    assert "Stop, keep control" in html(test, "top")
    assert any(header.value == "Items per slate clicked by segment" for header in test.header)


def test_choosing_an_arm_shows_its_decision(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    test = opened(monkeypatch, filled.path, "readout", exp="mail-subjects")
    test.selectbox(key="arm").select("Question").run()
    assert "Keep running" in html(test, "top")


def test_downloads_hold_the_stored_readout_and_every_effect(filled: Workspace) -> None:
    made = sample.readout(sample.STORIES[0])
    stored = filled.registry.latest_look("checkout-slate")
    assert json.loads(stored.readout) == json.loads(made.to_json())
    assert len(tables(made, [])["effects"]) == sum(len(look.effects) for look in made.looks)


def test_every_term_has_an_anchor(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    test = opened(monkeypatch, filled.path, "definitions")
    anchors = [term.anchor for term in test.subheader]
    assert len(anchors) == len(set(anchors)) > 15
    assert "lift" in anchors and "guardrail" in anchors


@pytest.mark.parametrize("id", [story.id for story in sample.STORIES] + ["new-market"])
@pytest.mark.parametrize("tab", ["Results", "Health", "Segments", "Sensitivity", "History"])
def test_every_tab_has_something_to_say(monkeypatch: pytest.MonkeyPatch, filled: Workspace, id: str, tab: str) -> None:
    test = opened(monkeypatch, filled.path, "readout", exp=id, tab=tab)
    opened_tab = next(each for each in test.tabs if each.label == tab)
    assert opened_tab.header and (opened_tab.get("bidi_component") or opened_tab.markdown)
    assert all(not each.header for each in test.tabs if each.label != tab)


def test_picked_segments_are_in_the_address_and_what_cannot_be_read_together_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace = rich.fill(tmp_path / "shop")
    test = opened(monkeypatch, workspace.path, "readout", exp="whole", tab="Segments", picked="Device: Phone")
    assert "Device: Phone" in html(test, "picks")
    assert "you picked 1 of 9" in test.caption[-1].value
    once = rich.whole()
    once = replace(once, experiment="once", design=replace(once.design, inference="fixed"))
    workspace.registry.save_experiment("", id="once", name="Once")
    workspace.registry.save_look("once", readout=once.to_json(), verdict="ship", lake_versions={})
    test = opened(monkeypatch, workspace.path, "readout", exp="once", tab="Segments")
    test.multiselect(key="picked").select("Device: Phone").select("Country: FR").run()
    assert "cannot be read together" in test.info[0].value


def test_a_metric_has_a_page_with_its_rules_its_proof_and_its_definition(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace = rich.fill(tmp_path / "shop")
    test = opened(monkeypatch, workspace.path, "metric", exp="whole")
    assert test.title[0].value == "Revenue per visitor"
    assert "Group sequential" in html(test, "rules") and "4.1%" in html(test, "trust")
    assert 'id = "revenue"' in test.code[0].value and "[experiment]" not in test.code[0].value
    test = opened(monkeypatch, workspace.path, "metric", exp="whole", metric="Page load p95")
    assert "0.02" in test.code[0].value and "Guardrail metric" in html(test, "definition")


def test_a_name_in_a_link_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(st, "page_link", lambda page, **how: drawn.append((page, how)))
    asked.link("readout", "← A [b] at 5:30", exp="a")
    assert drawn == [("pages/readout.py", {"label": r":blue[← A \[b\] at 5\:30]", "query_params": {"exp": "a"}})]
