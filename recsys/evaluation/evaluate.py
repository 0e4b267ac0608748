"""One head on one split: how well it finds the wanted items again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.evaluation.split import Split, StageName
from recsys.heads.head import Head
from recsys.measures.metrics import MEASURES, SAMPLED, MeanOverUsers, Measure, per_user
from recsys.measures.positions import positions, sampled_positions


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Each user's value of each measure, shape (users with a wanted item,), users in order.

    Attributes:
        values: by full ranking.
        users: who they are.
        sampled: by ranking among a few negatives, to compare with papers that did; empty where there are none.
    """

    values: Mapping[Measure, NDArray[np.float64]]
    users: NDArray[np.integer]
    sampled: Mapping[Measure, NDArray[np.float64]] = field(default_factory=dict)

    def __getitem__(self, measure: Measure | str) -> MeanOverUsers:
        """The mean over users and its interval."""
        return MeanOverUsers.of(self.values[Measure.parse(measure) if isinstance(measure, str) else measure])


def evaluate(head: Head, split: Split, stage: StageName = "test", measures: Sequence[Measure] = MEASURES) -> Evaluation:
    """How a head that has been fitted ranks all items for the users who have one to be found.

    Items that the user had before are left out of the ranking; users without an item to be found count nowhere.

    Raises:
        HeadError: if the head's scores have another shape or are not finite.
        DataError: if the split's negatives are not those of its wanted acts.
    """
    asked = split.question(stage)
    deepest = max(measure.depth for measure in measures)
    users = np.unique(asked.wanted.user)
    values = per_user(asked.wanted.user, positions(head, asked, deepest), measures)
    if stage != "test" or split.negatives is None:
        return Evaluation(values, users)
    if len(split.negatives) != len(asked.wanted):
        raise DataError(
            f"{split.name}: there are negatives for {len(split.negatives):,} test acts, but {len(asked.wanted):,} are "
            "wanted; a test act is given twice, or its user has the item in train."
        )
    among = sampled_positions(head, asked, split.negatives)
    return Evaluation(values, users, per_user(asked.wanted.user, among, SAMPLED))
