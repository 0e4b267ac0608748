"""One head on one split: how well it finds the wanted items again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.metrics import MEASURES, Estimate, Measure, per_user
from recsys.evaluation.ranking import positions
from recsys.evaluation.split import Split, StageName
from recsys.heads.head import Head


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Each user's value of each measure, shape (users with a wanted item,), users in order."""

    values: Mapping[Measure, NDArray[np.float64]]

    def __getitem__(self, measure: Measure | str) -> Estimate:
        """The mean over users and its interval."""
        return Estimate.of(self.values[Measure.parse(measure) if isinstance(measure, str) else measure])


def evaluate(head: Head, split: Split, stage: StageName = "test", measures: Sequence[Measure] = MEASURES) -> Evaluation:
    """How a head that has been fitted ranks all items for the users who have one to be found.

    Items that the user had before are left out of the ranking; users without an item to be found count nowhere.

    Raises:
        HeadError: if the head's scores have another shape or are not finite.
    """
    asked = split.stage(stage)
    deepest = max(measure.depth for measure in measures)
    return Evaluation(per_user(asked.wanted.user, positions(head, asked, deepest), measures))
