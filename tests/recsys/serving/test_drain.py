"""From the journal into the lake: every row as it was sent, each exactly once, whatever breaks in between."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from recsys.serving import declarations
from recsys.serving.drain import Drain, Drainer
from recsys.serving.journal import Journal
from recsys.serving.rows import EVENTS, OFFER, SLATE, answer, lines, observed, tables
from recsys.serving.schema import compiled
from recsys.serving.segment import JournalError, Record
from recsys.slate import OUTCOMES, Place, Request, Slate
from store import StoreError, Workspace
from store.check import check
from store.contract import load_contract
from store.lake import MANY

NOW = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)
TEXTS = some.text(some.characters(codec="utf-8"), min_size=1, max_size=12)
CHANCE = some.floats(1e-300, 1)
PLACES = some.builds(
    Place,
    TEXTS,
    some.integers(1, 100),
    CHANCE,
    some.floats(allow_nan=False, allow_infinity=False),
    some.integers(1, 10**9),
    some.dictionaries(some.sampled_from(OUTCOMES), CHANCE),
    some.text(some.characters(codec="utf-8"), max_size=8),
)
TIMES = some.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=some.just(UTC))
SLATES = some.builds(
    Slate,
    TEXTS,
    some.builds(Request, TEXTS, some.just("homepage"), TIMES, seed=some.none() | some.integers(0, 2**53 - 1)),
    TEXTS,
    some.none() | TEXTS,
    some.lists(PLACES, max_size=4).map(tuple),
)
ROWS = some.fixed_dictionaries(
    {"unit_id": TEXTS, "time": TIMES, "kind": some.just("view")},
    optional={
        "item_id": TEXTS,
        "value": some.integers(-(2**63), 2**63 - 1),
        "quantity": some.integers(-(2**31), 2**31 - 1),
        "event_id": TEXTS,
    },
)


def an_event(name: str, **fields: Any) -> dict[str, Any]:
    return {"event_id": name, "unit_id": "u1", "time": NOW, "kind": "view", "item_id": "i1", **fields}


def a_slate(places: int = 2) -> Slate:
    shown = tuple(Place(f"i{k}", k, 0.5, 1.25, 9, {"click": 0.1}, "popular") for k in range(1, places + 1))
    return Slate("s1", Request("u1", "homepage", NOW), "p1", None, shown)


def plainly(slates: list[Slate]) -> list[dict[str, Any]]:
    """The slow reference: rows of recommendations, place after place."""
    return [
        {
            "slate_id": slate.slate_id,
            "position": place.position,
            "user_id": slate.request.user_id,
            "time": slate.request.time,
            "surface": slate.request.surface,
            "item_id": place.item_id,
            "propensity": place.propensity,
            "policy": slate.policy,
            "score": place.score,
            "model": slate.model,
            "candidates": place.candidates,
            **{f"p_{name}": place.chances.get(name) for name in OUTCOMES},
            "reason": place.reason,
            "seed": slate.request.seed,
        }
        for slate in slates
        for place in slate.places
    ]


def as_the_lake_has_it(table: pa.Table, name: str) -> list[dict[str, Any]]:
    (batch,) = table.combine_chunks().to_batches()
    checked = check(batch, load_contract(name))
    assert checked.problems == {}
    return checked.good.to_pylist()


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(some.lists(SLATES, max_size=3))
def test_slates_come_back_to_the_last_bit(slates: list[Slate]) -> None:
    found = tables([Record(SLATE, answer(slate)) for slate in slates])
    expected = plainly(slates)
    assert as_the_lake_has_it(found["recommendations"], "recommendations") == expected if expected else found == {}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(some.lists(some.lists(ROWS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_events_come_back_to_the_last_bit(groups: list[list[dict[str, Any]]]) -> None:
    records = [Record(EVENTS, lines(rows)) for rows in groups]
    rows = [row for group in groups for row in group]
    empty = dict.fromkeys(load_contract("events").names)
    assert as_the_lake_has_it(tables(records)["events"], "events") == [{**empty, **row} for row in rows]
    assert observed(records) == rows


@given(data=some.data())
@settings(deadline=None)
def test_what_the_routes_let_in_always_keeps_the_contract(data: some.DataObject) -> None:
    event = data.draw(ROWS)
    sent = json.loads(lines([event]))
    compiled(declarations.events())({"events": [sent]}, "")
    as_the_lake_has_it(tables([Record(EVENTS, lines([event]))])["events"], "events")


def test_offers_have_their_way_into_the_lake_too(tmp_path: Path) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    offer = {"user_id": "u1", "campaign_id": "c1", "time": NOW, "depth": 0.2, "propensity": 0.5, "policy": "p1"}
    journal.write(OFFER, lines([offer]))
    Drain(journal, workspace.lake).once()
    (found,) = workspace.lake.table("offers").to_pyarrow().to_pylist()
    assert {name: found[name] for name in offer} == offer
    journal.close()


def test_a_drain_moves_every_row_once_and_empties_the_journal(tmp_path: Path) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    drain = Drain(journal, workspace.lake)
    journal.write(EVENTS, lines([an_event("a"), an_event("b")]))
    journal.write(SLATE, answer(a_slate()))
    assert drain.once() == 4
    assert drain.once() == 0
    journal.write(EVENTS, lines([an_event("c")]))
    assert drain.once() == 1
    rows = workspace.lake.table("events").to_pyarrow()["event_id"].to_pylist()
    assert sorted(rows) == ["a", "b", "c"]
    assert journal.waiting_bytes() == 0
    assert drain.rows == {"events": 3, "recommendations": 2}
    journal.close()


@pytest.mark.parametrize("broken", ["append", "sync", "save", "unlink"])
def test_a_drain_that_breaks_anywhere_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    drain = Drain(journal, workspace.lake)
    journal.write(EVENTS, lines([an_event("a")]))
    journal.write(SLATE, answer(a_slate()))

    def fail(*anything: object, **more: object) -> None:
        raise OSError("pulled")

    with monkeypatch.context() as patched:
        if broken == "append":
            real = workspace.lake.append

            def second(table: str, data: Any, *, source: str) -> int:
                return real(table, data, source=source) if table == "events" else fail()  # type: ignore[func-returns-value]

            patched.setattr(workspace.lake, "append", second)
        elif broken == "sync":
            patched.setattr("recsys.serving.durable.sync_file", fail)
        elif broken == "save":
            patched.setattr("recsys.serving.drain.save", fail)
        else:
            patched.setattr(Path, "unlink", fail)
        with pytest.raises(OSError, match="pulled"):
            drain.once()
    assert len(journal.closed()) == 1
    drain.once()
    assert journal.closed() == []
    assert workspace.lake.table("events").count().to_pyarrow().as_py() == 1
    assert workspace.lake.table("recommendations").count().to_pyarrow().as_py() == 2
    assert [file.suffix for file in sorted((tmp_path / "journal").glob("*.names"))] == [".names"]
    journal.close()


def test_two_segments_of_the_same_rows_are_two_segments(tmp_path: Path) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    row = {"unit_id": "u1", "time": NOW, "kind": "view"}
    for _ in range(2):
        journal.write(EVENTS, lines([row]))
        journal.rotate()
    assert Drain(journal, workspace.lake).once() == 2
    journal.close()


def test_a_damaged_segment_is_set_aside_and_said(tmp_path: Path) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    journal.write(EVENTS, lines([an_event("a")]))
    journal.rotate()
    (segment,) = journal.closed()
    content = bytearray(segment.read_bytes())
    content[-1] ^= 1
    segment.write_bytes(content)
    with pytest.raises(JournalError, match=r"damaged at byte 24\. Its rows are not in the lake"):
        Drain(journal, workspace.lake).once()
    journal.write(EVENTS, lines([an_event("b")]))
    assert Drain(journal, workspace.lake).once() == 1
    assert len(list((tmp_path / "journal").glob("*.damaged"))) == 1
    journal.close()


def test_a_drainer_says_what_went_wrong_and_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    drainer = Drainer(Drain(journal, workspace.lake), 3600)
    journal.write(EVENTS, lines([an_event("a")]))

    def refuse(*anything: object, **more: object) -> None:
        raise StoreError("the lake is closed today")

    with monkeypatch.context() as patched:
        patched.setattr(workspace.lake, "append", refuse)
        drainer.try_once()
    assert (drainer.error, drainer.failures) == ("the lake is closed today", 1)
    drainer.start()
    drainer.stop()
    assert drainer.error == ""
    assert workspace.lake.table("events").count().to_pyarrow().as_py() == 1
    journal.close()


def test_a_drain_of_many_rows_is_quick(tmp_path: Path) -> None:
    """A minute of 100 slates a second: it must not take the processor from those who are served."""
    import time

    workspace, journal = Workspace.create(tmp_path / "shop"), Journal(tmp_path / "journal")
    data = answer(a_slate(24))
    for _ in range(3000):
        journal.write(SLATE, data)
    begun = time.process_time()
    assert Drain(journal, workspace.lake).once() == 72_000
    assert time.process_time() - begun < 3
    journal.close()


def test_a_server_that_drains_for_long_leaves_readers_few_files(tmp_path: Path) -> None:
    lake, journal = Workspace.create(tmp_path / "shop").lake, Journal(tmp_path / "journal")
    drain = Drain(journal, lake)
    for number in range(MANY):
        journal.write(EVENTS, lines([an_event(f"e{number}")]))
        assert drain.once() == 1
    assert len(lake.files("events")) == 1
    assert sorted(lake.table("events").event_id.to_pyarrow().to_pylist()) == sorted(f"e{k}" for k in range(MANY))
    journal.close()
