"""An engine as the policy: a day's visits become requests, its slates arrays; the same code as for live requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recsys.errors import ModelError
from recsys.slate import OUTCOMES, Request, Slate
from recsys.world.draws import Draws, Ints
from recsys.world.log import Names
from recsys.world.policy import SIZES, Requests, ShownSlates

if TYPE_CHECKING:
    import pyarrow as pa


class BatchRecommender(Protocol):
    """What the shop needs of an engine."""

    def recommend_batch(self, requests: Sequence[Request]) -> list[Slate]: ...

    def observe(self, events: Sequence[Mapping[str, Any]]) -> None: ...


@dataclass(slots=True)
class EnginePolicy:
    """An engine as a policy. A request's seed is the shop's random number, so that a day can be served again.

    Slates are logged under the shop's own names for them, not those of the engine.
    """

    engine: BatchRecommender
    names: Names
    draws: Draws

    def show(self, ask: Requests) -> ShownSlates:
        """Ask the engine for all slates of the day on this surface at once, of as many places as any policy has.

        Raises:
            ModelError: if it answers another number of slates, or with an item that the shop does not have.
        """
        slates = self.engine.recommend_batch(self._requests(ask))
        if len(slates) != len(ask.person):
            raise ModelError(f"{len(slates)} slates for {len(ask.person)} requests; expected one for each, in order.")
        return self._shown(slates)

    def learn(self, tables: Mapping[str, "pa.Table"]) -> None:
        """Tell the engine the events of the day, in order of time."""
        if "events" in tables:
            self.engine.observe(tables["events"].to_pylist())

    def _requests(self, ask: Requests) -> list[Request]:
        people, items = self.names.people, self.names.items
        ids = people.take(_places(ask.person)).to_pylist()
        about = items.take(_places(ask.about_item)).to_pylist()
        edges = np.searchsorted(ask.about_row, np.arange(len(ids) + 1)).tolist()
        seeds = (self.draws.uniform(f"{ask.surface} seed", ask.day, ask.person) * 2**53).astype(np.int64).tolist()
        seconds = ask.second.tolist()
        return [
            Request(
                user_id=user,
                surface=ask.surface,
                time=self.names.calendar.at(seconds[k]),
                items=tuple(about[edges[k] : edges[k + 1]]),
                size=SIZES[ask.surface],
                seed=seeds[k],
            )
            for k, user in enumerate(ids)
        ]

    def _shown(self, slates: Sequence[Slate]) -> ShownSlates:
        shape = len(slates), max((len(slate.places) for slate in slates), default=0)
        known = {name: k for k, name in enumerate(self.names.items.to_pylist())}
        item, candidates = np.full(shape, -1), np.zeros(shape, np.int64)
        propensity, score = np.zeros(shape), np.full(shape, np.nan)
        chances, reason = np.full((*shape, len(OUTCOMES)), np.nan), np.full(shape, "", object)
        for row, slate in enumerate(slates):
            for column, place in enumerate(slate.places):
                if place.item_id not in known:
                    raise ModelError(
                        f"the engine shows {place.item_id!r}, which is no item of the shop; train it anew."
                    )
                item[row, column], candidates[row, column] = known[place.item_id], place.candidates
                propensity[row, column], score[row, column] = place.propensity, place.score
                reason[row, column] = place.reason
                for k, outcome in enumerate(OUTCOMES):
                    chances[row, column, k] = place.chances.get(outcome, np.nan)
        policy, model = (slates[0].policy, slates[0].model) if slates else ("", None)
        return ShownSlates(policy, item, propensity, candidates, model, score, chances, reason)


def _places(places: Ints) -> "pa.Array":
    import pyarrow as pa

    return pa.array(places)
