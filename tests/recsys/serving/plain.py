"""A policy without models that is a policy all the same: draws by popularity, with exact chances, and learns from events."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np

from recsys.slate import Place, Request, Slate
from store import Workspace


class PopularityPolicy:
    """Places are drawn one after another among the items that are left, by their count of events plus one."""

    policy, model = "popularity-1", None

    def __init__(self, items: Sequence[str]) -> None:
        self.items = list(items)
        self.counts = Counter({item: 1 for item in items})
        self.seen: list[Mapping[str, Any]] = []

    @classmethod
    def open(cls, workspace: Workspace) -> "PopularityPolicy":
        opened = cls(workspace.lake.table("items").select("item_id").to_pyarrow()["item_id"].to_pylist())
        opened.observe(workspace.lake.table("events").to_pyarrow().to_pylist())
        return opened

    def recommend(self, request: Request) -> Slate:
        seed = request.seed if request.seed is not None else uuid4().int % 2**53
        rng = np.random.default_rng(seed)
        left, places = [item for item in self.items if item not in request.items], []
        while left and len(places) < (request.size or 12):
            weights = np.array([self.counts[item] for item in left], float)
            chances = weights / weights.sum()
            pick = int(rng.choice(len(left), p=chances))
            score = math.log(weights[pick])
            places.append(Place(left[pick], len(places) + 1, float(chances[pick]), score, len(left), {}, "popular"))
            left.pop(pick)
        return Slate(uuid4().hex, replace(request, seed=seed), self.policy, self.model, tuple(places))

    def observe(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.seen += events
        self.counts.update(event["item_id"] for event in events if event.get("item_id") in self.counts)
