"""How good an encoder is while it is trained: next acts of people, ranked among all items."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.encoder import Encoder
from recsys.interactions import ACTIONS, Interactions

# So many people tell NDCG@10 to about 0.004 (95 %) where it is 0.1, in a few CPU seconds.
MOST_PEOPLE = 4000
TOP = 10
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
        """Those who are asked: all with held acts, or a fixed draw of MOST_PEOPLE."""
        found = np.unique(self.held.user).astype(np.int64)
        if len(found) <= MOST_PEOPLE:
            return found
        return np.sort(np.random.default_rng(0).choice(found, MOST_PEOPLE, replace=False))

    def ndcg(self, encoder: Encoder) -> float:
        """Mean NDCG@10 over all items that a person has not acted on, ties counted against the model."""
        people = self.people()
        gains = [self._gains(encoder, people[at : at + CHUNK]) for at in range(0, len(people), CHUNK)]
        return float(np.concatenate(gains).mean()) if gains else 0.0

    def _gains(self, encoder: Encoder, people: NDArray[np.int64]) -> NDArray[np.float64]:
        users = vectors_of_people(encoder, self.data, people, self._now(people), self.target)
        scores = users @ encoder.vectors.T
        row, seen = acts_of(self.data, people)
        scores[row, self.data.item[seen]] = -np.inf
        row, held = acts_of(self.held, people)
        pairs = np.unique(np.stack([row, self.held.item[held]]), axis=1)
        row, item = pairs[0], pairs[1]
        right = scores[row, item]
        gained = np.zeros(len(people))
        wanted = np.bincount(row, minlength=len(people))
        # The rank among those better or equal; other held acts of the person do not stand in its way twice.
        ranks = np.array([(scores[r] >= s).sum() for r, s in zip(row, right, strict=True)])
        hits = (ranks <= TOP) & np.isfinite(right)
        np.add.at(gained, row[hits], 1 / np.log2(1 + ranks[hits]))
        ideal = np.cumsum(1 / np.log2(np.arange(2, TOP + 2)))
        share: NDArray[np.float64] = gained / ideal[np.minimum(np.maximum(wanted, 1), TOP) - 1]
        return share

    def _now(self, people: NDArray[np.int64]) -> NDArray[np.int64] | int:
        return self.held.time[self.held.starts[people]] if self.now is None else self.now


def acts_of(data: Interactions, people: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `data` that are of `people`, and for each the place of its person in `people`."""
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
    """One act each of some people with at least three: their last one, or any if order means nothing."""
    wanted = np.ones(len(data), bool) if target is None else data.action == ACTIONS.index(target)
    order = np.arange(len(data)) if ordered else rng.permutation(len(data))
    place = np.zeros(len(data))
    place[order] = np.arange(len(data))
    rows = np.flatnonzero(wanted)
    rows = rows[np.lexsort((place[rows], data.user[rows]))]
    users, begins, counts = np.unique(data.user[rows], return_index=True, return_counts=True)
    last = rows[(begins + counts - 1)[counts >= 3]]
    found = np.zeros(len(data), bool)
    # Never more than a tenth of the people: small data would lose what they are to be learnt from.
    found[rng.permutation(last)[: min(HELD_PEOPLE, max(1, len(users) // 10))]] = True
    return found
