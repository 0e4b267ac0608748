"""The service without HTTP: what is kept, what the engine sees, and what happens when one of them fails."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recsys.serving.journal import Journal
from recsys.serving.rows import EVENTS, SLATE
from recsys.serving.schema import Invalid
from recsys.serving.segment import JournalError, Record, whole
from recsys.serving.service import Service, Taken
from recsys.serving.window import Window
from tests.recsys.serving.plain import PopularityPolicy

HOME = {"user_id": "u1", "surface": "homepage", "size": 3}


@pytest.fixture
def service(tmp_path: Path) -> Any:
    journal = Journal(tmp_path)
    yield Service(PopularityPolicy([f"i{k}" for k in range(20)]), journal, Window())
    journal.close()


def kept(service: Service) -> list[Record]:
    service.journal.rotate()
    return [record for path in service.journal.closed() for record in whole(path.read_bytes())[0]]


def event(name: str = "e1", **fields: Any) -> dict[str, Any]:
    return {"event_id": name, "unit_id": "u1", "kind": "view", "item_id": "i3", **fields}


def test_what_is_answered_is_what_is_kept(service: Service) -> None:
    data, spent = service.recommend(HOME)
    assert kept(service) == [Record(SLATE, data)]
    assert len(json.loads(data)["items"]) == 3
    assert set(spent) == {"validate", "engine", "encode", "journal"}


def test_a_slate_that_cannot_be_kept_is_not_shown(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.journal._failure = "the disk is full."
    with pytest.raises(JournalError, match="full"):
        service.recommend(HOME)


def test_the_same_seed_gives_the_same_items(service: Service) -> None:
    items = [json.loads(service.recommend({**HOME, "seed": 7})[0])["items"] for _ in range(2)]
    assert items[0] == items[1]


def test_events_change_the_next_answer(service: Service) -> None:
    def chance() -> float:
        places = json.loads(service.recommend({**HOME, "size": 20})[0])["items"]
        return next(place["score"] for place in places if place["item_id"] == "i3")

    before = chance()
    service.accept({"events": [event(str(k)) for k in range(50)]})
    assert chance() > before


def test_an_event_that_was_sent_before_is_kept_once(service: Service) -> None:
    assert service.accept({"events": [event("a"), event("b"), event("a")]}) == Taken(2, 1)
    assert service.accept({"events": [event("b"), event("c")]}) == Taken(1, 1)
    names = [json.loads(line)["event_id"] for record in kept(service) for line in record.payload.splitlines()]
    assert names == ["a", "b", "c"]
    assert [row["event_id"] for row in service.engine.seen] == ["a", "b", "c"]  # type: ignore[attr-defined]


def test_events_without_a_name_are_all_kept(service: Service) -> None:
    nameless = {"unit_id": "u1", "kind": "view"}
    assert service.accept({"events": [nameless, nameless]}) == Taken(2, 0)


def test_of_events_with_one_that_is_wrong_none_is_kept(service: Service) -> None:
    with pytest.raises(Invalid, match="/events/1/kind"):
        service.accept({"events": [event("a"), event("b", kind="Not Known")]})
    assert service.accept({"events": [event("a")]}) == Taken(1, 0)


def test_events_that_could_not_be_kept_are_not_known(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*anything: object) -> None:
        raise JournalError("the disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(service.journal, "write", full)
        with pytest.raises(JournalError):
            service.accept({"events": [event("a")]})
    assert service.engine.seen == []  # type: ignore[attr-defined]
    assert service.accept({"events": [event("a")]}) == Taken(1, 0)


def test_an_engine_that_fails_on_an_event_does_not_lose_it(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.engine, "observe", lambda events: 1 / 0)
    assert service.accept({"events": [event("a")]}) == Taken(1, 0)
    assert [record.kind for record in kept(service)] == [EVENTS]
    assert service.metrics.unobserved.values[()] == 1


def test_a_time_that_is_left_out_is_now_and_one_in_the_future_is_refused(service: Service) -> None:
    service.accept({"events": [event("a")]})
    (row,) = service.engine.seen  # type: ignore[attr-defined]
    assert abs(datetime.now(UTC) - row["time"]) < timedelta(seconds=5)
    ahead = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    with pytest.raises(Invalid, match=r"/events/0/time must be at most 0:05:00 after now"):
        service.accept({"events": [event("b", time=ahead)]})


class Clock(datetime):
    """The system's, set forward or back by `ahead`."""

    ahead = timedelta()

    @classmethod
    def now(cls, zone: Any = None) -> datetime:
        return datetime.now(zone) + cls.ahead


def test_a_clock_that_is_set_back_loses_nothing_and_stops_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recsys.serving.service.datetime", Clock)
    begun = datetime.now(UTC)
    for place, hours in enumerate([0, -1, -2, 1]):
        monkeypatch.setattr(Clock, "ahead", timedelta(hours=hours))
        assert service.accept({"events": [event(str(place)), event("0")]}) == Taken(1, 1)
        slate = json.loads(service.recommend(HOME)[0])
        assert len(slate["items"]) == 3
        assert abs(datetime.fromisoformat(slate["time"]) - begun - timedelta(hours=hours)) < timedelta(minutes=5)
    times = [row["time"] - begun for row in service.engine.seen]  # type: ignore[attr-defined]
    assert [round(each / timedelta(hours=1)) for each in times] == [0, -1, -2, 1]
    assert [record.kind for record in kept(service)] == [EVENTS, SLATE] * 4


def test_whole_numbers_that_are_written_with_a_point_are_whole(service: Service) -> None:
    service.accept({"events": [event("a", value=1050.0)]})
    assert b'"value":1050,' in kept(service)[0].payload


def test_a_surface_that_is_not_there_is_named_with_those_that_are(service: Service) -> None:
    with pytest.raises(Invalid, match="/surface must be one of cart, homepage"):
        service.recommend({**HOME, "surface": "moon"})
    assert kept(service) == []


def test_an_empty_catalogue_gives_an_empty_slate(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "empty")
    data, _ = Service(PopularityPolicy([]), journal, Window()).recommend(HOME)
    assert json.loads(data)["items"] == []
    journal.close()


def test_a_target_is_told_that_there_is_no_campaign(service: Service) -> None:
    found = service.target({"user_id": "u1"})
    assert found == {"user_id": "u1", "offered": False, "reason": "No campaign is running in this workspace."}


def test_an_engine_that_takes_over_sees_what_came_after_it_had_read_the_lake_and_nothing_twice(
    service: Service,
) -> None:
    old = service.engine
    service.accept({"events": [event("before")]})
    service.remember()
    service.accept({"events": [event("drained")]})
    service.journal.rotate()
    service.accept({"events": [event("later")]})
    new = PopularityPolicy(["i3"])
    service.change_to(new, 1)
    assert service.changing
    service.accept({"events": [event("last")]})
    service.accept({"events": [event("after")]})
    assert service.engine is new and not service.changing
    assert [row["event_id"] for row in new.seen] == ["later", "last", "after"]
    assert [row["event_id"] for row in old.seen] == ["before", "drained", "later"]  # type: ignore[attr-defined]
