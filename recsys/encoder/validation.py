"""How good an encoder is while it is trained: next acts of people, ranked among all items."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.encoder import Encoder
from recsys.interactions import Interactions

# So many people tell the quality to about 0.004 (95 %) in a few CPU seconds.
MOST_PEOPLE = 4000
CHUNK = 512
# So many people's last act is held out where no validation is given.
HELD_PEOPLE = 3000


@dataclass(frozen=True)
class Validation:
    """People with a past in `data` and with `held` acts after it, of which the model knows nothing.

    Attributes:
        target: the action that is asked for; None for any.
        now: when the vectors are for; the time of each person's first held act if None.
    """

    data: Interactions
    held: Interactions
    target: str | None = None
    now: int | None = None

    def people(self) -> NDArray[np.int64]:
        """Those who are asked: all with held acts that count, or a fixed draw of MOST_PEOPLE."""
        found = np.unique(self._wanted.user).astype(np.int64)
        if len(found) <= MOST_PEOPLE:
            return found
        return np.sort(np.random.default_rng(0).choice(found, MOST_PEOPLE, replace=False))

    def quality(self, encoder: Encoder) -> float:
        """Mean NDCG over the whole ranking of items that a person has not acted on, ties counted against the model.

        Not cut at a rank: most people gain a little with every better encoder, so that fewer people tell two apart.
        """
        people = self.people()
        gains = [self._gains(encoder, people[at : at + CHUNK]) for at in range(0, len(people), CHUNK)]
        found = np.concatenate(gains) if gains else np.zeros(0)
        return float(found.mean()) if len(found) else 0.0

    @cached_property
    def _wanted(self) -> Interactions:
        """The held acts that count: of the target, each item once, on items that were new to the person."""
        held = self.held.keep(self.held.are(self.target))
        first = np.zeros(len(held), bool)
        first[np.unique(held.pair, return_index=True)[1]] = True
        return held.keep(first & ~np.isin(held.pair, self.data.pair))

    def _gains(self, encoder: Encoder, people: NDArray[np.int64]) -> NDArray[np.float64]:
        users = vectors_of_people(encoder, self.data, people, self._now(people), self.target)
        scores = users @ encoder.vectors.T
        row, seen = acts_of(self.data, people)
        scores[row, self.data.item[seen]] = -np.inf
        row, held = acts_of(self._wanted, people)
        right = scores[row, self._wanted.item[held]]
        ranks = np.array([(scores[r] >= s).sum() for r, s in zip(row, right, strict=True)])
        gained = np.bincount(row, 1 / np.log2(1 + ranks), len(people))
        count = np.bincount(row, minlength=len(people))
        ideal = np.cumsum(1 / np.log2(np.arange(2, count.max() + 2)))
        share: NDArray[np.float64] = gained / ideal[count - 1]
        return share

    def _now(self, people: NDArray[np.int64]) -> NDArray[np.int64] | int:
        return self.held.time[self.held.starts[people]] if self.now is None else self.now


def acts_of(data: Interactions, people: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every act of `people`: the place of its person in `people`, and its row in `data`, each int64 (acts,)."""
    begins, ends = data.starts[people], data.starts[people + 1]
    owner = np.repeat(np.arange(len(people)), ends - begins)
    skipped = np.repeat(np.cumsum(ends - begins) - (ends - begins), ends - begins)
    return owner, np.arange(len(owner)) - skipped + begins[owner]


def vectors_of_people(
    encoder: Encoder,
    data: Interactions,
    people: NDArray[np.int64],
    now: NDArray[np.int64] | int,
    target: str | None = None,
    surface: str = "any",
) -> NDArray[np.float32]:
    """User vectors of people by their acts in `data`, float32 (people, width); items are numbered alike in both."""
    owner, acts = acts_of(data, people)
    counts = np.bincount(owner, minlength=len(people))
    long = min(int(counts.max(initial=0)), encoder.shape.length)
    from_end = np.repeat(np.cumsum(counts), counts) - np.arange(len(owner))
    kept = from_end <= long
    place = owner[kept], long - from_end[kept]
    padded = []
    for values, empty in ((data.item, -1), (data.action, 0), (data.time, 0)):
        rows = np.full((len(people), long), empty, np.int64)
        rows[place] = values[acts[kept]]
        padded.append(rows)
    return encoder.user_vectors(padded[0], padded[1], padded[2], now, surface, target=target)


def held_out(data: Interactions, ordered: bool, target: str | None, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rows to hold out: of some people an item that they came to, with all that would tell of it, bool (acts,).

    In ordered data it is the last item that was new to the person (of the target action), with every act of the person
    from the first on it; else any item, with every act of the person on it.
    """
    _, first, number = np.unique(data.pair, return_index=True, return_inverse=True)
    items = np.unique(number[data.are(target)])
    # Of each person one item: the one that began last, or a drawn one.
    order = first[items] if ordered else rng.random(len(items))
    owner = data.user[first[items]]
    items = items[np.lexsort((order, owner))]
    people, counts = np.unique(data.user[first[items]], return_counts=True)
    last = items[np.cumsum(counts) - 1][counts >= 3]
    chosen = rng.permutation(last)[: min(HELD_PEOPLE, max(1, len(people) // 3))]
    if not ordered:
        return np.isin(number, chosen)
    begins = np.full(len(data.users), len(data))
    begins[data.user[first[chosen]]] = first[chosen]
    rows: NDArray[np.bool_] = np.arange(len(data)) >= begins[data.user]
    return rows
