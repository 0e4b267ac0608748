"""The engine as the Recommender page asks it: opened when the page is first opened, and again when facts change."""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import source
from recsys.engine import MODEL

if TYPE_CHECKING:
    from recsys.engine.engine import Engine
    from recsys.engine.portrait import Act, NearItem, TitledSlate

# Of each surface so many places are shown; a shorter slate is the beginning of a longer one.
PLACES = 8


@dataclass(frozen=True, slots=True)
class Opened:
    """An engine, which answers one visitor at a time."""

    engine: "Engine"
    lock: threading.Lock


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the page shows of one person.

    Attributes:
        at: the moment that the slates are of: just after the last act that the engine knows.
        past: the latest acts first.
        near: items near the person; empty without an encoder.
    """

    person: str
    at: datetime
    model: str | None
    slates: "tuple[TitledSlate, ...]"
    past: "tuple[Act, ...]"
    near: "tuple[NearItem, ...]"
    titles: dict[str, str]


def items() -> int:
    """How many items the engine's catalogue has."""
    return len(_engine().engine.state.catalogue)


def people(seed: int) -> tuple[str, ...]:
    """Some people with acts."""
    from recsys.engine.portrait import some_people

    return some_people(_engine().engine, 1, seed)


def seen(person: str, draw: int) -> Seen:
    """What the surfaces would show this person, drawn with this seed.

    Raises:
        store.StoreError: if the version that serves is broken, or the request is not possible.
    """
    from recsys.engine import portrait

    opened = _engine()
    with opened.lock:
        engine = opened.engine
        at = portrait.last_moment(engine)
        slates = portrait.on_every_surface(engine, person, at, draw, PLACES)
        shown = [place.item_id for each in slates for place in each.slate.places]
        past = portrait.history(engine, person, 12)
        near = portrait.near_person(engine, person, at) if past else ()
        titles = portrait.titles(engine, [*shown, *(act.item_id for act in past), *(each.item_id for each in near)])
        return Seen(person, at, engine.model, slates, past, near, titles)


def near(item: str) -> "tuple[NearItem, ...]":
    """The items nearest to one in the encoder's space; empty without an encoder."""
    from recsys.engine.portrait import near_item

    return near_item(_engine().engine, item)


def _engine() -> Opened:
    here = source.workspace()
    serving = here.registry.serving_model(MODEL)
    return _open(str(here.path), serving.version if serving else None, tuple(sorted(here.lake.versions().items())))


@st.cache_resource(show_spinner=False, max_entries=1)
def _open(path: str, version: str | None, facts: tuple[tuple[str, int], ...]) -> Opened:
    from recsys.engine.engine import Engine

    return Opened(Engine.open(source.workspace()), threading.Lock())
