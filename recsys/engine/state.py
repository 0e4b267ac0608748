"""What an engine holds between requests, in the catalogue's order of items."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import Catalogue
from recsys.encoder.content import contents_of
from recsys.encoder.encoder import Encoder
from recsys.encoder.shape import SURFACES
from recsys.engine.bundle import Bundle
from recsys.engine.charts import Charts
from recsys.engine.neighbours import Neighbours
from recsys.engine.people import People
from recsys.engine.sources import Sources, newest_first
from recsys.engine.texts import Packed, Places
from recsys.facts import place
from recsys.retrieval.index import Index
from recsys.slates.objective import Objectives

if TYPE_CHECKING:
    from store import Workspace

# For how long past exposure counts against a publisher.
EXPOSURE_DAYS = 28
# Up to so many acts an engine that was not trained counts by itself what goes with what.
COUNTED = 1_000_000
# Up to so many numbers, segments times items, charts are counted again while the engine serves.
CHARTED = 5_000_000
# What the shop keeps of a price where the facts do not say.
MARGIN = 0.3


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is read for a request.

    Attributes:
        place: of each item's id in the catalogue.
        publisher: a number for each item's publisher, -1 where not known.
        deficit: of each item's publisher, in [0, 1]: how far its exposure lies below its share of the catalogue.
        margin: share of the price that the shop keeps, no nan.
        encoder: its items are those of the catalogue; None without.
        to_encoder: each item's own place, -1 for one that the encoder knows nothing of.
        vectors: of the items, the encoder's own: unit rows, 0 where it knows nothing; None without an encoder.
    """

    bundle: Bundle
    catalogue: Catalogue
    people: People
    sources: Sources
    objectives: Objectives
    place: Places
    publisher: NDArray[np.int32]
    deficit: NDArray[np.float64]
    margin: NDArray[np.float64]
    encoder: Encoder | None
    to_encoder: NDArray[np.int64]
    vectors: NDArray[np.float32] | None

    @classmethod
    def read(cls, workspace: "Workspace", bundle: Bundle, now: int) -> "State":
        """From the facts of the lake and what was trained.

        Args:
            now: microseconds since 1970, for a shop where nothing happened yet; else it is the last act's time, so
                that a shop of the past, or one whose facts come late, is as it was then.
        """
        catalogue, people = Catalogue.read(workspace), People.read(workspace)
        now = int(people.acts.time.max()) if len(people.acts) else now
        if people.acts.items == catalogue.ids:
            # The same texts twice: of a million items 70 MB.
            people = replace(people, acts=replace(people.acts, items=catalogue.ids))
        if not len(catalogue):
            people = replace(people, acts=people.acts.keep(np.zeros(len(people.acts), bool)))
        encoder, to_encoder = _in_catalogue_order(_with_all_items(bundle.encoder, catalogue, now), catalogue)
        vectors = None if encoder is None else encoder.item_vectors()
        neighbours = (bundle.neighbours or _neighbours(people, catalogue)).renumbered(catalogue.ids)
        newest = newest_first(catalogue.released, catalogue.delisted, now)
        sources = Sources(
            charts=Charts.of(people, catalogue.released),
            neighbours=neighbours,
            newest=newest,
            out=catalogue.released[newest],
            index=_index(vectors, catalogue.delisted > now),
        )
        publisher = catalogue.codes(catalogue.publisher)[0]
        return cls(
            bundle=replace(bundle, encoder=encoder, neighbours=neighbours),
            catalogue=replace(catalogue, title=Packed(catalogue.title)),
            people=people,
            sources=sources,
            objectives=Objectives.read(Path(workspace.path)),
            place=Places(catalogue.ids),
            publisher=publisher,
            deficit=_deficit(workspace, catalogue, publisher),
            margin=_known_margin(catalogue),
            encoder=encoder,
            to_encoder=to_encoder,
            vectors=vectors,
        )

    def user_vectors(
        self,
        items: NDArray[np.int64],
        actions: NDArray[np.int64],
        times: NDArray[np.int64],
        now: NDArray[np.int64],
        surface: str,
    ) -> NDArray[np.float32] | None:
        """What people want next after these acts, oldest first: unit rows; None without an encoder.

        Args:
            items: places in the catalogue, -1 for none, shape (people, acts); actions and times alike.
            now: microseconds since 1970, shape (people,).
            surface: one that came after the encoder was trained is read as any.
        """
        if self.encoder is None:
            return None
        numbered = np.where(items >= 0, self.to_encoder[items], -1)
        where = surface if surface in SURFACES else SURFACES[0]
        # What the encoder knows nothing of leaves a gap, which it does not read.
        return self.encoder.user_vectors(*left_padded(numbered, actions, times), now, where)

    def charting(self) -> Callable[[], Charts] | None:
        """What counts the charts as of the last act that was observed, on any thread; None where it takes too long."""
        if len(self.people.segments) * len(self.catalogue) > CHARTED:
            # Then nobody counts them.
            self.people.forget(self.people.last + 1)
            return None
        return Charts.counting(self.people, self.catalogue.released)

    def charted(self, charts: Charts) -> "State":
        return replace(self, sources=replace(self.sources, charts=charts))


def left_padded(
    items: NDArray[np.int64], actions: NDArray[np.int64], times: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The same histories with every -1 of `items` on the left."""
    there = items >= 0
    if not (there[:, :-1] > there[:, 1:]).any():
        return items, actions, times
    order = np.argsort(there, axis=1, kind="stable")
    a, b, c = (np.take_along_axis(each, order, 1) for each in (items, actions, times))
    return a, b, c


def _known_margin(catalogue: Catalogue) -> NDArray[np.float64]:
    unknown = np.isnan(catalogue.margin)
    return np.where(unknown, MARGIN, catalogue.margin) if unknown.any() else catalogue.margin


def _neighbours(people: People, catalogue: Catalogue) -> Neighbours:
    """Where none were trained, from the acts themselves if they are few enough to be counted in a second."""
    return Neighbours.of(people.acts) if 0 < len(people.acts) <= COUNTED else Neighbours.empty(catalogue.ids)


def _with_all_items(encoder: Encoder | None, catalogue: Catalogue, now: int) -> Encoder | None:
    if encoder is None or not encoder.shape.features:
        return encoder
    known = set(encoder.items)
    new = np.array([k for k, item in enumerate(catalogue.ids) if item not in known], np.int64)
    if not len(new):
        return encoder
    return encoder.with_items([catalogue.ids[k] for k in new], contents_of(catalogue, new, now))


def _in_catalogue_order(encoder: Encoder | None, catalogue: Catalogue) -> tuple[Encoder | None, NDArray[np.int64]]:
    """The encoder with the catalogue's items, in one copy, and the place of each, -1 where it had none."""
    everywhere = np.arange(len(catalogue))
    if encoder is None:
        return None, np.full(len(catalogue), -1)
    if encoder.items == catalogue.ids:
        return replace(encoder, items=catalogue.ids), everywhere
    number = {item: k for k, item in enumerate(encoder.items)}
    at = np.array([number.get(item, -1) for item in catalogue.ids], np.int64)
    vectors = np.zeros((len(catalogue), encoder.shape.width), np.float32)
    vectors[at >= 0] = encoder.item_vectors()[at[at >= 0]]
    return replace(encoder, items=catalogue.ids, vectors=vectors), np.where(at >= 0, everywhere, -1)


def _index(vectors: NDArray[np.float32] | None, listed: NDArray[np.bool_]) -> Index | None:
    if vectors is None:
        return None
    there = np.flatnonzero(listed & vectors.any(axis=1))
    if not len(there):
        return None
    return Index.build(there, vectors if len(there) == len(vectors) else vectors[there])


def _deficit(workspace: "Workspace", catalogue: Catalogue, publisher: NDArray[np.int32]) -> NDArray[np.float64]:
    """1 for items of a publisher that was never shown, 0 from where its share of places is its share of items.

    All are 0 where nothing was shown at all; items without a publisher and the shop's own are 0.
    """
    log = workspace.lake.table("recommendations")
    last = log.time.max().to_pyarrow().as_py()
    if last is None or not len(catalogue):
        return np.zeros(len(catalogue))
    from datetime import timedelta

    recent = log.filter(log.time > last - timedelta(days=EXPOSURE_DAYS))
    counts = recent.group_by("item_id").aggregate(n=recent.count()).to_pyarrow()
    at = place(counts["item_id"], catalogue.ids)
    shown = np.bincount(at[at >= 0], counts["n"].to_numpy()[at >= 0], len(catalogue))
    third = (publisher >= 0) & ~catalogue.first_party
    if not shown[third].sum():
        return np.zeros(len(catalogue))
    groups = int(publisher.max(initial=-1)) + 1
    exposure = np.bincount(publisher[third], shown[third], groups) / shown[third].sum()
    share = np.bincount(publisher[third], minlength=groups) / third.sum()
    deficit = np.clip(1 - exposure / np.where(share > 0, share, 1.0), 0.0, 1.0)
    return np.where(third, deficit[np.maximum(publisher, 0)], 0.0)
