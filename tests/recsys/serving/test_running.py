"""A server's threads without HTTP: what fails beside the requests neither stops the drain nor is tried only once."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import pytest

from recsys.serving.running import Running
from store import StoreError
from tests.recsys.serving.plain import PopularityPolicy
from tests.recsys.serving.served import PATIENCE
from tests.recsys.serving.test_kill import a_shop


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def refusing(calls_refused: set[int], real: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    """`real`, which refuses the calls of these numbers, from 0; and the numbers of all calls so far."""
    calls: list[int] = []

    def called(*given: Any, **named: Any) -> Any:
        calls.append(len(calls))
        if calls[-1] in calls_refused:
            raise StoreError("database is locked")
        return real(*given, **named)

    return called, calls


def test_a_registry_that_cannot_be_read_for_a_while_does_not_end_the_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = a_shop(tmp_path / "shop", "drain_seconds = 0.05")
    running = Running(workspace, PopularityPolicy.open)
    running.start()
    read, calls = refusing({0, 1, 2}, workspace.registry.serving_model)
    monkeypatch.setattr(workspace.registry, "serving_model", read)
    assert until(lambda: len(calls) > 3)
    running.ready().accept({"events": [{"event_id": "a", "unit_id": "u1", "kind": "view", "item_id": "i3"}]})
    assert until(lambda: running.drained()[0] == {"events": 1})
    assert any(thread.name == "drain" for thread in threading.enumerate())
    running.stop()


def test_a_segment_that_was_set_aside_as_damaged_is_told_until_somebody_mends_it(tmp_path: Path) -> None:
    workspace = a_shop(tmp_path / "shop", "drain_seconds = 3600")
    running = Running(workspace, PopularityPolicy.open)
    running.start()
    service = running.ready()
    service.accept({"events": [{"unit_id": "u1", "kind": "view", "item_id": "i3"}]})
    service.journal.rotate()
    (segment,) = service.journal.closed()
    content = segment.read_bytes()
    segment.write_bytes(content[:-1])
    for _ in range(2):
        running._drainer.try_once()  # type: ignore[union-attr]
    assert f"{segment.with_suffix('.damaged')} is damaged" in running.health()["reason"]
    segment.with_suffix(".damaged").unlink()
    segment.write_bytes(content)
    running._drainer.try_once()  # type: ignore[union-attr]
    assert "damaged" not in running.health()["reason"] and running.drained()[0] == {"events": 1}
    running.stop()


def test_an_engine_that_waited_for_a_drain_that_failed_is_opened_after_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, opened = a_shop(tmp_path / "shop", "drain_seconds = 3600"), []

    def opening(asked: Any) -> PopularityPolicy:
        opened.append(asked)
        return PopularityPolicy.open(asked)

    running = Running(workspace, opening)
    running.start()
    drainer = running._drainer
    assert drainer is not None
    late = workspace.lake.table("items").limit(1).mutate(item_id=ibis.literal("late")).to_pyarrow()
    assert workspace.lake.append("items", late, source="a later import") == 1
    # The first call is the drain itself, the second the one before an engine is opened.
    monkeypatch.setattr(drainer.drain, "once", refusing({1}, drainer.drain.once)[0])
    drainer.try_once()
    assert len(opened) == 1
    drainer.try_once()
    assert len(opened) == 2
    running.stop()
