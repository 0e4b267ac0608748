"""The log of decisions: what it counts, what it leads to, and what it keeps."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.parts import log
from store import Workspace
from tests.dashboard import sample
from tests.dashboard.test_pages import html, opened


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Three decisions: one as advised with an outcome, one against a failed check, and one that replaces the first."""
    workspace = sample.fill(tmp_path_factory.mktemp("decided") / "shop")
    registry = workspace.registry
    looks = {each.id: registry.looks(each.id) for each in registry.experiments()}
    first = registry.decide("checkout-slate", looks["checkout-slate"][1].id, "ship", reason="It wins", decided_by="Ann")
    registry.decide("ios-home", looks["ios-home"][0].id, "stop", reason="Split", decided_by="Bo", override=True)
    registry.decide("checkout-slate", looks["checkout-slate"][0].id, "stop", reason="<b>Not so</b>", decided_by="Ann")
    registry.record_outcome(first.id, "Sold less", recorded_by="Cy", estimate=-0.01)
    yield workspace


def test_the_newest_decision_comes_first_and_leads_to_its_frozen_look(
    monkeypatch: pytest.MonkeyPatch, decided: Workspace
) -> None:
    drawn = html(opened(monkeypatch, decided.path, "decisions"), "log")
    made = decided.registry.decisions()
    places = [drawn.index(f'look={each.look_id}"') for each in made]
    assert len(places) == 3 and places == sorted(places)
    assert (
        "&lt;b&gt;Not so" in drawn and "Sold less (−1.0%)" in drawn and f"Superseded by decision {made[0].id}" in drawn
    )


def test_past_calls_are_counted(decided: Workspace) -> None:
    said = log.summary(decided.registry.decisions())
    assert said.startswith("3 decisions: 1 as the readout advised, 1 in spite of a failed health check. 1 with a later")
    assert "above zero after 0 of 1" in said


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"owned_by": "T. Ahmed"}, 1),
        ({"decision": "Stop"}, 2),
        ({"outcome": "With an outcome"}, 1),
        ({"outcome": "?"}, 3),
    ],
)
def test_the_address_filters(monkeypatch: pytest.MonkeyPatch, decided: Workspace, query: dict, found: int) -> None:
    assert html(opened(monkeypatch, decided.path, "decisions", **query), "log").count("<li><div") == found


def test_an_outcome_is_asked_for_and_kept(monkeypatch: pytest.MonkeyPatch, decided: Workspace) -> None:
    made = decided.registry.decisions()[0]
    test = opened(monkeypatch, decided.path, "decisions")
    # A test has no fragments: every run asks for the form again.
    test.session_state["outcome_of"] = made.id
    test.run()
    test.text_area[0].set_value("Nobody missed it")
    test.number_input[0].set_value(1.5)
    test.session_state["outcome_of"] = made.id
    test.button[0].click().run()
    assert "name of who records is empty" in test.error[0].value
    test.text_input[0].set_value("Di")
    test.session_state["outcome_of"] = made.id
    test.button[0].click().run()
    (kept,) = decided.registry.decisions()[0].outcomes
    assert (kept.what, kept.recorded_by, kept.estimate) == ("Nobody missed it", "Di", pytest.approx(0.015))


def test_what_is_settled_comes_last_in_the_list_and_waits_for_nobody(
    monkeypatch: pytest.MonkeyPatch, decided: Workspace
) -> None:
    test = opened(monkeypatch, decided.path)
    drawn = html(test, "list")
    order = re.findall(r"readout\?exp=([a-z-]+)", drawn)
    assert set(order[-2:]) == {"checkout-slate", "ios-home"}
    assert "Decided: Stop" in drawn
    waiting = [id for id in order[:-2] if (look := decided.registry.latest_look(id)) and look.verdict != "keep_running"]
    assert f", {len(waiting)} waiting for somebody" in test.markdown[0].value


def test_a_log_without_entries_says_how_to_begin_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    test = opened(monkeypatch, Workspace.create(tmp_path / "new").path, "decisions")
    assert "Record decision" in test.markdown[0].value
    assert test.page_link[0].label == ":blue[See all experiments]"
