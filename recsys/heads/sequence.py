"""The encoder as a head: a transformer over what a person did, in order where the data have one."""

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.content import Bags
from recsys.encoder.recipe import Recipe
from recsys.encoder.shape import Shape
from recsys.heads.head import Context, Head
from recsys.interactions import Interactions

if TYPE_CHECKING:
    from recsys.encoder.training import Trained

SHAPE = Shape(hidden=128, length=50)
RECIPE = Recipe(rate=0.004, dropout=0.2)


class Sequence(Head, name="sequence", linear=False):
    """Sampled softmax over the next act of each person, cosine of user and item; seen items are not left out here.

    Acts are read in order if the acts held out for validation come after the others, else as a set: then they are
    shuffled anew in every epoch. Of several actions all are read and predicted, and the target's are asked for.
    """

    def __init__(self, shape: Shape = SHAPE, recipe: Recipe = RECIPE) -> None:
        self.shape, self.recipe = shape, recipe

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        held = context.validation
        if held is not None and len(held):
            self._ordered = comes_after(held, data)
            self._train(data, held, context, rng)
            return self
        self._ordered = True
        return self.refit(data, context, rng)

    def refit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        from recsys.encoder.validation import held_out

        rows = held_out(data, self._ordered, context.target, rng)
        self._train(data.keep(~rows), data.keep(rows), context, rng)
        self._data = data
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        from recsys.encoder.validation import vectors_of_people

        now = int(self._data.time.max(initial=0))
        people = np.asarray(users, np.int64)
        vectors = vectors_of_people(self.encoder, self._data, people, now, self._target)
        found: NDArray[np.float32] = vectors @ self.encoder.vectors.T
        return found

    def _train(self, data: Interactions, held: Interactions, context: Context, rng: np.random.Generator) -> None:
        from recsys.encoder.batches import Batches
        from recsys.encoder.training import Task, train
        from recsys.encoder.validation import Validation

        bags = None if context.attributes is None else Bags.of(context.attributes)
        features = 0 if context.attributes is None else int(context.attributes.shape[1])
        shape = replace(self.shape, features=features, ordered=self._ordered)
        recipe = replace(self.recipe, seed=int(rng.integers(2**31)))
        now = int(data.time.max(initial=0))
        validation = Validation(data, held, target=context.target, now=now)
        task = Task(Batches(data, shape, recipe), validation, bags, seconds=context.seconds, progress=context.progress)
        self.trained: Trained = train(task)
        self.encoder = self.trained.encoder
        self._data, self._target = data, context.target


def comes_after(held: Interactions, data: Interactions) -> bool:
    """Whether nearly all held acts come after all of their user's acts in `data`."""
    last = np.full(len(data.users), np.iinfo(np.int64).min)
    np.maximum.at(last, data.user, data.time)
    return bool((held.time >= last[held.user]).mean() > 0.95)
