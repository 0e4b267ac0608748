"""What every surface must keep: a new file in recsys/surfaces is tested the day it is added."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recsys.engine.engine import Engine
from recsys.errors import EngineError, RequestError
from recsys.slate import OUTCOMES, Request, Slate
from recsys.slates.candidates import Candidates
from recsys.slates.composer import compose
from recsys.surfaces.surface import SOURCES, Surface, View, Why, known_surfaces, surface
from tests.recsys.engine.workspaces import a_shop, a_trained_shop, after, an_empty_workspace

every = pytest.mark.parametrize("name", known_surfaces())
trained_or_not = pytest.mark.parametrize("shop", [a_shop, a_trained_shop], ids=["plain", "trained"])


@pytest.fixture(scope="module")
def engines() -> dict[object, Engine]:
    return {shop: Engine.open(shop()) for shop in (a_shop, a_trained_shop)}


def requests_of(engine: Engine, name: str, count: int = 60) -> list[Request]:
    """Of people who did much, of one whom nobody knows, with and without items."""
    users, items = engine.state.people.acts.users, engine.state.catalogue.ids
    time = after(a_shop())
    known = [Request(users[k], name, time, items[k : k + k % 4], seed=k) for k in range(count - 1)]
    return [*known, Request("a stranger", name, time, seed=7)]


def kept_rules(engine: Engine, slate: Slate) -> None:
    place, catalogue = surface(slate.request.surface), engine.state.catalogue
    item = np.array([engine.state.place[each.item_id] for each in slate.places])
    third = ~catalogue.first_party[item]
    for k in range(len(item)):
        if "party" not in slate.relaxed:
            assert (~third[: k + 1]).sum() >= int(place.rules.first_party * (k + 1) + 1e-9)
            assert third[: k + 1].sum() >= int(place.rules.third_party * (k + 1) + 1e-9)
    publishers = [catalogue.publisher[k] for k in item[third]]
    if "publisher" not in slate.relaxed and publishers:
        assert max(map(publishers.count, publishers)) <= place.rules.per_publisher


def alike(one: Slate, other: Slate) -> bool:
    """The same items with the same propensities, up to rounding of float32."""
    same = [place.item_id for place in one.places] == [place.item_id for place in other.places]
    chances = ([place.propensity for place in slate.places] for slate in (one, other))
    return same and np.allclose(*chances, rtol=1e-3)


@every
@trained_or_not
def test_it_fills_and_never_repeats_an_item_and_keeps_its_caps_and_quotas(engines, name, shop):
    for slate in engines[shop].recommend_batch(requests_of(engines[shop], name)):
        ids = [place.item_id for place in slate.places]
        assert len(ids) == surface(name).slots
        assert len(set(ids)) == len(ids)
        assert [place.position for place in slate.places] == list(range(1, len(ids) + 1))
        kept_rules(engines[shop], slate)


@every
@trained_or_not
def test_nobody_is_shown_what_they_own_what_is_not_for_sale_or_what_they_are_too_young_for(engines, name, shop):
    engine = engines[shop]
    catalogue, people = engine.state.catalogue, engine.state.people
    for slate in engine.recommend_batch(requests_of(engine, name)):
        person = people.number(slate.request.user_id)
        time = round(slate.request.time.timestamp() * 1_000_000)
        owned = set(people.owned_keys([person], len(catalogue)).tolist())
        age = int(people.ages([person])[0])
        for place in slate.places:
            item = engine.state.place[place.item_id]
            assert item not in owned
            assert catalogue.released[item] <= time < catalogue.delisted[item]
            assert catalogue.age_rating[item] <= (12 if age < 0 else age)
            if name != "wishlist":
                assert place.item_id not in slate.request.items


@every
@trained_or_not
def test_propensities_are_exact_and_have_a_floor_and_reasons_are_words(engines, name, shop):
    place = surface(name)
    for slate in engines[shop].recommend_batch(requests_of(engines[shop], name)):
        for shown in slate.places:
            assert place.exploration.floor * (1 - 1e-9) <= shown.propensity <= 1
            assert 1 <= shown.candidates <= place.exploration.top
            assert shown.reason and "{" not in shown.reason
            assert set(shown.chances) == (set() if shop is a_shop else set(OUTCOMES))
            assert all(0 < chance < 1 for chance in shown.chances.values())


@every
def test_propensities_sum_to_one_over_what_could_have_stood_there(name):
    rng = np.random.default_rng(1)
    place, shape = surface(name), (50, 80)
    candidates = Candidates(
        rng.lognormal(size=shape), rng.random(shape) < 0.8, rng.integers(0, 20, shape), rng.random(shape) < 0.2
    )
    made = compose(
        candidates,
        place.rules,
        place.exploration,
        size=place.slots,
        seeds=np.arange(50, dtype=np.uint64),
        keep_chances=True,
    )
    assert made.chances.sum(axis=2)[made.chosen >= 0] == pytest.approx(1)
    assert ((made.chances > 0).sum(axis=2) == made.candidates).all()


@every
@trained_or_not
def test_a_logged_context_with_its_seed_gives_the_logged_slate_alone_as_among_others(engines, name, shop):
    engine = engines[shop]
    logged = engine.recommend_batch(requests_of(engine, name))
    assert engine.recommend_batch([slate.request for slate in logged]) == logged
    alone = [engine.recommend(slate.request) for slate in logged[::7]]
    assert [engine.recommend(slate.request) for slate in alone] == alone
    if shop is a_shop:
        assert alone == logged[::7]
    # Float32 products of matrices round by the size of the batch: a draw at the very edge may fall otherwise.
    assert sum(not alike(*pair) for pair in zip(alone, logged[::7], strict=True)) <= 1


@every
@trained_or_not
def test_a_request_without_a_seed_gets_one_that_repeats_its_slate(engines, name, shop):
    engine = engines[shop]
    user = engine.state.people.acts.users[3]
    slate = engine.recommend(Request(user, name, after(a_shop())))
    assert slate.request.seed is not None
    assert engine.recommend(slate.request) == slate


@every
def test_it_fills_with_an_empty_model_and_an_empty_catalogue_gives_an_empty_slate(tmp_path, name):
    engine = Engine.open(an_empty_workspace(tmp_path))
    slate = engine.recommend(Request("u1", name, datetime(2026, 5, 1, tzinfo=UTC), items=("i1",)))
    assert slate.places == () and slate.model is None


@every
def test_a_size_that_is_not_possible_is_refused(engines, name):
    time = after(a_shop())
    assert len(engines[a_shop].recommend(Request("u", name, time, size=3)).places) == 3
    for size in (0, -1, surface(name).most + 1):
        with pytest.raises(RequestError, match=f"size == {size}, must be 1 to {surface(name).most}"):
            engines[a_shop].recommend(Request("u", name, time, size=size))


@every
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("partner", ["", "Some {game}"])
def test_every_reason_is_one_short_sentence(name, source, partner):
    for why in (
        Why(source, partner),
        Why(source, partner, 500, 1000, 3.0),
        Why(source, partner, 1000, 1000, 300.0, friends=2),
        Why(source, partner, friends=1),
    ):
        said = surface(name).reason(why)
        assert 5 < len(said) < 80 and not said.endswith(".") and "{partner}" not in said


@every
def test_its_worth_is_above_zero_and_what_is_not_for_sale_is_not_eligible(name):
    rng, shape = np.random.default_rng(2), (20, 30)
    flags = [rng.random(shape) < 0.5 for _ in range(4)]
    view = View(*flags, rng.integers(-1, 900, shape), rng.integers(-1, 900, shape), rng.uniform(0, 99, shape))
    assert (surface(name).worth(view) > 0).all()
    assert not (surface(name).eligible(view) & (~view.for_sale | ~view.of_age | view.owned)).any()


def test_a_name_that_nobody_defined_is_refused_with_those_that_there_are():
    with pytest.raises(
        RequestError, match=r"surface 'hompage' is not known. Known: cart, homepage, .* Did you mean 'homepage'"
    ):
        surface("hompage")


def test_a_surface_without_a_fallback_is_refused_when_it_is_defined():
    with pytest.raises(EngineError, match="sources"):

        class Bare(Surface, name="bare"):
            sources = {"taste": 10}  # noqa: RUF012


@pytest.mark.parametrize(("about", "most"), [(("buy",), 3), (("cart",), 0), ((), 3)])
def test_a_surface_about_unknown_acts_or_about_no_number_of_items_is_refused(about, most):
    chosen = about, most
    with pytest.raises(EngineError, match="is about"):

        class Odd(Surface, name="odd"):
            sources = {"popular": 10}  # noqa: RUF012
            about, most_about = chosen


def test_the_price_and_the_return_of_a_wished_item_are_its_moments():
    wishlist = surface("wishlist")
    assert wishlist.reason(Why("asked", price=750, list_price=1000)) == "On your wishlist, 25 % off now"
    assert (
        wishlist.reason(Why("asked", price=1000, list_price=1000, days_out=2))
        == "On your wishlist, and now in the shop"
    )
    assert wishlist.reason(Why("asked", price=1000, list_price=1000, days_out=90)) == "You have it on your list"
    one = np.ones((1, 3), bool)
    view = View(
        one, one, ~one, one, np.array([[500, 1000, 1000]]), np.full((1, 3), 1000), np.array([[90.0, 2.0, 90.0]])
    )
    assert wishlist.worth(view).tolist() == [[3.0, 4.0, 2.0]]
