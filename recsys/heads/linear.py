"""A blend of the linear heads, with weights that validation chose; friends are one more voice where they are known."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import BudgetError, HeadError
from recsys.heads.algebra import power, scaled, signals
from recsys.heads.choice import Held, quality, sample
from recsys.heads.head import Context, Head, head
from recsys.interactions import Interactions
from recsys.measures.question import Question

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PARTS = ("graph_filter", "sharpened_filter", "als", "ease", "item_knn", "popularity")
MEMBERS_BY = "item_knn"
# Where there is nothing to choose by.
WEIGHTS = {"graph_filter": 1.0, "als": 0.5}
TRIED = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5)


class FriendsVoice:
    """Scores an item by the friends who had it, each weighted by the likeness of their taste to the user's.

    Friends without a common item have no say. On validation acts of LastFM HetRec such friends alone have recall@10
    0.107, unweighted ones 0.094.
    """

    def __init__(self, friends: "csr_array", history: "csr_array") -> None:
        one = np.ones(history.shape[1], np.float32)
        unit = scaled(history, power(history.multiply(history).sum(axis=1), -0.5), one)
        likeness = (friends.multiply(unit @ unit.T)).tocsr()
        likeness = likeness.multiply(likeness).tocsr()
        everybody = np.ones(likeness.shape[1], np.float32)
        self._scores = (scaled(likeness, power(likeness.sum(axis=1), -1), everybody) @ history).tocsr()

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        return np.asarray(self._scores[users].toarray(), np.float32)


class MembersVoice:
    """Scores an item for a group by the mean of its members' scores from another part; 0 for who is no group."""

    def __init__(self, members: "csr_array", part: Head) -> None:
        everybody = np.ones(members.shape[1], np.float32)
        self._share, self._part = scaled(members, power(members.sum(axis=1), -1), everybody), part

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        share = self._share[users]
        asked, place = np.unique(share.indices, return_inverse=True)
        if not len(asked):
            return np.zeros_like(self._part.scores(users))
        share = type(share)((share.data, place, share.indptr), shape=(len(users), len(asked)))
        return np.asarray(share @ standard(self._part.scores(asked)), np.float32)


Part = Head | FriendsVoice | MembersVoice


class Linear(Head, name="linear"):
    """The weighted sum of its parts' scores, each part's with mean 0 and deviation 1 over a user's items.

    Weights are found one at a time, by NDCG@20 on the validation acts of at most as many users as fit in memory. A part
    that cannot be fitted on the data, such as EASE on many users and items, is left out.
    """

    weights: Mapping[str, float]

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        self._items = len(data.items)
        self._parts = self._fit_parts(data, context, rng)
        if context.validation is None:
            self.weights = {name: weight for name, weight in WEIGHTS.items() if name in self._parts}
        else:
            self.weights = self._choose(data, context)
        return self

    def refit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        used = {name for name, weight in self.weights.items() if weight}
        for name, part in self._parts.items():
            if isinstance(part, Head) and (name in used or (name == MEMBERS_BY and "members" in used)):
                part.refit(data, context, rng)
        self._parts |= self._voices(self._parts, data, context)
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        total = np.zeros((len(users), self._items), np.float32)
        for name, weight in self.weights.items():
            if weight:
                total += np.float32(weight) * standard(self._parts[name].scores(users))
        return total

    def _fit_parts(self, data: Interactions, context: Context, rng: np.random.Generator) -> dict[str, Part]:
        """Every part that can be fitted on these data."""
        parts: dict[str, Part] = {}
        for name in PARTS:
            context.progress(f"linear: {name}")
            try:
                parts[name] = head(name)().fit(data, context, rng)
            except BudgetError:
                raise
            except HeadError as error:
                context.progress(f"linear: without {name}: {error}")
        return parts | self._voices(parts, data, context)

    def _voices(self, parts: Mapping[str, Part], data: Interactions, context: Context) -> dict[str, Part]:
        """Friends and members, as far as they are known."""
        voices: dict[str, Part] = {}
        if context.friends is not None:
            voices["friends"] = FriendsVoice(context.friends, signals(data, context.target, others=0.3).tocsr())
        base = parts.get(MEMBERS_BY)
        if context.members is not None and isinstance(base, Head):
            voices["members"] = MembersVoice(context.members, base)
        return voices

    def _choose(self, data: Interactions, context: Context) -> Mapping[str, float]:
        """The weights with the best validation NDCG@20, found from the best single part on."""
        question = sample(data, context)
        users = np.unique(question.wanted.user)
        held = {name: standard(part.scores(users)) for name, part in self._parts.items()}
        alone = {name: _blended({name: 1.0}, held, question) for name in held}
        best = max(alone, key=lambda name: alone[name])
        weights, reached = {best: 1.0}, alone[best]
        for _ in range(2):
            for name in sorted(held, key=lambda name: -alone[name]):
                for weight in TRIED:
                    tried = {**weights, name: weight}
                    if any(tried.values()) and (quality := _blended(tried, held, question)) > reached:
                        weights, reached = tried, quality
        context.progress(f"linear: weights {weights}, validation NDCG@20 {reached:.4f}")
        return weights


def _blended(weights: Mapping[str, float], held: Mapping[str, NDArray[np.float32]], question: Question) -> float:
    """The quality of the blend for the users of `question`."""
    total = sum(np.float32(weight) * held[name] for name, weight in weights.items() if weight)
    return quality(Held(np.asarray(total), np.unique(question.wanted.user)), question)


def standard(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row with mean 0 and standard deviation 1; a row of equal scores becomes 0."""
    deviation = scores.std(axis=1, keepdims=True)
    return np.where(deviation > 0, (scores - scores.mean(axis=1, keepdims=True)) / np.maximum(deviation, 1e-12), 0)
