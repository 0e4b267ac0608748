"""What people read of a person is what the engine knows and would answer."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.engine import portrait
from recsys.engine.engine import Engine
from recsys.errors import RequestError
from recsys.interactions import ACTIONS
from recsys.slate import Request
from recsys.surfaces.surface import surface
from tests.recsys.engine.workspaces import a_shop, a_trained_shop


@pytest.fixture(scope="module")
def engine():
    return Engine.open(a_trained_shop())


def test_slates_are_the_beginnings_of_those_that_the_engine_answers(engine):
    person = portrait.some_people(engine, 3)[2]
    at = portrait.last_moment(engine)
    for shown in portrait.on_every_surface(engine, person, at, 5, 4):
        whole = engine.recommend(Request(person, shown.surface, at, shown.slate.request.items, seed=5))
        assert [place.item_id for place in shown.slate.places] == [place.item_id for place in whole.places[:4]]


def test_surfaces_are_asked_about_what_the_person_did_last_and_has_not_bought_since(engine):
    acts = engine.state.people.acts
    for person in portrait.some_people(engine, 20):
        past = portrait.history(engine, person)
        bought = {act.item_id for act in past if act.action in ("purchase", "gift")}
        for shown in portrait.on_every_surface(engine, person, portrait.last_moment(engine), 1, 2):
            asked = set(shown.slate.request.items)
            kinds = {act.item_id for act in past if act.action in surface(shown.surface).about}
            assert asked <= kinds and len(asked) == len(shown.about)
            assert shown.surface == "post_purchase" or not asked & bought or _acted_again(past, asked & bought)
    assert len(acts) > 0


def _acted_again(past, items):
    """Whether each of the items was acted on after it was last bought."""
    latest = {}
    for act in past:
        latest.setdefault(act.item_id, act.action)
    return all(latest[item] not in ("purchase", "gift") for item in items)


def test_the_nearest_items_are_those_of_a_plain_search(engine):
    vectors, ids = engine.state.vectors, engine.state.catalogue.ids
    for item in ids[:5]:
        found = portrait.near_item(engine, item, 4)
        cosine = {other: float(np.dot(vectors[k], vectors[ids.index(item)])) for k, other in enumerate(ids)}
        best = sorted((-value, other) for other, value in cosine.items() if other != item)[:4]
        assert [each.cosine for each in found] == pytest.approx([-value for value, _ in best], abs=1e-6)
        assert item not in {each.item_id for each in found}


def test_an_act_on_an_item_that_the_encoder_knows_nothing_of_is_passed_over(engine):
    at, state = portrait.last_moment(engine), engine.state
    pasts = {person: portrait.history(engine, person) for person in portrait.some_people(engine, 50)}
    person, past = next((who, did) for who, did in pasts.items() if did[0].item_id != did[-1].item_id)
    gone = state.place[past[0].item_id]
    to_encoder = np.where(np.arange(len(state.catalogue)) == gone, -1, state.to_encoder)
    other = Engine(replace(state, to_encoder=to_encoder), engine.store)
    kept = [act for act in reversed(past) if state.place[act.item_id] != gone]
    items = np.array([[state.place[act.item_id] for act in kept]])
    actions = np.array([[ACTIONS.index(act.action) for act in kept]])
    times = np.array([[round(act.time.timestamp() * 1e6) for act in kept]])
    vector = state.encoder.user_vectors(items, actions, times, int(at.timestamp() * 1_000_000))[0]
    found = portrait.near_person(other, person, at, 5)
    assert 0 < len(kept) < len(past)
    assert [each.cosine for each in found] == pytest.approx(np.sort(state.vectors @ vector)[::-1][:5], abs=1e-6)


def test_without_an_encoder_nothing_is_near_and_an_unknown_item_is_named():
    plain = Engine.open(a_shop())
    person = portrait.some_people(plain, 1)[0]
    assert portrait.near_item(plain, plain.state.catalogue.ids[0]) == ()
    assert portrait.near_person(plain, person, portrait.last_moment(plain)) == ()
    with pytest.raises(RequestError, match="'nothing' is not in the catalogue"):
        portrait.near_item(plain, "nothing")
    assert portrait.history(plain, "nobody") == ()
