"""What slates are made from: neighbours, charts, people, sources, and how far publishers lie below their share."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.catalogue import Catalogue
from recsys.engine.charts import DAYS, EVERYBODY, WEIGHTS, Charts
from recsys.engine.neighbours import KEPT, KINDS, SHRINK, Neighbours
from recsys.engine.people import People
from recsys.engine.sources import SOURCE_NAMES, Asked, Found, Sources, _once, _summed, first_of, newest_first
from recsys.engine.state import _deficit
from recsys.interactions import ACTIONS, DAY, Interactions
from store import Workspace

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def some_acts(rng: np.random.Generator, acts: int = 400, users: int = 30, items: int = 12) -> Interactions:
    names = [f"u{k:02}" for k in range(users)], [f"i{k:02}" for k in range(items)]
    parts = rng.integers(0, users, acts), rng.integers(0, items, acts), rng.integers(0, len(ACTIONS), acts)
    return Interactions.of(*names, *parts, np.sort(rng.integers(1, 60 * DAY, acts)))


def people_of(acts: Interactions, segment: np.ndarray | None = None) -> People:
    none = np.zeros(len(acts.users), np.int32)
    return People(acts, np.zeros(0, np.int64), ("", "DE/pc", "FR/pc"), none if segment is None else segment, none - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_the_shrunk_cosines_of_who_acted_on_both(kind):
    acts = some_acts(np.random.default_rng(1))
    near, weight = Neighbours.of(acts).near[kind](np.arange(12))
    who = [
        {
            int(u)
            for u, i, a in zip(acts.user, acts.item, acts.action, strict=True)
            if i == item and ACTIONS[a] in KINDS[kind]
        }
        for item in range(12)
    ]
    for item in range(12):
        cosines = {
            other: len(who[item] & who[other]) / (np.sqrt(len(who[item]) * len(who[other])) + SHRINK)
            for other in range(12)
            if other != item and who[item] & who[other]
        }
        found = {int(o): float(w) for o, w in zip(near[item], weight[item], strict=True) if o >= 0}
        assert found == pytest.approx(cosines, rel=1e-6)
        assert list(found.values()) == sorted(found.values(), reverse=True)
        assert near.shape == (12, KEPT)


def test_neighbours_save_and_take_another_order_of_items(tmp_path):
    made = Neighbours.of(some_acts(np.random.default_rng(2)))
    made.save(tmp_path / "linear")
    loaded = Neighbours.load(tmp_path / "linear")
    order = ["new", *(f"i{k:02}" for k in (5, 3, 1, 0))]
    near, weight = loaded.renumbered(order).near["alike"](np.arange(5))
    was, was_weight = made.near["alike"](np.array([5, 3, 1, 0]))
    for row, (items, weights) in enumerate(zip(was, was_weight, strict=True), start=1):
        kept = [
            (order.index(f"i{i:02}"), w) for i, w in zip(items, weights, strict=True) if i >= 0 and f"i{i:02}" in order
        ]
        assert [(i, w) for i, w in zip(near[row], weight[row], strict=True) if i >= 0] == kept
    assert (near[0] == -1).all()


def test_charts_count_the_last_weeks_by_weight_and_those_of_a_segment_first():
    acts = some_acts(np.random.default_rng(3))
    segment = (np.arange(30) % 3).astype(np.int32)
    charts = Charts.of(people_of(acts, segment), np.zeros(12, np.int64))
    end = acts.time.max() + 1
    totals: list[Counter] = [Counter(), Counter(), Counter()]
    for user, item, action, time in zip(acts.user, acts.item, acts.action, acts.time, strict=True):
        if time >= end - DAYS * DAY:
            totals[0][int(item)] += WEIGHTS[ACTIONS[action]]
            if segment[user]:
                totals[segment[user]][int(item)] += WEIGHTS[ACTIONS[action]]
    assert charts.score == pytest.approx([totals[0][k] / max(totals[0].values()) for k in range(12)])
    for k in range(3):
        score = [totals[k][i] + (EVERYBODY * totals[0][i] if k else 0) for i in range(12)]
        assert [score[i] for i in charts.best[k]] == pytest.approx(sorted(score, reverse=True))


def test_charts_count_what_was_observed_since_as_if_it_had_been_in_the_facts():
    acts = some_acts(np.random.default_rng(7))
    segment = (np.arange(30) % 3).astype(np.int32)
    cut = 50 * DAY
    whole = Charts.of(people_of(acts, segment), np.zeros(12, np.int64))
    people = people_of(acts.before(cut), segment)
    for row in np.flatnonzero(acts.time >= cut):
        when = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(acts.time[row]))
        event = {"unit_id": acts.users[acts.user[row]], "kind": ACTIONS[acts.action[row]], "time": when}
        people.observe(event, int(acts.item[row]))
    later = Charts.of(people, np.zeros(12, np.int64))
    assert later.score == pytest.approx(whole.score)
    assert later.best.tolist() == whole.best.tolist()


def test_items_that_nobody_touched_are_charted_by_release():
    acts = some_acts(np.random.default_rng(4), acts=0)
    charts = Charts.of(people_of(acts), np.array([3, 9, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0]))
    assert charts.best[0][:4].tolist() == [1, 3, 0, 2]


def test_histories_are_the_latest_acts_of_the_facts_and_of_what_was_observed_since():
    acts = some_acts(np.random.default_rng(5))
    people = people_of(acts)
    rows = np.flatnonzero(acts.user == 3)
    items, actions, times = people.histories([3, -1], 5)
    assert items[0].tolist() == acts.item[rows[-5:]].tolist()
    assert actions[0].tolist() == acts.action[rows[-5:]].tolist()
    assert (items[1] == -1).all()
    when = datetime.fromtimestamp(70 * DAY / 1e6, UTC)
    people.observe({"unit_id": "u03", "kind": "view", "time": when}, 7)
    people.observe({"unit_id": "u03", "kind": "cart", "time": when - timedelta(seconds=5)}, 8)
    items, actions, times = people.histories([3], 4)
    assert items[0].tolist() == [*acts.item[rows[-2:]].tolist(), 8, 7]
    assert (np.diff(times[0]) >= 0).all()
    people.observe({"unit_id": "new", "kind": "view", "time": when}, 2)
    assert people.number("new") == 30
    assert people.histories([30], 4)[0].tolist() == [[2]]
    assert people.ages([30]).tolist() == [-1] and people.segments_of([30]).tolist() == [0]


def test_who_owns_what_is_the_last_word_of_the_facts(tmp_path):
    workspace = Workspace.create(tmp_path / "shop")
    workspace.lake.append("items", pa.table({"item_id": ["a", "b", "c"]}), source="items")
    rows = [("u", "purchase", "a", None), ("u", "purchase", "b", None), ("u", "refund", "b", None), ("u", "gift", "c", "v"),
            ("v", "purchase", "b", None), ("v", "refund", "b", None), ("v", "purchase", "b", None),
            ("u", "gift", "a", "v"), ("u", "refund", "a", "v")]  # fmt: skip
    events = [
        {"unit_id": user, "kind": kind, "item_id": item, "recipient_id": to, "time": NOON + timedelta(hours=k)}
        for k, (user, kind, item, to) in enumerate(rows)
    ]
    workspace.lake.append("events", pa.Table.from_pylist(events), source="events")
    users = pa.table(
        {
            "user_id": ["u", "v"],
            "country": ["DE", None],
            "platform": ["pc", None],
            "age": pa.array([20, None], pa.int32()),
        }
    )
    workspace.lake.append("users", users, source="users")
    people = People.read(workspace)
    owned = people.owned_keys([people.number("u"), people.number("v")], 3).tolist()
    assert owned == [0, 3 + 1, 3 + 2]
    assert people.ages([0, 1]).tolist() == [20, -1]
    assert [people.segments[k] for k in people.segments_of([0, 1])] == ["DE/pc", ""]


def test_what_friends_own_is_counted_over_friends():
    friends, owned = (
        np.array([[1, 2], [1, 3], [2, 1], [3, 1]], np.int32),
        np.array([2 * 12 + 5, 2 * 12 + 7, 3 * 12 + 7]),
    )
    people = replace(people_of(some_acts(np.random.default_rng(8), acts=0)), friends=friends, owned=owned)
    assert people.of_friends([1, 2, 9, -1], 5) == [[7, 5], [], [], []]
    assert people.of_friends([1], 1) == [[7]]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 12), most=st.integers(1, 8))
def test_sums_of_weights_by_item_are_those_of_a_plain_loop(seed, width, most):
    rng = np.random.default_rng(seed)
    near = rng.integers(-1, 5, (3, width))
    weight = np.where(near >= 0, rng.integers(1, 9, near.shape) / 8, 0.0)
    partner = rng.integers(0, 9, near.shape)
    items, partners = _summed(near, weight, partner, most)
    for row in range(3):
        total: Counter = Counter()
        best: dict[int, tuple[float, int]] = {}
        for item, w, who in zip(near[row].tolist(), weight[row].tolist(), partner[row].tolist(), strict=True):
            if item >= 0:
                total[item] += w
                if item not in best or w > best[item][0]:
                    best[item] = (w, who)
        found = [item for item in items[row].tolist() if item >= 0]
        assert [total[item] for item in found] == sorted(total.values(), reverse=True)[:most]
        assert [partners[row, k] for k in range(len(found))] == [best[item][1] for item in found]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-1, 6), min_size=5, max_size=5), min_size=1, max_size=4))
def test_an_item_stays_where_it_stands_first(rows):
    for row, once in zip(rows, _once(np.array(rows)).tolist(), strict=True):
        assert once == [item if item not in row[:k] else -1 for k, item in enumerate(row)]


def test_every_source_is_among_few_candidates_and_the_best_reason_is_given():
    acts = some_acts(np.random.default_rng(6))
    released = np.arange(12) * DAY
    newest = newest_first(released, np.full(12, 10**18), 0)
    sources = Sources(Charts.of(people_of(acts), released), Neighbours.of(acts), newest, released[newest], None)
    asked = Asked(
        np.array([[0]]), np.array([[1]]), None, np.zeros(1, np.int32), np.array([5 * DAY]), np.array([[2, -1]])
    )
    found = sources.find(asked, {"asked": 5, "together": 5, "friends": 5, "new": 5, "popular": 12})
    kept = found.take(first_of(found.item >= 0, 9))
    assert {SOURCE_NAMES[source] for source in kept.source[0]} == {"asked", "together", "friends", "new", "popular"}
    by_item = {int(i): SOURCE_NAMES[s] for i, s in zip(found.item[0], found.source[0], strict=True) if i >= 0}
    assert by_item[0] == "asked" and set(by_item) == set(range(12))
    new = [int(i) for i, s in zip(found.item[0], found.source[0], strict=True) if SOURCE_NAMES[s] == "new" and i >= 0]
    assert new == sorted(new, reverse=True) and max(new) <= 5
    partner = {int(p) for p, s in zip(found.partner[0], found.source[0], strict=True) if SOURCE_NAMES[s] == "together"}
    assert partner <= {0, -1}


def test_candidates_that_are_kept_move_to_the_left_in_their_order():
    item = np.array([[4, 7, 2, 9], [1, 3, 5, 8]])
    found = Found(item, np.zeros((2, 4), np.int8), item + 10)
    kept = found.take(first_of(np.array([[True, False, True, True], [False, False, False, True]]), 2))
    assert kept.item.tolist() == [[4, 2], [8, -1]]
    assert kept.partner.tolist() == [[14, 12], [18, -1]]


def test_a_publishers_deficit_is_how_far_its_places_lie_below_its_items(tmp_path):
    workspace = Workspace.create(tmp_path / "shop")
    items = {
        "item_id": ["a1", "a2", "b", "c", "own"],
        "publisher": ["A", "A", "B", "C", "shop"],
        "first_party": [False] * 4 + [True],
    }
    workspace.lake.append("items", pa.table(items), source="items")
    assert deficits(workspace).tolist() == [0] * 5
    places = ["a1"] * 2 + ["b"] * 6 + ["own"] * 9
    rows = [
        {"slate_id": "s", "position": k + 1, "user_id": "u", "time": NOON, "surface": "homepage", "item_id": item, "propensity": 0.5, "policy": "p"}
        for k, item in enumerate(places)
    ]  # fmt: skip
    workspace.lake.append("recommendations", pa.Table.from_pylist(rows), source="slates")
    # A has half of the third parties' items and a quarter of their places.
    assert deficits(workspace) == pytest.approx([0.5, 0.5, 0, 1, 0])


def deficits(workspace: Workspace) -> np.ndarray:
    catalogue = Catalogue.read(workspace)
    return _deficit(workspace, catalogue, catalogue.codes(catalogue.publisher)[0])


def test_a_shop_without_items_has_empty_charts():
    acts = Interactions((), (), *(np.zeros(0, kind) for kind in (np.int32, np.int32, np.int8, np.int64)))
    charts = Charts.of(people_of(acts), np.zeros(0, np.int64))
    assert charts.best.shape == (3, 0) and len(charts.score) == 0
