"""How heads choose their settings: by NDCG@20 on validation acts, never on the test's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.errors import HeadError
from recsys.heads.head import Context
from recsys.interactions import Interactions
from recsys.measures.metrics import Measure, per_user
from recsys.measures.positions import Scorer, positions
from recsys.measures.question import Question, asked

# Scores of a sample of users: 100 MB.
_CELLS = 25_000_000


@dataclass(frozen=True, slots=True)
class Held:
    """Scores that are held, shape (users, items), of users in order of their numbers."""

    total: NDArray[np.float32]
    users: NDArray[np.integer]
    name: str = "held"

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        return self.total[np.searchsorted(self.users, users)]


def quality(scorer: Scorer, question: Question) -> float:
    """The mean NDCG@20 over the users of `question`."""
    measure = Measure("ndcg", 20)
    return float(per_user(question.wanted.user, positions(scorer, question, measure.depth), [measure])[measure].mean())


def sample(data: Interactions, context: Context) -> Question:
    """What validation asks, of so many users, spread evenly over their numbers, that their scores fit in memory.

    Raises:
        HeadError: if the context has no validation acts.
    """
    if context.validation is None:
        raise HeadError("settings can only be chosen with validation acts; the context has none.")
    question = asked(data, data, context.validation, context.target)
    users = np.unique(question.wanted.user)
    if not len(users):
        raise HeadError("settings cannot be chosen: no validation act is of an item that its user had not before.")
    few = users[:: -(-len(users) * len(data.items) // _CELLS)]
    return asked(data, data, context.validation.keep(np.isin(context.validation.user, few)), context.target)
