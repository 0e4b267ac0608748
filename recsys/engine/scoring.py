"""What each candidate is worth: chances from the ranker where there is one, charts and taste where there is none."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.engine.sources import SOURCE_NAMES, Asked, Found
from recsys.engine.state import State
from recsys.features.definitions import NAMES
from recsys.features.online import OnlineStore, online_features
from recsys.interactions import DAY
from recsys.prices import ALWAYS
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import RankerError, Rows
from recsys.slate import OUTCOMES
from recsys.slates.objective import Objective, Worth
from recsys.surfaces.surface import Surface, View

Floats = NDArray[np.float64]
# What the ranker reads: the features, and the cosine of the person's and the item's vectors.
RANKED_BY = (*NAMES, "taste")
FRIENDS = NAMES.index("pair_friends_own")
ACTS_WITH_PUBLISHER = NAMES.index("pair_publisher_acts")
# Days after which an item is half as new as on its first.
NEWNESS = 14.0
# Without a ranker: how much newness and a source count beside the charts, which lie in [0, 1].
NEW = 0.1
PLAIN = {"asked": 0.6, "together": 0.8, "taste": 0.5, "alike": 0.5, "friends": 0.3, "new": 0.3, "popular": 0.0}


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates with their worth, arrays of shape (requests, candidates) unless said.

    Attributes:
        value: in cents if the ranker scored them, else without a unit; before the surface's own multiplier.
        friends: how many friends own the item, 0 where not known.
        rows: of the candidates that there are, None without a ranker; `read` is what it read of them.
        there: where in the arrays each of `rows` lies, shape (requests, candidates), -1 for padding.
        vectors: of the candidates' items, shape (requests, candidates, dimensions); None without an encoder.
    """

    value: Floats
    friends: NDArray[np.int64]
    rows: Rows | None
    read: Floats | None
    there: NDArray[np.int64]
    vectors: NDArray[np.float32] | None

    def at(self, ranker: Ranker, place: NDArray[np.int64], position: NDArray[np.int64]) -> Floats:
        """Chances of some of `there` at other positions, (len(place), outcomes)."""
        if self.rows is None or self.read is None:
            raise RankerError("these candidates were scored without a ranker, so they have no chances.")
        return ranker.placed(self.read[place], replace(self.rows.take(place), position=position))


def view_of(state: State, asked: Asked, found: Found, owned: NDArray[np.int64], ages: NDArray[np.int32]) -> View:
    """What a surface must know of the candidates; padding is not for sale.

    Args:
        owned: sorted keys request * items + item.
        ages: of each request's person; -1 (not stated) may see what is fit for UNKNOWN_AGE_SEES.
    """
    catalogue, item, time = state.catalogue, np.maximum(found.item, 0), asked.time[:, None]
    released = catalogue.released[item]
    key = np.arange(len(asked))[:, None] * len(catalogue) + item
    at = np.minimum(np.searchsorted(owned, key), max(len(owned) - 1, 0))
    sees = np.where(ages < 0, UNKNOWN_AGE_SEES, ages)[:, None]
    return View(
        for_sale=(found.item >= 0) & (released <= time) & (time < catalogue.delisted[item]),
        of_age=catalogue.age_rating[item] <= sees,
        owned=owned[at] == key if len(owned) else np.zeros(key.shape, bool),
        asked=(found.item[:, :, None] == asked.items[:, None, :]).any(axis=2),
        price=catalogue.prices.at(item, np.broadcast_to(time, item.shape)),
        list_price=catalogue.list_price[item],
        days_out=np.where(released > ALWAYS, (time - np.maximum(released, 0)) / DAY, np.inf),
    )


# Somebody who does not say how old they are sees what is fit from this age on, and nothing above.
UNKNOWN_AGE_SEES = 12


def newness(days_out: Floats) -> Floats:
    """1 on the day of the release, half of it every NEWNESS days, 0 where the release is not known."""
    new: Floats = np.exp2(-np.maximum(days_out, 0) / NEWNESS)
    return new


@dataclass(frozen=True, slots=True)
class Scoring:
    """Turns candidates into values."""

    state: State
    store: OnlineStore | None

    @property
    def ranker(self) -> Ranker | None:
        """None where nothing was trained, or there are no features to read."""
        return self.state.bundle.ranker if self.store is not None else None

    def score(
        self, surface: Surface, users: list[str], asked: Asked, found: Found, view: View, objective: Objective
    ) -> Scored:
        """What showing each candidate is worth, all as if at the first place."""
        if self.ranker is None or self.store is None:
            return self._plain(asked, found, view)
        row, column = np.nonzero(found.item >= 0)
        item = found.item[row, column]
        features = np.empty((len(row), len(RANKED_BY)), np.float32)
        features[:, :-1] = online_features(self.store, users, row, item, asked.time)
        vectors = self._vectors(found)
        features[:, -1] = np.nan if (taste := _taste(asked, vectors)) is None else taste[row, column]
        rows = Rows(features, np.full(len(row), self.ranker.surface(surface.name)), np.ones(len(row), np.int64))
        read = self.ranker.read(rows)
        chances = self.ranker.placed(read, rows)
        there = np.full(found.item.shape, -1)
        there[row, column] = np.arange(len(row))
        worth = self._worth(item, view.price[row, column], view.days_out[row, column], features)
        value = np.zeros(found.item.shape)
        value[row, column] = objective.value({name: chances[:, k] for k, name in enumerate(OUTCOMES)}, worth)
        friends = np.zeros(found.item.shape, np.int64)
        friends[row, column] = features[:, FRIENDS]
        return Scored(value, friends, rows, read, there, vectors)

    def _worth(
        self, item: NDArray[np.int64], price: NDArray[np.int64], days: Floats, features: NDArray[np.float32]
    ) -> Worth:
        stranger = features[:, ACTS_WITH_PUBLISHER] == 0
        gain = np.maximum(price, 0) * self.state.margin[item]
        return Worth(gain, 0.5 * newness(days) + 0.5 * stranger, self.state.deficit[item])

    def _vectors(self, found: Found) -> NDArray[np.float32] | None:
        return None if self.state.vectors is None else self.state.vectors[np.maximum(found.item, 0)]

    def _plain(self, asked: Asked, found: Found, view: View) -> Scored:
        """Charts, the source that found it, and how new it is; taste where there is an encoder."""
        item = np.maximum(found.item, 0)
        by_source = np.array([PLAIN[name] for name in SOURCE_NAMES])
        value = self.state.sources.charts.score[item] + by_source[found.source] + NEW * newness(view.days_out)
        vectors = self._vectors(found)
        if (taste := _taste(asked, vectors)) is not None:
            value = value + taste
        none = np.zeros(found.item.shape, np.int64)
        return Scored(np.where(found.item >= 0, value, 0.0), none, None, None, none - 1, vectors)


def _taste(asked: Asked, vectors: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Cosines of the people's and the candidates' vectors, shape (requests, candidates)."""
    if asked.vectors is None or vectors is None:
        return None
    taste: NDArray[np.float32] = np.einsum("rd,rcd->rc", asked.vectors, vectors)
    return taste
