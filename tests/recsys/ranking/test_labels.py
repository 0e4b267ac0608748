"""What counts as following from an impression: the same item, the slate that is named, within the window."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recsys.interactions import DAY
from recsys.ranking.labels import WINDOWS, shown
from recsys.slate import OUTCOMES
from store import Workspace

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=60)


def at(days: float) -> datetime:
    return NOON + timedelta(days=days)


def a_log(folder: Path, *events: dict, slates: dict[str, list[str]] | None = None) -> Workspace:
    """Slates of user u at noon on the homepage, and events that are of user u unless they say otherwise."""
    workspace = Workspace.create(folder / "shop")
    slates = slates or {"s1": ["a", "b"]}
    rows = [
        {"slate_id": slate, "position": k + 1, "user_id": "u", "time": NOON, "surface": "homepage", "item_id": item, "propensity": 0.5, "policy": "p"}
        for slate, items in slates.items()
        for k, item in enumerate(items)
    ]  # fmt: skip
    workspace.lake.append("recommendations", pa.Table.from_pylist(rows), source="slates")
    last = {"unit_id": "nobody", "time": LATER, "kind": "session"}
    filled = [{"unit_id": "u", "item_id": None, "slate_id": None} | event for event in (*events, last)]
    workspace.lake.append("events", pa.Table.from_pylist(filled), source="events")
    return workspace


def happened(workspace: Workspace, **limits: int) -> dict[str, set[str]]:
    """Outcomes of each item that was shown."""
    log = shown(workspace, **limits)
    return {
        item: {outcome for outcome, y in zip(OUTCOMES, row, strict=True) if y == 1}
        for item, row in zip(log.items.to_pylist(), log.labels, strict=True)
    }


def test_an_act_counts_for_its_item_in_its_slate_and_is_a_click(tmp_path):
    workspace = a_log(
        tmp_path,
        {"kind": "cart", "item_id": "a", "slate_id": "s1", "time": at(0.1)},
        {"kind": "view", "item_id": "b", "slate_id": "other", "time": at(0.1)},
        {"kind": "view", "item_id": "b", "time": at(0.1)},
        {"kind": "view", "item_id": "c", "slate_id": "s1", "time": at(0.1)},
    )
    assert happened(workspace) == {"a": {"click", "cart"}, "b": set()}


@pytest.mark.parametrize("outcome", ["wishlist", "cart", "purchase", "gift"])
def test_an_act_counts_from_the_slate_until_its_window_ends(tmp_path, outcome):
    days = WINDOWS[outcome] / DAY
    for name, when, counts in (
        ("in", days - 0.001, True),
        ("out", days, False),
        ("start", 0, True),
        ("before", -0.001, False),
    ):
        folder = tmp_path / name
        folder.mkdir()
        acts = [
            {"kind": kind, "item_id": "a", "slate_id": "s1", "time": at(t)}
            for kind, t in (("view", 0.01), (outcome, when))
        ]
        workspace = a_log(folder, *acts)
        assert (outcome in happened(workspace)["a"]) == counts, name


def test_an_outcome_is_not_known_while_its_window_is_open(tmp_path):
    workspace = a_log(tmp_path, {"kind": "purchase", "item_id": "a", "slate_id": "s1", "time": at(0.5)})
    labels = shown(workspace, known_until=int(at(2).timestamp() * 1e6)).labels
    known = dict(zip(OUTCOMES, ~np.isnan(labels[0]), strict=True))
    assert known == {"click": True, "wishlist": True, "cart": True, "purchase": False, "gift": False, "refund": False}
    assert not np.isnan(shown(workspace, known_until=int(at(14).timestamp() * 1e6)).labels).any()


def test_events_after_what_is_known_do_not_change_what_is_known(tmp_path):
    workspace = a_log(tmp_path, {"kind": "view", "item_id": "a", "slate_id": "s1", "time": at(0.9)})
    early = shown(workspace, known_until=int(at(0.8).timestamp() * 1e6))
    assert np.nansum(early.labels) == 0 and np.isnan(early.labels).all()


def test_a_refund_without_a_slate_counts_for_the_last_purchase_before_it(tmp_path):
    workspace = a_log(
        tmp_path,
        {"kind": "purchase", "item_id": "a", "slate_id": "s1", "time": at(0.2)},
        {"kind": "purchase", "item_id": "b", "slate_id": "s1", "time": at(0.2)},
        {"kind": "purchase", "item_id": "b", "slate_id": None, "time": at(1)},
        {"kind": "refund", "item_id": "a", "time": at(3)},
        {"kind": "refund", "item_id": "b", "time": at(3)},
        {"kind": "refund", "item_id": "a", "unit_id": "somebody", "time": at(2)},
    )
    assert happened(workspace) == {"a": {"click", "purchase", "refund"}, "b": {"click", "purchase"}}


def test_a_purchase_days_later_counts_only_if_the_item_was_looked_at_from_the_slate(tmp_path):
    bought = {"kind": "purchase", "slate_id": "s1", "time": at(3)}
    looked = {"kind": "view", "item_id": "b", "slate_id": "s1", "time": at(0.1)}
    workspace = a_log(tmp_path, bought | {"item_id": "a"}, bought | {"item_id": "b"}, looked)
    assert happened(workspace) == {"a": set(), "b": {"click", "purchase"}}


def test_a_refund_of_a_purchase_that_does_not_count_does_not_count(tmp_path):
    workspace = a_log(
        tmp_path,
        {"kind": "purchase", "item_id": "a", "slate_id": "s1", "time": at(8)},
        {"kind": "refund", "item_id": "a", "slate_id": "s1", "time": at(9)},
    )
    assert happened(workspace)["a"] == set()


def test_a_log_without_events_or_without_slates_has_labels_of_nothing(tmp_path):
    workspace = a_log(tmp_path)
    assert happened(workspace) == {"a": set(), "b": set()}
    empty = Workspace.create(tmp_path / "empty")
    assert len(shown(empty)) == 0 and shown(empty).labels.shape == (0, len(OUTCOMES))


def test_only_impressions_since_a_time_are_taken(tmp_path):
    workspace = a_log(tmp_path)
    assert len(shown(workspace, since=int(NOON.timestamp() * 1e6))) == 2
    assert len(shown(workspace, since=int(NOON.timestamp() * 1e6) + 1)) == 0


def a_month(folder: Path, rng: np.random.Generator, delays: dict[str, float]) -> tuple[Workspace, np.ndarray]:
    """Slates over 30 days in turn on these surfaces, one in five bought after so many days on average, as far as those
    days tell; and of all slates after how many days they were bought, inf for never."""
    workspace, slates = Workspace.create(folder / "shop"), 6_000
    times = [NOON + timedelta(days=30 * k / slates) for k in range(slates)]
    surfaces = [list(delays)[k % len(delays)] for k in range(slates)]
    rows = [
        {"slate_id": f"s{k}", "position": 1, "user_id": f"u{k}", "time": time, "surface": surfaces[k], "item_id": "a", "propensity": 0.5, "policy": "p"}
        for k, time in enumerate(times)
    ]  # fmt: skip
    after = rng.exponential([delays[surface] for surface in surfaces])
    after[rng.random(slates) >= 0.2] = np.inf
    events = [
        {
            "unit_id": f"u{k}",
            "kind": kind,
            "item_id": "a",
            "slate_id": f"s{k}",
            "time": times[k] + timedelta(days=days),
        }
        for k in np.flatnonzero(np.isfinite(after))
        for kind, days in (("view", 0.001), ("purchase", after[k]))
    ]
    events = [event for event in events if event["time"] < at(30)]
    workspace.lake.append("recommendations", pa.Table.from_pylist(rows), source="slates")
    workspace.lake.append("events", pa.Table.from_pylist(events), source="events")
    return workspace, after


def test_purchases_that_came_early_stand_for_those_that_come_later(tmp_path):
    workspace, after = a_month(tmp_path, np.random.default_rng(6), {"homepage": 1.5})
    log = shown(workspace, known_until=int(at(30).timestamp() * 1e6))
    purchase, wishlist = OUTCOMES.index("purchase"), OUTCOMES.index("wishlist")
    opened = np.isnan(log.labels[:, purchase])
    weight, happened = log.early.weight[opened, purchase], log.early.happened[opened, purchase]
    assert 0.2 * len(log) < opened.sum() < 0.25 * len(log)
    told, plain = weight @ happened / weight.sum(), (happened > 0).mean()
    within = (after < 7).mean()
    assert abs(told - within) < 4 * np.sqrt(0.2 * 0.8 / weight.sum())
    assert plain < 0.9 * within
    closed = ~opened
    assert (log.early.weight[closed, purchase] == 1).all()
    assert np.array_equal(log.early.happened[closed, purchase], log.labels[closed, purchase])
    # Nobody wished for anything, so nothing says how soon that comes.
    assert set(log.early.weight[np.isnan(log.labels[:, wishlist]), wishlist].tolist()) == {0.0}


def test_where_purchases_come_later_they_are_expected_later(tmp_path):
    """By the delays of both surfaces together the slow one would seem to sell half of what it does."""
    workspace, after = a_month(tmp_path, np.random.default_rng(7), {"homepage": 0.2, "post_purchase": 3.0})
    log = shown(workspace, known_until=int(at(30).timestamp() * 1e6))
    purchase, slow = OUTCOMES.index("purchase"), np.arange(len(log)) % 2 == 1
    opened = np.isnan(log.labels[:, purchase])
    for there in (slow, ~slow):
        rows = opened & there
        weight, happened = log.early.weight[rows, purchase], log.early.happened[rows, purchase]
        assert abs(weight @ happened / weight.sum() - (after[there] < 7).mean()) < 4 * np.sqrt(0.16 / weight.sum())
    weight = log.early.weight[:, purchase]
    assert weight[opened & slow].mean() < 0.8 * weight[opened & ~slow].mean()
