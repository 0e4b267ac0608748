"""The encoder as a head: a transformer over what a person did, in order where the data have one."""

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.content import Bags
from recsys.encoder.recipe import Recipe
from recsys.encoder.shape import HOTTEST, Shape
from recsys.errors import HeadError
from recsys.heads.choice import Held, quality, sample
from recsys.heads.head import Context, Head
from recsys.interactions import Interactions

if TYPE_CHECKING:
    from recsys.encoder.training import Trained

SHAPE = Shape(hidden=128, length=50)
RECIPE = Recipe()


# What may be added to the cosine of items without any act: warm items have their popularity, these only their content.
LEADS = (0.0, 0.05, 0.1, 0.2, 0.4, 1.0)
# Of the CPU seconds that are left, how much training takes at most: the first leaves some to choose and to refit by.
FIRST, AGAIN = 0.6, 0.8


class Sequence(Head, name="sequence", linear=False):
    """Sampled softmax over the next act of each person, cosine of user and item.

    Acts that are in no order are read as a set: shuffled anew in every epoch, without their places. Of several actions
    all are read and predicted, and the target's are asked for. Attributes make vectors of items without acts.
    Source: Kang and McAuley, ICDM 2018, with the loss of Klenitskiy and Vasilev, RecSys 2023; docs/encoder.md.
    """

    def __init__(self, shape: Shape = SHAPE, recipe: Recipe = RECIPE) -> None:
        self.shape, self.recipe = shape, recipe
        self.trained: Trained | None = None
        self.lead = 0.0

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        held = context.validation
        self.trained, self.lead = None, 0.0
        if held is None or not len(held):
            return self.refit(data, context, rng)
        self._train(data, held, _within(context, FIRST), self.recipe, rng)
        if context.attributes is not None and self._untouched.any():
            self.lead = self._choose_lead(data, context)
        return self

    def refit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        """From where `fit` ended, if it was called: a third of its rate until acts held out anew gain no more."""
        from recsys.encoder.validation import held_out

        recipe = self.recipe
        if self.trained is not None:
            recipe = replace(recipe, rate=recipe.rate / 3, falls=0)
        rows = held_out(data, context.ordered, context.target, rng)
        self._train(data.keep(~rows), data.keep(rows), _within(context, AGAIN), recipe, rng)
        self._data = data
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        from recsys.encoder.validation import vectors_of_people

        encoder, now = self._fitted().encoder, int(self._data.time.max(initial=0))
        vectors = vectors_of_people(encoder, self._data, np.asarray(users, np.int64), now, self._target)
        found: NDArray[np.float32] = vectors @ encoder.vectors.T + np.float32(self.lead) * self._untouched
        return found

    @property
    def heat(self) -> float:
        """What a cosine is multiplied by in the softmax."""
        return float(np.exp(min(float(self._fitted().weights["temperature"][0]), HOTTEST)))

    def _choose_lead(self, data: Interactions, context: Context) -> float:
        """The lead of items without acts that has the best NDCG@20 on validation acts; 0 where they prefer none."""
        question = sample(data, context)
        users = np.unique(question.wanted.user)
        scores = self.scores(users)
        reached = {lead: quality(Held(scores + lead * self._untouched, users), question) for lead in LEADS}
        context.progress(f"sequence: validation NDCG@20 by the lead of items without acts {reached}")
        return max(LEADS, key=lambda lead: reached[lead])

    def _train(
        self, data: Interactions, held: Interactions, context: Context, recipe: Recipe, rng: np.random.Generator
    ) -> None:
        from recsys.encoder.batches import Batches
        from recsys.encoder.training import Task, train
        from recsys.encoder.validation import Validation

        bags = None if context.attributes is None else Bags.of(context.attributes)
        features = 0 if context.attributes is None else int(context.attributes.shape[1])
        shape = replace(self.shape, features=features, ordered=context.ordered)
        seeded = replace(recipe, seed=int(rng.integers(2**31)))
        validation = Validation(data, held, target=context.target, now=int(data.time.max(initial=0)))
        task = Task(
            Batches(data, shape, seeded),
            validation,
            bags,
            start=None if self.trained is None else self.trained.weights,
            seconds=context.seconds,
            progress=context.progress,
        )
        self.trained = train(task)
        self._data, self._target = data, context.target
        self._untouched = (np.bincount(data.item, minlength=len(data.items)) == 0).astype(np.float32)

    def _fitted(self) -> "Trained":
        if self.trained is None:
            raise HeadError("the sequence head is not fitted. Call fit first.")
        return self.trained


def _within(context: Context, share: float) -> Context:
    return replace(context, seconds=share * context.seconds)
