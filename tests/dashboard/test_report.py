"""What leaves the app: one HTML file that needs nothing else, and tables that hold every number."""

import csv
import io
import re
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from builders import a_readout

from analysis.readout import Readout
from dashboard.parts import (
    checkup,
    forest,
    friends,
    history,
    looks,
    picks,
    rules,
    segments,
    sensitivity,
    verdict,
)
from dashboard.parts.palette import palette
from dashboard.report.document import report
from dashboard.report.tables import tables, zipped
from store.registry import AuditRecord, DecisionRecord, ExperimentRecord, OutcomeRecord
from tests.dashboard import rich, sample

AT = datetime(2025, 11, 17, 9, 30, tzinfo=UTC)
WHOLE = rich.whole()
NASTY = '<script>alert("x")</script>&'
BUDGET = 0.15


def decision(**changes: object) -> DecisionRecord:
    usual = DecisionRecord(1, "checkout-slate", 2, "ship", "ship", {}, "It wins", False, "Ann", AT, None, ())
    return replace(usual, **changes)


class Outline(HTMLParser):
    """Tags with their attributes, all text, and whether every tag that opens also closes."""

    VOID = ("meta", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


SAMPLES = [WHOLE, rich.stopped(), rich.bayesian(), *map(sample.readout, sample.STORIES), sample.with_nulls()]


@pytest.mark.parametrize("readout", SAMPLES, ids=[f"{k}-{made.experiment}" for k, made in enumerate(SAMPLES)])
def test_a_report_needs_no_script_no_other_host_and_nobody(readout: Readout) -> None:
    html = report(readout, 2, AT, [decision()])
    page = Outline(html)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "button", "a"} & {tag for tag, _ in page.tags}
    assert not re.search(r"https?://|url\((?!#)|@import", html)
    assert readout.design.name in page.text and "Look 2, saved 17 Nov 2025, 09:30 UTC" in page.text
    assert not re.search(r"\b(None(?! holds)|nan|inf)\b", re.sub(r"<style>.*?</style>", "", html))


def test_a_report_says_what_the_page_says() -> None:
    html = report(WHOLE, 2, AT, [decision()])
    drawn = forest.table(WHOLE, "v7", unadjusted=True, linked=False)
    for part in (
        verdict.card(WHOLE, "v7"),
        drawn,
        sensitivity.strip(WHOLE, "v7"),
        friends.section(WHOLE, "v7"),
        checkup.checks(WHOLE),
    ):
        assert part in html
    for said in ("Ann", "“It wins”. On look", "The effect differs by device", "times as wide as an interval"):
        assert said in html
    assert "prefers-color-scheme:dark" in html and palette("dark").background in html


def test_data_cannot_become_markup_in_a_report() -> None:
    plans = tuple(replace(plan, name=NASTY, unit=NASTY) for plan in WHOLE.design.metrics)
    design = replace(WHOLE.design, name=NASTY, owner=NASTY, metrics=plans)
    html = report(replace(WHOLE, design=design), 2, AT, [decision(reason=NASTY, decided_by=NASTY)])
    assert "<script" not in html and NASTY in Outline(html).text


def test_tables_hold_every_number_of_every_look() -> None:
    found = tables(WHOLE, [decision(), decision(id=2)])
    assert len(found["effects"]) == sum(len(look.effects) for look in WHOLE.looks)
    assert len(found["segments"]) == sum(e.segment is not None for look in WHOLE.looks for e in look.effects)
    assert [len(found[name]) for name in ("variations", "friends", "decisions")] == [4, 14, 2]
    last, row = WHOLE.looks[-1].effects[0], found["effects"][-len(WHOLE.looks[-1].effects)]
    assert (row["lift"], row["lift_lower"], row["p_value"]) == (
        last.relative.estimate,
        last.relative.lower,
        last.p_value,
    )


def test_the_tables_of_a_rule_are_there_where_it_is_the_rule() -> None:
    bayesian, stopped = rich.bayesian(), rich.stopped()
    beliefs = [effect.posterior for look in bayesian.looks for effect in look.effects if effect.posterior]
    assert [row["chance"] for row in tables(bayesian, [])["posteriors"]] == [each.chance for each in beliefs] != []
    assert tables(WHOLE, [])["posteriors"] == [] != tables(stopped, [])["stopped"]


def test_the_archive_opens_and_no_cell_is_a_formula() -> None:
    seen = OutcomeRecord(1, 1, "Held", None, 0.02, "Ann", AT)
    made = decision(reason='=HYPERLINK("x")', decided_by='@Ann, \n"B"', outcomes=(seen,))
    with zipfile.ZipFile(io.BytesIO(zipped(WHOLE, [made]))) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(files) == {f"{name}.csv" for name, rows in tables(WHOLE, [made]).items() if rows}
    (row,) = csv.DictReader(io.StringIO(files["decisions.csv"], newline=""))
    assert row["reason"] == '\'=HYPERLINK("x")' and row["decided_by"] == '\'@Ann, \n"B"'
    assert "1,1,Held,,0.02,Ann," in files["outcomes.csv"]
    lifts = [float(row["lift"]) for row in csv.DictReader(io.StringIO(files["effects.csv"]))]
    assert min(lifts) < 0 and "'" not in files["effects.csv"]


def test_a_decision_names_who_and_what_it_replaces() -> None:
    seen = OutcomeRecord(1, 1, "Sales rose", None, 0.021, "Bo", AT)
    records = [
        decision(id=2, verdict="stop", look_id=3, override=True, recommended="blocked"),
        decision(superseded_by=2, outcomes=(seen,)),
    ]
    top = Outline(history.decided(records, 2)).text
    assert "Stop" in top and "by Ann on 17 Nov 2025, on look 3" in top and "It replaces 1 earlier decision" in top
    assert "that was overridden" in top
    said = Outline(history.decisions(records)).text
    assert "Superseded by decision 2." in said and "Bo: Sales rose (+2.1%)" in said
    assert history.decided([], 2) == "" and "Nobody" in history.decisions([])


def test_edits_of_the_plan_are_shown_line_by_line() -> None:
    record = ExperimentRecord("x", "X", None, "a = 1\nb = 3\n", AT, AT)
    edits = [
        AuditRecord(AT, "Ann", "change", "experiment x", {"before": {"definition": "a = 1\n"}}),
        AuditRecord(AT, NASTY, "change", "experiment x", {"before": {"definition": "a = 1\nb = 2\n"}}),
        AuditRecord(AT, "Ann", "decide", "experiment x", {}),
    ]
    html = history.changes(record, edits)
    assert html.index("b = 3") < html.index("<ins>+ b = 2</ins>") and "<del>- b = 2</del>" in html
    assert "<script" not in html and "has not changed" in history.changes(record, [])


def test_a_large_stored_readout_is_opened_and_all_its_tabs_drawn_within_the_budget() -> None:
    text, _ = a_readout(metrics=20, segments=24, looks=28).split()
    assert min(_cpu_seconds(text) for _ in range(4)) < BUDGET


def _cpu_seconds(text: str) -> float:
    start = time.process_time()
    made = Readout.from_json(text)
    arm, plan = picks.lead_arm(made), picks.primary(made)
    points = picks.history(made, plan.id, arm)
    drawn = report(made, 1, AT, [])
    drawn += checkup.splits(made) + checkup.learning(made, arm) + segments.table(made, plan.id, arm)
    drawn += rules.comparison(points, plan)
    looks.figure(points, palette("light"))
    assert all(f"M {m}" in drawn for m in range(20)) and all(f"C{s}" in drawn for s in range(24))
    return time.process_time() - start
