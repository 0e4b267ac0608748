"""What a person is asked about, and what is near them or near an item: how the engine sees both, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import Catalogue
from recsys.engine.engine import Engine
from recsys.errors import RequestError
from recsys.interactions import ACTIONS, microseconds
from recsys.slate import Request, Slate
from recsys.surfaces.surface import Surface, known_surfaces

BOUGHT = ("purchase", "gift")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person did, with the item's title."""

    item_id: str
    title: str
    action: str
    time: datetime


@dataclass(frozen=True, slots=True)
class NearItem:
    """An item with its cosine to what it was looked for."""

    item_id: str
    title: str
    category: str
    publisher: str
    cosine: float


@dataclass(frozen=True, slots=True)
class TitledSlate:
    """A slate with the titles of what it was asked about."""

    surface: str
    title: str
    about: tuple[str, ...]
    slate: Slate


def last_moment(engine: Engine) -> datetime:
    """Just after the last act that the engine knows; now where it knows none."""
    times = engine.state.people.acts.time
    return datetime.fromtimestamp((int(times.max()) + 1_000_000) / 1e6, UTC) if len(times) else datetime.now(UTC)


def some_people(engine: Engine, many: int, seed: int = 0) -> tuple[str, ...]:
    """People with acts, drawn with this seed; fewer where there are fewer."""
    acts = engine.state.people.acts
    active = np.unique(acts.user)
    chosen = np.random.default_rng(seed).permutation(active)[:many]
    return tuple(acts.users[person] for person in chosen.tolist())


def history(engine: Engine, user_id: str, most: int = 100) -> tuple[Act, ...]:
    """What a person did, the latest first; empty for somebody whom nobody has seen."""
    state = engine.state
    items, actions, times = state.people.histories([state.people.number(user_id)], most)
    rows = zip(items[0].tolist(), actions[0].tolist(), times[0].tolist(), strict=True)
    return tuple(
        Act(
            state.catalogue.ids[item],
            state.catalogue.title[item],
            ACTIONS[action],
            datetime.fromtimestamp(time / 1e6, UTC),
        )
        for item, action, time in reversed(list(rows))
        if item >= 0
    )


def on_every_surface(
    engine: Engine, user_id: str, at: datetime, seed: int, most: int | None = None
) -> tuple[TitledSlate, ...]:
    """The first `most` places of what each surface would show this person, the homepage first.

    Surfaces that are about items are asked about the latest that suit them, and left out where there are none.
    """
    past = history(engine, user_id)
    known = known_surfaces()
    asked = {
        name: _about(known[name], past) for name in sorted(known, key=lambda name: (bool(known[name].about), name))
    }
    names = [name for name in asked if asked[name] or not known[name].about]
    requests = [
        Request(
            user_id,
            name,
            at,
            tuple(act.item_id for act in asked[name]),
            size=None if most is None else min(most, known[name].slots),
            seed=seed,
        )
        for name in names
    ]
    slates = engine.recommend_batch(requests)
    return tuple(
        TitledSlate(name, known[name].title, tuple(act.title for act in asked[name]), slate)
        for name, slate in zip(names, slates, strict=True)
    )


def near_item(engine: Engine, item_id: str, most: int = 10) -> tuple[NearItem, ...]:
    """The items whose vectors are nearest; empty without an encoder.

    Raises:
        RequestError: if the catalogue has no such item.
    """
    state = engine.state
    if item_id not in state.place:
        raise RequestError(f"item {item_id!r} is not in the catalogue of {len(state.catalogue):,} items.")
    if state.vectors is None:
        return ()
    found = _nearest(state.catalogue, state.vectors, state.vectors[state.place[item_id]], most + 1)
    return tuple(near for near in found if near.item_id != item_id)[:most]


def near_person(engine: Engine, user_id: str, at: datetime, most: int = 10) -> tuple[NearItem, ...]:
    """The items nearest to where a person's acts have led them, what they did included; empty without an encoder."""
    state = engine.state
    if state.vectors is None:
        return ()
    now = np.array([microseconds(at)])
    found = state.user_vectors(*state.people.histories([state.people.number(user_id)]), now, "any")
    return () if found is None else _nearest(state.catalogue, state.vectors, found[0], most)


def titles(engine: Engine, item_ids: Sequence[str]) -> dict[str, str]:
    """Titles by id; an item without one goes by its id."""
    state = engine.state
    return {item: state.catalogue.title[state.place[item]] or item for item in item_ids if item in state.place}


def _nearest(
    catalogue: Catalogue, vectors: NDArray[np.float32], vector: NDArray[np.float32], most: int
) -> tuple[NearItem, ...]:
    cosine = np.where(vectors.any(axis=1), vectors @ vector, -np.inf)
    best = np.argsort(-cosine, kind="stable")[:most]
    return tuple(
        NearItem(catalogue.ids[k], catalogue.title[k], catalogue.category[k], catalogue.publisher[k], float(cosine[k]))
        for k in best.tolist()
        if np.isfinite(cosine[k])
    )


def _about(surface: type[Surface], past: Sequence[Act]) -> tuple[Act, ...]:
    """The latest acts of the kind that the surface is about, each item once; a wishlist or cart without what was
    bought since."""
    gone: set[str] = set()
    found: dict[str, Act] = {}
    for act in past:
        if act.action in BOUGHT and act.action not in surface.about:
            gone.add(act.item_id)
        if act.action in surface.about and act.item_id not in gone:
            found.setdefault(act.item_id, act)
    return tuple(found.values())[: surface.most_about]
