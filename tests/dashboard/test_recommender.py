"""The Recommender page shows what the engine says, of anybody; torch is not needed for it."""

import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest

from dashboard.parts import slate as parts
from recsys.engine import portrait
from recsys.engine.engine import Engine
from tests.dashboard import opening
from tests.dashboard.opening import words_of
from tests.recsys.engine.workspaces import a_shop, a_trained_shop

both = pytest.mark.parametrize("shop", [a_shop, a_trained_shop], ids=["plain", "trained"])


opened = partial(opening.opened, "recommender")


@both
def test_the_page_shows_every_surface_of_the_person_in_its_address(shop, monkeypatch):
    engine = Engine.open(shop())
    person = portrait.some_people(engine, 1)[0]
    test = opened(shop(), monkeypatch, person=person, draw="3")
    assert not test.exception
    assert test.text_input[0].value == person and test.number_input[0].value == 3
    titles = [each.value for each in test.header]
    at = portrait.last_moment(engine)
    expected = [each.title for each in portrait.on_every_surface(engine, person, at, 3)]
    assert titles == [*expected, "What this person did", "What is most alike"]
    assert any(person in each.value for each in test.caption)


@both
def test_somebody_whom_nobody_knows_is_shown_something_and_told_so(shop, monkeypatch):
    test = opened(shop(), monkeypatch, person="<b>nobody</b>", item="no such item")
    assert not test.exception
    assert [each.value for each in test.header] == ["Homepage", "What is most alike"]
    assert any("Nothing is known of what this person did" in each.value for each in test.info)
    assert any(each.value.startswith("Cart, After purchase and Wishlist: nothing") for each in test.caption)
    assert any("'no such item' is not in the catalogue" in each.value for each in test.info)


def test_a_slate_on_the_page_is_the_engines_own(monkeypatch):
    engine = Engine.open(a_trained_shop())
    person = portrait.some_people(engine, 1)[0]
    home = portrait.on_every_surface(engine, person, portrait.last_moment(engine), 7, 8)[0]
    titles = portrait.titles(engine, [place.item_id for place in home.slate.places])
    said = words_of(parts.slate(home, titles))
    assert len(home.slate.places) == 8
    for place in home.slate.places:
        assert titles[place.item_id] in said and place.reason in said
    assert home.slate.policy in said and "Chance of a click" in said
    # As many for each place, so said once.
    many = {place.candidates for place in home.slate.places}
    assert len(many) == 1 and said.count(f"drawn from {many.pop():,} items") == 1


def test_a_rule_that_gave_way_is_told_in_words():
    engine = Engine.open(a_shop())
    home = portrait.on_every_surface(engine, "nobody", portrait.last_moment(engine), 1, 2)[0]
    assert "gave way" not in parts.slate(home, {})
    relaxed = replace(home, slate=replace(home.slate, relaxed=("row",)))
    assert "A rule gave way: a publisher stands in more than one row." in words_of(parts.slate(relaxed, {}))


def test_text_from_the_catalogue_cannot_become_markup():
    near = portrait.NearItem("i1", "<script>", "<b>", "p", 0.5)
    assert "<script>" not in parts.near([near]) and "&lt;script&gt;" in parts.near([near])


def test_opening_the_dashboards_pages_loads_no_torch():
    code = (
        "import sys, importlib\n"
        "for name in ('evaluating', 'recommending', 'parts.policy', 'parts.model', 'parts.slate'):\n"
        "    importlib.import_module('dashboard.' + name)\n"
        "print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=opening.APP.parents[1]
    )
    assert done.stdout.split() == ["False", "False"]
