"""The engine answers anybody, sees what happens at once, and says why."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recsys.engine import MODEL
from recsys.engine.engine import CHARTED_EVERY, MOST_ITEMS, Engine
from recsys.engine.scoring import RANKED_BY
from recsys.errors import ModelError, RequestError
from recsys.features.online import online_features
from recsys.features.served import ServedLog, skew
from recsys.interactions import microseconds
from recsys.ranking.rows import Rows
from recsys.slate import OUTCOMES, Request
from recsys.slates.objective import change
from recsys.surfaces.surface import POLICY, known_surfaces, surface
from store import Workspace
from tests.recsys.engine.workspaces import VERSION, a_shop, a_trained_shop, after

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
both = pytest.mark.parametrize("shop", [a_shop, a_trained_shop], ids=["plain", "trained"])


def shown(
    engine: Engine, user: str, place: str = "homepage", *, seed: int = 1, items: tuple[str, ...] = (), time=None
) -> list[str]:
    slate = engine.recommend(Request(user, place, time or after(a_shop()), items, seed=seed))
    return [each.item_id for each in slate.places]


def act(engine: Engine, user: str, kind: str, item: str, **more: object) -> None:
    event = {
        "unit_id": user,
        "kind": kind,
        "item_id": item,
        "time": after(a_shop()) - timedelta(minutes=5),
        "value": 100,
    }
    engine.observe([event | more])


def a_tiny_shop(folder: Path, *, items: int = 4) -> Workspace:
    """Items that differ in everything that counts, and nobody who did anything."""
    workspace = Workspace.create(folder / "tiny")
    rows = [
        {"item_id": f"i{k}", "title": f"Game {k}", "publisher": f"p{k}", "list_price": 1000, "released": NOW - timedelta(days=k + 1)}
        for k in range(items)
    ]  # fmt: skip
    workspace.lake.append("items", pa.Table.from_pylist(rows), source="items")
    return workspace


@both
def test_somebody_whom_nobody_knows_gets_a_full_slate_and_no_claim_to_know_them(shop):
    slate = Engine.open(shop()).recommend(Request("a stranger", "homepage", after(a_shop()), seed=1))
    assert len(slate.places) == surface("homepage").slots
    assert {place.reason for place in slate.places} <= {"Popular right now", "New in the shop"}


@both
def test_what_somebody_just_bought_is_not_shown_again_until_it_is_sent_back(shop):
    engine = Engine.open(shop())
    user = engine.state.people.acts.users[0]
    favourite = shown(engine, user)[0]
    act(engine, user, "purchase", favourite)
    assert all(favourite not in shown(engine, user, seed=seed) for seed in range(30))
    act(engine, user, "refund", favourite)
    assert any(favourite in shown(engine, user, seed=seed) for seed in range(30))


@both
def test_a_gift_belongs_to_who_got_it(shop):
    engine = Engine.open(shop())
    giver, friend = engine.state.people.acts.users[:2]
    item = next(item for item in shown(engine, giver) if item in shown(engine, friend))
    act(engine, giver, "gift", item, recipient_id=friend)
    assert all(item not in shown(engine, friend, seed=seed) for seed in range(30))
    assert any(item in shown(engine, giver, seed=seed) for seed in range(30))


@both
def test_a_gift_that_is_sent_back_is_taken_from_who_got_it_and_from_nobody_else(shop):
    engine = Engine.open(shop())
    giver, friend = engine.state.people.acts.users[:2]
    item = next(item for item in shown(engine, giver) if item in shown(engine, friend))
    act(engine, giver, "purchase", item)
    act(engine, giver, "gift", item, recipient_id=friend)
    act(engine, giver, "refund", item, recipient_id=friend)
    assert any(item in shown(engine, friend, seed=seed) for seed in range(30))
    assert all(item not in shown(engine, giver, seed=seed) for seed in range(30))


def test_what_many_do_while_the_engine_serves_becomes_popular():
    engine = Engine.open(a_shop())
    unknown = next(
        item
        for item in reversed(engine.state.catalogue.ids)
        if item not in shown(engine, "a stranger") and fit(engine, item)
    )
    time = after(a_shop()) - timedelta(minutes=9)
    engine.observe(
        [{"unit_id": f"n{k}", "kind": "purchase", "item_id": unknown, "time": time} for k in range(CHARTED_EVERY)]
    )
    assert [shown(engine, "a stranger", seed=seed)[0] for seed in range(20)].count(unknown) > 10


def fit(engine: Engine, item: str) -> bool:
    """Whether anybody may be shown it."""
    return bool(shown_to_anybody(engine)[engine.state.place[item]])


def shown_to_anybody(engine: Engine) -> np.ndarray:
    """Items that are sold at the time of the requests here, and fit for who does not say how old they are."""
    catalogue, now = engine.state.catalogue, microseconds(after(a_shop()))
    return (catalogue.released <= now) & (now < catalogue.delisted) & (catalogue.age_rating <= 12)


def test_what_a_stranger_looks_at_changes_their_next_slate():
    engine = Engine.open(a_trained_shop())
    before = engine.recommend(Request("new here", "homepage", after(a_shop()), seed=1))
    for item in engine.state.catalogue.ids[100:110]:
        act(engine, "new here", "view", item)
    then = engine.recommend(Request("new here", "homepage", after(a_shop()), seed=1))
    assert [place.item_id for place in then.places] != [place.item_id for place in before.places]


def test_what_happens_after_a_request_is_not_known_to_it():
    engine, other = Engine.open(a_trained_shop()), Engine.open(a_trained_shop())
    user = engine.state.people.acts.users[5]
    for item in engine.state.catalogue.ids[100:105]:
        act(engine, user, "view", item, time=datetime.now(UTC) + timedelta(days=2))
    assert shown(engine, user) == shown(other, user)


@both
def test_events_of_items_or_kinds_that_the_engine_does_not_know_are_passed_over(shop):
    engine = Engine.open(shop())
    before = shown(engine, "u")
    act(engine, "u", "view", "no such item")
    act(engine, "u", "page_load", engine.state.catalogue.ids[0])
    engine.observe([{"unit_id": "u", "kind": "session", "time": after(a_shop())}])
    assert shown(engine, "u") == before


@both
@pytest.mark.parametrize("place", ["cart", "post_purchase", "wishlist"])
def test_items_that_the_engine_does_not_know_are_passed_over(shop, place):
    engine = Engine.open(shop())
    known = engine.state.catalogue.ids[7]
    assert shown(engine, "u", place, items=("nothing", known)) == shown(engine, "u", place, items=(known,))
    assert len(shown(engine, "u", place, items=("nothing",))) == surface(place).slots


@both
def test_beside_the_cart_stands_what_goes_with_it(shop):
    engine = Engine.open(shop())
    together = engine.state.sources.neighbours.near["together"](np.arange(len(engine.state.catalogue)))[0]
    catalogue = engine.state.catalogue
    may = shown_to_anybody(engine)[np.maximum(together, 0)] & (together >= 0)
    item = int(np.argmax(may.sum(axis=1)))
    slate = engine.recommend(Request("a stranger", "cart", after(a_shop()), (catalogue.ids[item],), seed=1, size=20))
    partner = [place for place in slate.places if place.reason == f"Often bought together with {catalogue.title[item]}"]
    assert partner
    assert {engine.state.place[place.item_id] for place in partner} <= set(together[item].tolist())


def test_a_wished_item_is_cheaper_or_out_and_the_page_says_so(tmp_path):
    workspace = a_tiny_shop(tmp_path)
    cheap = [{"item_id": "i3", "starts": NOW - timedelta(days=1), "ends": NOW + timedelta(days=1), "price": 600}]
    workspace.lake.append("prices", pa.Table.from_pylist(cheap), source="prices")
    slate = Engine.open(workspace).recommend(Request("u", "wishlist", NOW, ("i0", "i3"), seed=1))
    said = {place.item_id: place.reason for place in slate.places}
    assert said["i3"] == "On your wishlist, 40 % off now"
    assert said["i0"] == "On your wishlist, and now in the shop"
    later = Engine.open(workspace).recommend(Request("u", "wishlist", NOW + timedelta(days=60), ("i0", "i3"), seed=1))
    assert {place.reason for place in later.places if place.item_id in ("i0", "i3")} == {"You have it on your list"}


def test_in_a_shop_where_nothing_happened_yet_the_newest_stand_first(tmp_path):
    engine = Engine.open(a_tiny_shop(tmp_path))
    first = [shown(engine, "u", time=NOW, seed=seed)[0] for seed in range(40)]
    assert max(set(first), key=first.count) == "i0"
    assert len(shown(engine, "u", time=NOW)) == 4
    assert shown(engine, "u", time=NOW - timedelta(days=2.5)) in (["i2", "i3"], ["i3", "i2"])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request("u", "hompage", NOW), "surface 'hompage' is not known"),
        (Request("u", "homepage", NOW.replace(tzinfo=None)), "has no time zone"),
        (Request("u", "homepage", NOW, size=0), "size == 0"),
        (Request("u", "cart", NOW, ("i1",) * (MOST_ITEMS + 1)), "at most 200"),
        (Request("u", "homepage", NOW, seed=-1), "seed == -1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(tmp_path, request_, message):
    with pytest.raises(RequestError, match=message):
        Engine.open(a_tiny_shop(tmp_path)).recommend(request_)


def test_another_objective_is_another_policy_from_its_time_on(tmp_path):
    import shutil

    workspace = Workspace.open(shutil.copytree(a_trained_shop().path, tmp_path / "shop"))
    time = after(a_shop())
    before = Engine.open(workspace).recommend(Request("u", "homepage", time, seed=4))
    change(
        workspace.path,
        {"margin": 0.0, "click": 100.0},
        owner="Ann",
        reason="Attention first",
        since=time + timedelta(hours=1),
    )
    engine = Engine.open(workspace)
    assert engine.recommend(Request("u", "homepage", time, seed=4)) == before
    later = [Request("u", "homepage", time + timedelta(hours=2), seed=seed) for seed in range(40)]
    mixed = engine.recommend_batch([before.request, *later])
    assert mixed[0] == before
    assert {slate.policy for slate in mixed[1:]} == {before.policy.replace("objective-1", "objective-2")}

    def clicks(slates) -> float:
        return float(np.mean([place.chances["click"] for slate in slates for place in slate.places]))

    early = engine.recommend_batch([Request("u", "homepage", time, seed=seed) for seed in range(40)])
    assert clicks(mixed[1:]) > clicks(early)


def test_the_registry_says_which_version_serves_and_a_version_without_files_is_refused(tmp_path):
    import shutil

    workspace = Workspace.open(shutil.copytree(a_trained_shop().path, tmp_path / "shop"))
    assert Engine.open(workspace).model == VERSION
    assert Engine.open(a_shop()).model is None
    workspace.registry.save_model(
        MODEL, "gone", artifact="models/engine/gone", metrics={}, card={}, lake_versions={}, code_version="test"
    )
    with pytest.raises(ModelError, match="engine 'gone' has no folder"):
        Engine.open(workspace, version="gone")


def test_a_ranker_of_other_features_is_refused_when_the_engine_opens(tmp_path):
    import shutil

    workspace = Workspace.open(shutil.copytree(a_trained_shop().path, tmp_path / "shop"))
    folder = workspace.path / "models" / "engine" / VERSION / "ranker"
    card = json.loads((folder / "ranker.json").read_text())
    card["features"][3] = "user_luck"
    (folder / "ranker.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=f"engine '{VERSION}' reads other features .* user_luck"):
        Engine.open(workspace)


def test_a_surface_that_the_models_never_saw_is_served():
    import recsys.surfaces.surface as surfaces

    class Corner(surfaces.Surface, name="corner"):
        title, slots, sources = "Corner", 3, {"taste": 20, "popular": 20}

    try:
        assert len(shown(Engine.open(a_trained_shop()), "u", "corner")) == 3
    finally:
        del surfaces._KNOWN["corner"]


def test_a_slate_is_explained_in_words():
    engine = Engine.open(a_trained_shop())
    user = engine.state.people.acts.users[0]
    item = engine.state.catalogue.ids[3]
    slate = engine.recommend(Request(user, "cart", after(a_shop()), (item,), seed=1))
    head, *places = engine.explain(slate)
    assert head.startswith(
        f"Cart for {user}: 6 places, chosen by slates-1-ranked-objective-1 with model {VERSION}, about "
    )
    assert engine.state.catalogue.title[3] in head
    assert len(places) == 6 + len(slate.relaxed)
    title = engine.state.catalogue.title[engine.state.place[slate.places[0].item_id]]
    assert places[0].startswith(f"1. {title}: {slate.places[0].reason}. Expected: ")
    assert "beside 19 others." in places[0]
    nothing = Engine.open(a_shop())
    assert "with no trained model" in nothing.explain(nothing.recommend(Request(user, "cart", after(a_shop()))))[0]


def test_logged_chances_are_those_at_the_place_where_an_item_stands():
    engine = Engine.open(a_trained_shop())
    ranker, time = engine.scoring.ranker, after(a_shop())
    user = engine.state.people.acts.users[2]
    for place in ("homepage", "cart"):
        slate = engine.recommend(Request(user, place, time, seed=1))
        items = np.array([engine.state.place[each.item_id] for each in slate.places])
        when = np.array([round(time.timestamp() * 1e6)])
        features = np.empty((len(items), len(RANKED_BY)), np.float32)
        features[:, :-1] = online_features(engine.store, [user], np.zeros(len(items), int), items, when)
        acts = engine.state.people.histories([engine.state.people.number(user)])
        numbered = np.where(acts[0] >= 0, engine.state.to_encoder[acts[0]], -1)
        vector = engine.state.encoder.user_vectors(numbered, *acts[1:], when, place)
        features[:, -1] = engine.state.vectors[items] @ vector[0]
        where = np.full(len(items), ranker.surface(place))
        expected = ranker.chances(Rows(features, where, np.arange(1, len(items) + 1)))
        told = np.array([[each.chances[outcome] for outcome in OUTCOMES] for each in slate.places])
        assert told == pytest.approx(expected, rel=1e-3)
        first = ranker.chances(Rows(features, where, np.ones(len(items), int)))
        assert told[1:] != pytest.approx(first[1:], rel=1e-3)


def test_what_the_ranker_read_is_kept_and_is_what_training_would_read():
    engine, workspace = Engine.open(a_trained_shop()), a_shop()
    engine.served = ServedLog.of(workspace, 1.0)
    requests = [
        Request(user, "homepage", after(workspace), seed=1) for user in (*engine.state.people.acts.users[:20], "?")
    ]
    shown = sum(len(slate.places) for slate in engine.recommend_batch(requests))
    engine.served.flush()
    found = skew(workspace)
    assert (found.slates, found.rows, found.equal, found.left_out) == (21, shown, shown, 0)


def test_the_policys_name_stands_for_the_rules_and_the_exploration_of_every_surface():
    said = {
        name: (repr(place.rules), repr(place.exploration), dict(place.sources))
        for name, place in known_surfaces().items()
    }
    digest = hashlib.blake2b(repr(sorted(said.items())).encode(), digest_size=6).hexdigest()
    # Logged slates are told apart by the policy's name: whoever changes a surface changes POLICY, and this line.
    assert (POLICY, digest) == ("slates-1", "43100105dff8")
