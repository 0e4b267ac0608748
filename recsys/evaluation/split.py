"""A data set cut into what a model may learn from, what it is chosen by and what it is judged on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.heads.head import Context
from recsys.interactions import Interactions
from recsys.measures.question import Question, asked

if TYPE_CHECKING:
    from scipy.sparse import csr_array

StageName = Literal["validation", "test"]


@dataclass(frozen=True, slots=True)
class Sides:
    """What is known beside the acts; see Context."""

    friends: "csr_array | None" = None
    attributes: "csr_array | None" = None
    members: "csr_array | None" = None


NOTHING = Sides()


@dataclass(frozen=True)
class Split:
    """Train, validation and test acts over the same numbering of users and items.

    Attributes:
        protocol: how it was cut, in words that are printed beside every number.
        refit: whether a model learns again from train and validation together before the test.
        target: the action that is to be predicted (of ACTIONS); None for any.
        ordered: whether the times tell the order of the acts.
        drawn: whether another seed would give another split.
        candidates: which items may be recommended at validation and at the test, each of shape (items,).
        negatives: the items that a sampled protocol ranks each wanted act of the test among, shape (wanted, n), acts
            in the order of `question("test").wanted`; None where no paper of these data samples.
    """

    name: str
    protocol: str
    train: Interactions
    validation: Interactions
    test: Interactions
    refit: bool = True
    target: str | None = None
    ordered: bool = True
    drawn: bool = False
    sides: Sides = NOTHING
    candidates: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None
    negatives: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            if not len(getattr(self, part)):
                raise DataError(f"{self.name}: no act is left for {part} under {self.protocol!r}.")

    def question(self, name: StageName) -> Question:
        """What is known and wanted when a model is chosen ("validation"), or judged ("test")."""
        if name == "validation":
            past, part, allowed = self.train, self.validation, self.candidates and self.candidates[0]
        else:
            past, part, allowed = (
                together(self.train, self.validation),
                self.test,
                self.candidates and self.candidates[1],
            )
        known = past if self.refit else self.train
        return asked(known, past, part, self.target, allowed)

    def context(self, seconds: float, progress: Callable[[str], None] = lambda message: None) -> Context:
        """What a head may use beside the acts when it is fitted on `train`."""
        return Context(
            friends=self.sides.friends,
            attributes=self.sides.attributes,
            members=self.sides.members,
            ordered=self.ordered,
            target=self.target,
            validation=self.validation,
            seconds=seconds,
            progress=progress,
        )


def together(one: Interactions, other: Interactions) -> Interactions:
    """All acts of both, in order of user and time; both number users and items alike."""
    columns = ("user", "item", "action", "time")
    user, item, action, time = (np.concatenate([getattr(one, column), getattr(other, column)]) for column in columns)
    return Interactions.of(one.users, one.items, user, item, action, time)
