"""The engine: one request or thousands, the same code, from facts to slates with exact propensities."""

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from recsys.engine import MODEL
from recsys.engine.answer import Answer, slate_id
from recsys.engine.aside import Aside
from recsys.engine.bundle import RANKER, Bundle
from recsys.engine.charts import Charts
from recsys.engine.online import kept_store, opened_store
from recsys.engine.scoring import RANKED_BY, Scored, Scoring, view_of
from recsys.engine.sources import Asked, Found, first_of, places_of
from recsys.engine.state import State, left_padded
from recsys.engine.words import told
from recsys.errors import ModelError, RequestError
from recsys.features.online import Acts, OnlineStore
from recsys.features.served import ServedLog
from recsys.interactions import microseconds
from recsys.settings import ServingSettings
from recsys.slate import Request, Slate
from recsys.slates.candidates import Candidates, Composed
from recsys.slates.composer import compose
from recsys.surfaces.surface import POLICY, Surface, View, surface

if TYPE_CHECKING:
    from store import Workspace

# Requests that are answered at once: memory stays bounded and arrays stay in the cache.
BATCH = 256
# Candidates that are ranked of each request.
RANKED = 300
MOST_ITEMS = 200
# After so many acts the charts are counted again.
CHARTED_EVERY = 2_000


class Engine:
    """Answers requests from what was trained, and from charts where nothing was. One thread at a time."""

    def __init__(self, state: State, store: OnlineStore | None, *, ranked: int = RANKED) -> None:
        self.state, self.store, self.ranked = state, store, ranked
        self._uncharted = 0
        # Where charts are counted beside the requests; without, at once, so that the same events give the same slates.
        self.aside: Aside[Charts] | None = None
        # Where what the ranker read is kept, of a share of the slates.
        self.served: ServedLog | None = None

    @classmethod
    def open(cls, workspace: "Workspace | Path | str", *, version: str | None = None, ranked: int = RANKED) -> Self:
        """The engine of a workspace with the version that the registry says serves, or with none.

        Args:
            version: another version of the registry.
            ranked: candidates that are ranked of each request, at most.

        Raises:
            ModelError: if the version's files are missing or broken.
        """
        from store import Workspace

        where = workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
        # The facts as they are now, for all that is read of them: imports go on meanwhile.
        facts = where.at(where.lake.versions())
        bundle = _bundle(facts, version)
        state = State.read(facts, bundle, microseconds(datetime.now(UTC)))
        store = opened_store(facts, state.catalogue) if bundle.ranker is not None else None
        engine = cls(state, store, ranked=ranked)
        if store is not None:
            engine.served = ServedLog.of(where, ServingSettings.read(where.settings.serving).log_features)
        return engine

    @property
    def scoring(self) -> Scoring:
        """With the state as it is now."""
        return Scoring(self.state, self.store)

    @property
    def model(self) -> str | None:
        """Version of what was trained, None where nothing was."""
        return self.state.bundle.version

    @property
    def policy(self) -> str:
        """Version of the policy that holds now: how slates are made, and the objective's number."""
        return self._policy(datetime.now(UTC))

    def recommend(self, request: Request) -> Slate:
        """One slate.

        Raises:
            RequestError: if the surface is not known, the size not possible, or the time has no zone.
        """
        return self.recommend_batch([request])[0]

    def recommend_batch(self, requests: Sequence[Request]) -> list[Slate]:
        """A slate for each request, in their order.

        Each is the slate that it would get alone; with a trained engine up to the rounding of float32 products, which
        depends on the size of a batch: propensities then agree to about 1e-5.
        """
        self._take_charts()
        groups: dict[tuple[str, int, int], list[int]] = defaultdict(list)
        for at, request in enumerate(requests):
            name, size = self._checked(request)
            groups[name, size, self.state.objectives.at(request.time).number].append(at)
        slates: dict[int, Slate] = {}
        for (name, size, _), places in groups.items():
            for start in range(0, len(places), BATCH):
                part = places[start : start + BATCH]
                made = self._answer(surface(name), size, [requests[at] for at in part])
                slates.update(zip(part, made, strict=True))
        return [slates[at] for at in range(len(requests))]

    def observe(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Take note of rows of the table events; the next response knows them. Unknown items are passed over."""
        for event in events:
            item = self.state.place.get(event.get("item_id") or "", -1)
            if item >= 0:
                self.state.people.observe(event, item)
                self._uncharted += 1
        if self._uncharted >= CHARTED_EVERY:
            self._chart()
        if self.store is not None:
            self.store.observe(Acts.of_events(events, self.state.catalogue, self.state.place))

    def explain(self, slate: Slate) -> tuple[str, ...]:
        """The slate in words: one sentence on it, one on each place, one on each rule that gave way."""
        state = self.state
        items = {place.item_id for place in slate.places} | set(slate.request.items)
        return told(slate, {item: state.catalogue.title[state.place[item]] for item in items if item in state.place})

    def _chart(self) -> None:
        if self.aside is not None and self.aside.busy:
            return
        self._uncharted = 0
        count = self.state.charting()
        if count is None:
            return
        if self.aside is None:
            self.state = self.state.charted(count())
        else:
            self.aside.begin(count)

    def _take_charts(self) -> None:
        if self.aside is not None and (charts := self.aside.take()) is not None:
            self.state = self.state.charted(charts)

    def _checked(self, request: Request) -> tuple[str, int]:
        if request.time.tzinfo is None:
            raise RequestError(f"time == {request.time}, which has no time zone. Give an aware time, such as UTC.")
        if len(request.items) > MOST_ITEMS:
            raise RequestError(f"{len(request.items):,} items, at most {MOST_ITEMS} may be named. Name the latest.")
        if request.seed is not None and not 0 <= request.seed < 2**64:
            raise RequestError(f"seed == {request.seed}, must be a whole number from 0 to 2**64 - 1.")
        return request.surface, surface(request.surface).size(request.size)

    def _answer(self, surface: Surface, size: int, requests: Sequence[Request]) -> list[Slate]:
        state, policy = self.state, self._policy(requests[0].time)
        requests = [one if one.seed is not None else replace(one, seed=secrets.randbits(53)) for one in requests]
        if not len(state.catalogue):
            return [Slate(slate_id(request), request, policy, self.model, ()) for request in requests]
        people = [state.people.number(request.user_id) for request in requests]
        asked = self._asked(surface, requests, people)
        found, view = self._candidates(surface, asked, people)
        users = [request.user_id for request in requests]
        objective = state.objectives.at(requests[0].time)
        scored = self.scoring.score(surface, users, asked, found, view, objective)
        composed = self._composed(surface, size, found, view, scored, [_seed(request) for request in requests])
        answer = Answer(surface, requests, asked, found, view, scored, composed)
        slates = answer.slates(state.catalogue, self.scoring.ranker, policy=policy, model=self.model)
        if self.served is not None:
            answer.keep(slates, self.served)
        return slates

    def _asked(self, surface: Surface, requests: Sequence[Request], people: Sequence[int]) -> Asked:
        state = self.state
        time = np.array([microseconds(request.time) for request in requests], np.int64)
        known = [[at for item in request.items if (at := state.place.get(item, -1)) >= 0] for request in requests]
        items, actions, times = state.people.histories(people)
        # What lies after the request is not known yet; it stays in the past of later ones.
        items = np.where(times < time[:, None], items, -1)
        if state.encoder is not None:
            items, actions, times = left_padded(items, actions, times)
        vectors = state.user_vectors(items, actions, times, time, surface.name)
        friends = (
            state.people.of_friends(people, most) if (most := surface.sources.get("friends", 0)) else [[]] * len(people)
        )
        segments = state.people.segments_of(people)
        return Asked(places_of(known), items, vectors, segments, time, places_of(friends))

    def _candidates(self, surface: Surface, asked: Asked, people: Sequence[int]) -> tuple[Found, View]:
        state = self.state
        owned, ages = state.people.owned_keys(people, len(state.catalogue)), state.people.ages(people)
        found = state.sources.find(asked, surface.sources)
        view = view_of(state, asked, found, owned, ages)
        ranked = first_of(surface.eligible(view), self.ranked)
        return found.take(ranked), view.take(ranked)

    def _composed(
        self, surface: Surface, size: int, found: Found, view: View, scored: Scored, seeds: Sequence[int]
    ) -> Composed:
        state, item = self.state, np.maximum(found.item, 0)
        worth = surface.worth(view)
        candidates = Candidates(
            value=np.where(scored.value > 0, scored.value * worth, scored.value / worth),
            eligible=found.item >= 0,
            publisher=state.publisher[item],
            first_party=state.catalogue.first_party[item],
            vectors=scored.vectors,
        )
        return compose(candidates, surface.rules, surface.exploration, size=size, seeds=np.array(seeds, np.uint64))

    def _policy(self, time: datetime) -> str:
        kind = "charts" if self.scoring.ranker is None else "ranked"
        return f"{POLICY}-{kind}-objective-{self.state.objectives.at(time).number}"


def _bundle(workspace: "Workspace", version: str | None) -> Bundle:
    record = workspace.registry.model(MODEL, version) if version else workspace.registry.serving_model(MODEL)
    if record is None:
        return Bundle()
    if (workspace.path / record.artifact / RANKER).is_dir():
        kept_store(workspace)
    bundle = Bundle.load(workspace.path / record.artifact, record.version, record.card.get("made_of", ()))
    if bundle.ranker is not None and bundle.ranker.features != RANKED_BY:
        differ = sorted(set(bundle.ranker.features) ^ set(RANKED_BY)) or ["their order"]
        raise ModelError(
            f"the ranker of engine {record.version!r} reads other features than this Holdout makes: "
            f"{', '.join(differ[:5])}. Train again: holdout train."
        )
    return bundle


def _seed(request: Request) -> int:
    return request.seed or 0
