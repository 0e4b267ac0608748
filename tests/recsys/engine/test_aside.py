"""Charts that are counted beside the requests: the same as those counted at once, and nobody waits for them."""

import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from recsys.engine import lately
from recsys.engine.aside import Aside
from recsys.engine.charts import Charts
from recsys.engine.engine import CHARTED_EVERY, Engine
from recsys.engine.lately import Lately
from recsys.slate import Request
from tests.recsys.engine.workspaces import a_trained_shop

PATIENCE = 60.0


def until(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come")


@settings(deadline=None)
@given(some.lists(some.integers(0, 50), max_size=40), some.integers(0, 50))
def test_acts_are_kept_in_order_and_none_that_is_late_enough_is_forgotten(times, cut):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lately, "ROWS", 4)
        kept = Lately()
        for place, at in enumerate(times):
            kept.add(place, 1, 2, at)
        parts = kept.parts()
        kept.add(99, 1, 2, 50)
        rows = [(place, 1, 2, at) for place, at in enumerate(times)]
        assert np.concatenate(parts).tolist() == [list(row) for row in rows]
        assert kept.last == 50
        kept.forget(cut)
        left = [tuple(row) for row in np.concatenate(kept.parts()).tolist()]
        expected = [*rows, (99, 1, 2, 50)]
        assert [row for row in left if row[3] >= cut] == [row for row in expected if row[3] >= cut]
        assert set(left) <= set(expected)


def test_nobody_waits_for_work_aside_and_its_result_is_taken_once():
    aside, going_on = Aside(), threading.Event()
    assert aside.take() is None and not aside.busy
    aside.begin(lambda: going_on.wait(PATIENCE) and "counted")
    assert aside.busy and aside.take() is None
    going_on.set()
    assert until(aside.take) == "counted"
    assert aside.take() is None and not aside.busy


def test_work_aside_that_fails_is_told_and_the_next_goes_on(caplog):
    aside = Aside()
    aside.begin(lambda: 1 / 0)
    until(lambda: aside.take() is None and not aside.busy)
    assert "ZeroDivisionError" in caplog.text
    aside.begin(lambda: 7)
    assert until(aside.take) == 7


def bought(engine, count, start=0):
    """So many purchases of the item that the charts have last, by people whom nobody knows."""
    last = engine.state.catalogue.ids[int(np.argmin(engine.state.sources.charts.score))]
    now = datetime.now(UTC) - timedelta(seconds=10)
    return [
        {"unit_id": f"n{start + k}", "kind": "purchase", "item_id": last, "time": now + timedelta(microseconds=k)}
        for k in range(count)
    ]


def test_charts_that_are_counted_beside_the_requests_are_those_that_are_counted_at_once():
    shop = a_trained_shop()
    at_once, beside = Engine.open(shop), Engine.open(shop)
    beside.aside = Aside()
    before = beside.state.sources.charts
    events = bought(beside, CHARTED_EVERY)
    at_once.observe(events)
    beside.observe(events)
    assert beside.state.sources.charts is before

    def changed():
        beside.recommend(Request("somebody", "homepage", datetime.now(UTC)))
        return beside.state.sources.charts is not before

    until(changed)
    assert (beside.state.sources.charts.score == at_once.state.sources.charts.score).all()
    assert (beside.state.sources.charts.best == at_once.state.sources.charts.best).all()
    assert (at_once.state.sources.charts.score != before.score).any()


def test_what_is_observed_while_charts_are_counted_is_counted_the_next_time(monkeypatch):
    engine, going_on, counted = Engine.open(a_trained_shop()), threading.Event(), []
    engine.aside = Aside()
    real = Charts.counting.__func__

    def slow(cls, people, released):
        count = real(cls, people, released)
        counted.append(sum(map(len, people.observed())))
        return lambda: going_on.wait(PATIENCE) and count()

    monkeypatch.setattr(Charts, "counting", classmethod(slow))
    for part in range(3):
        engine.observe(bought(engine, CHARTED_EVERY, start=part * CHARTED_EVERY))
    assert counted == [CHARTED_EVERY]
    going_on.set()
    until(lambda: (engine._take_charts(), not engine.aside.busy)[1])
    engine.observe(bought(engine, 1))
    assert counted == [CHARTED_EVERY, 3 * CHARTED_EVERY + 1]
