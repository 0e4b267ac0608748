"""How heads choose their settings: by NDCG@20 on validation acts, never on the test's."""

from typing import TYPE_CHECKING

import numpy as np

from recsys.errors import HeadError
from recsys.heads.head import Context
from recsys.interactions import Interactions

if TYPE_CHECKING:
    from recsys.evaluation.ranking import Scorer
    from recsys.evaluation.split import Stage

# Scores of a sample of users: 100 MB.
_CELLS = 25_000_000


def quality(scorer: "Scorer", stage: "Stage") -> float:
    """The mean NDCG@20 over the users of `stage`."""
    from recsys.evaluation.metrics import Measure, per_user
    from recsys.evaluation.ranking import positions

    measure = Measure("ndcg", 20)
    return float(per_user(stage.wanted.user, positions(scorer, stage, measure.depth), [measure])[measure].mean())


def sample(data: Interactions, context: Context) -> "Stage":
    """What validation asks, of so many users, spread evenly over their numbers, that their scores fit in memory.

    Raises:
        HeadError: if the context has no validation acts.
    """
    from recsys.evaluation.split import asked

    if context.validation is None:
        raise HeadError("settings can only be chosen with validation acts; the context has none.")
    stage = asked(data, data, context.validation, context.target)
    users = np.unique(stage.wanted.user)
    if not len(users):
        raise HeadError("settings cannot be chosen: no validation act is of an item that its user had not before.")
    few = users[:: -(-len(users) * len(data.items) // _CELLS)]
    return asked(data, data, context.validation.keep(np.isin(context.validation.user, few)), context.target)
