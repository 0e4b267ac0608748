"""What was served against what training would see, over a whole shop: its lake, its store, its log."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.errors import DataError
from recsys.features.definitions import NAMES
from recsys.features.history import History
from recsys.features.memory import MemoryStore
from recsys.features.online import Acts, online_features
from recsys.features.served import FOLDER, ServedLog, sampled, skew
from recsys.interactions import ACTIONS, DAY
from store import Workspace
from tests.recsys.features.plain import START, a_history

CANDIDATES, BATCHES, REQUESTS = 8, 250, 40


def a_shop(folder, events, *, users=200, items=60):
    """A workspace with items, public discounts, friends of 200 users; and a log of that many events."""
    rng = np.random.default_rng(1)
    other = a_history(1, users=users, items=items, acts=1)
    ids = other.catalogue.ids
    moment = pa.timestamp("us", "UTC")
    catalogue = {
        "item_id": ids,
        "publisher": [f"p{k % 7}" for k in range(items)],
        "category": [f"c{k % 5}" for k in range(items)],
    }
    catalogue |= {"list_price": rng.integers(100, 9000, items), "released": pa.array(other.catalogue.released, moment)}
    starts = START + rng.integers(0, 30 * DAY, 40)
    prices = {"item_id": [ids[k] for k in rng.permutation(items)[:40]], "starts": pa.array(starts, moment)}
    prices |= {"ends": pa.array(starts + 5 * DAY, moment), "price": rng.integers(50, 5000, 40)}
    pairs = np.unique(rng.integers(0, users, (500, 2)), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    friends = {"user_id": [f"u{k}" for k in pairs[:, 0]], "friend_id": [f"u{k}" for k in pairs[:, 1]]}
    workspace = Workspace.create(folder)
    tables = {
        "items": catalogue,
        "prices": prices,
        "friendships": friends,
        "users": {"user_id": [f"u{k}" for k in range(users)]},
    }
    for name, columns in tables.items():
        workspace.lake.append(name, pa.table(columns), source=name)
    kinds = (*ACTIONS, "session", "refund")
    time = np.sort(START + rng.integers(0, 35 * DAY, events))
    rows = [
        {
            "unit_id": f"u{rng.integers(users)}",
            "time": datetime.fromtimestamp(0, UTC) + np.timedelta64(int(when), "us").item(),
            "kind": kinds[rng.integers(len(kinds))],
            "item_id": ids[rng.integers(items)] if rng.random() < 0.95 else "gone",
            "value": int(rng.integers(50, 9000)) if rng.random() < 0.5 else None,
            "quantity": int(rng.integers(1, 3)) if rng.random() < 0.8 else None,
            "list_price": int(rng.integers(50, 9000)) if rng.random() < 0.2 else None,
        }
        for when in time.tolist()
    ]
    return workspace, rows


def serve(workspace, rows, log, folder):
    """The second half of the events as a server sees them: batches of events, then requests at the moment after."""
    rng, half = np.random.default_rng(2), len(rows) // 2
    write(workspace, rows[:half], "before")
    history = History.read(workspace)
    store = MemoryStore.build(folder, history)
    ids, place = history.catalogue.ids, {name: k for k, name in enumerate(history.catalogue.ids)}
    for number, batch in enumerate(np.array_split(np.arange(half, len(rows)), BATCHES)):
        events = [rows[k] for k in batch]
        store.observe(Acts.of_events(events, history.catalogue, place), position=number)
        now = round(events[-1]["time"].timestamp() * 1_000_000) + 1
        users = [f"u{k}" for k in rng.integers(0, 210, REQUESTS)]
        who = np.repeat(np.arange(REQUESTS), CANDIDATES)
        shown = rng.integers(0, len(ids), len(who))
        made = online_features(store, users, who, shown, np.full(REQUESTS, now))
        for k, user in enumerate(users):
            log.add(f"s{number}-{k}", user, now, [ids[i] for i in shown[who == k]], made[who == k])
    write(workspace, rows[half:], "after")
    log.flush()


def write(workspace, rows, source):
    workspace.lake.append("events", pa.Table.from_pylist(rows), source=source)


def test_ten_thousand_served_requests_have_training_s_features_to_the_bit(tmp_path):
    workspace, rows = a_shop(tmp_path / "shop", 12_000)
    serve(workspace, rows, ServedLog.of(workspace, 1.0), tmp_path / "store")
    found = skew(workspace)
    assert found.slates == BATCHES * REQUESTS == 10_000
    assert (found.rows, found.equal, found.left_out) == (80_000, 80_000, 0)
    assert found.differences == ()


def test_an_event_that_the_server_never_saw_shows_as_a_difference_and_names_the_feature(tmp_path):
    workspace, rows = a_shop(tmp_path / "shop", 1_500)
    serve(workspace, rows, ServedLog.of(workspace, 1.0), tmp_path / "store")
    middle = rows[1_100]
    write(workspace, [{**middle, "unit_id": "u7", "kind": "view", "item_id": "i003"}], "late")
    found = skew(workspace)
    assert 0 < found.equal < found.rows
    assert {"item_view_ever", "user_view_ever"} <= {each.feature for each in found.differences}
    first = next(each for each in found.differences if each.feature == "item_view_ever")
    assert first.item_id == "i003" and first.trained == first.served + 1
    earlier = round(middle["time"].timestamp() * 1_000_000)
    assert skew(workspace, until=earlier).differences == ()
    assert skew(workspace, since=earlier + 1).rows < found.rows


def test_the_share_of_slates_that_is_kept_is_the_one_asked_for_and_the_same_each_time(tmp_path):
    names = [f"slate-{k}" for k in range(20_000)]
    kept = [name for name in names if sampled(name, 0.05)]
    # Binomial: 5 standard deviations.
    assert abs(len(kept) - 1_000) < 5 * np.sqrt(20_000 * 0.05 * 0.95)
    assert [name for name in names if sampled(name, 0.05)] == kept
    assert not any(sampled(name, 0.0) for name in names) and all(sampled(name, 1.0) for name in names)
    log = ServedLog(tmp_path, 0.05)
    features = np.zeros((1, len(NAMES)), np.float32)
    assert [name for name in names[:2_000] if log.add(name, "u", 1, ["i"], features)] == [
        n for n in kept if n in names[:2_000]
    ]
    with pytest.raises(DataError, match=r"Write 0\.01 for 1 %"):
        ServedLog(tmp_path, 5)


def test_rows_of_items_that_are_gone_or_of_other_features_are_counted_and_not_compared(tmp_path):
    workspace, rows = a_shop(tmp_path / "shop", 100)
    log = ServedLog.of(workspace, 1.0)
    log.add("s1", "u1", START, ["no-such-item"], np.zeros((1, len(NAMES)), np.float32))
    log.flush()
    old = pa.table({"slate_id": ["s0"], "user_id": ["u"], "item_id": ["i"], "time": [START], "a_feature_of_old": [1.0]})
    pq.write_table(old, workspace.path / FOLDER / "part-old.parquet")
    write(workspace, rows, "events")
    found = skew(workspace)
    assert (found.rows, found.left_out) == (0, 2)


def test_a_workspace_where_nothing_was_kept_has_no_skew(tmp_path):
    found = skew(Workspace.create(tmp_path / "shop"))
    assert (found.slates, found.rows, found.differences) == (0, 0, ())
