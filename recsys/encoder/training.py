"""The training loop: rounds of batches, validation, a rate that falls, checkpoints, early stopping."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.encoder import checkpoint
from recsys.encoder.batches import Batches
from recsys.encoder.checkpoint import Checkpoint, Progress
from recsys.encoder.content import Bags
from recsys.encoder.distributed import Processes, from_first
from recsys.encoder.encoder import Encoder
from recsys.encoder.recipe import Recipe
from recsys.encoder.shape import Shape
from recsys.encoder.spectral import spectral_vectors
from recsys.encoder.validation import Validation
from recsys.encoder.weights import random_weights
from recsys.errors import ModelError

if TYPE_CHECKING:
    from recsys.encoder.network import Network

FALL = 1 / 3
WEIGHTS, BEST, FIRST, SECOND = "weights/", "best/", "first/", "second/"
Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Task:
    """What to train on, and where to keep what was reached.

    Attributes:
        bags: content features of all items, None to know items by their id alone.
        start: arrays to begin with, of a training of the same shape; drawn anew if None.
        folder: of the checkpoint; None to keep none.
        seconds: of CPU that the training may take, over all its restarts.
        between: seconds of CPU from one checkpoint to the next.
        resume: go on from the folder's checkpoint if it has one; otherwise begin anew.
    """

    batches: Batches
    validation: Validation
    bags: Bags | None = None
    start: Mapping[str, NDArray[np.float32]] | None = None
    folder: Path | None = None
    seconds: float = 1800.0
    between: float = 30.0
    resume: bool = False
    progress: Callable[[str], None] = lambda message: None

    @property
    def shape(self) -> Shape:
        return self.batches.shape

    @property
    def recipe(self) -> Recipe:
        return self.batches.recipe

    def settings(self) -> dict[str, Any]:
        """What a checkpoint must agree with; the data by their size and a sum over every act."""
        data = self.batches.data
        mixed = (data.item.astype(np.int64) + 1) * (data.user.astype(np.int64) + 7) % 1_000_003
        acts = [len(data.users), len(data.items), len(data), int((mixed * (data.action + 1)).sum())]
        return {"shape": self.shape.to_dict(), "recipe": self.recipe.to_dict(), "data": acts}


@dataclass(frozen=True, slots=True)
class Trained:
    """The encoder of the best validation, the arrays that it was made of, and how the training went."""

    encoder: Encoder
    weights: Mapping[str, NDArray[np.float32]]
    progress: Progress


def train(task: Task, at: Processes | None = None, *, version: str = "unnamed") -> Trained:
    """Train until validation no longer rises, the rounds are over, or the CPU seconds are spent.

    Raises:
        ModelError: if there are no acts to learn from, the content does not fit the items, or the loss is not finite.
    """
    import torch

    torch.set_num_threads(1)
    _check(task)
    loop = _Loop(task, at or Processes())
    loop.run()
    return Trained(loop.encoder(loop.best, version), loop.best, loop.progress)


class _Loop:
    """State of one training; `run` goes on from wherever it stands."""

    def __init__(self, task: Task, at: Processes) -> None:
        from recsys.encoder.network import Network

        self.task, self.at = task, at
        kept = checkpoint.load(task.folder, task.settings()) if task.folder and task.resume else None
        start = kept or Checkpoint(Progress(rate=task.recipe.rate))
        self.progress = start.progress
        weights = start.part(WEIGHTS) or task.start or first_weights(task)
        self.best: Arrays = start.part(BEST) or weights
        self.network: Network = Network(task.shape, task.recipe, weights, task.bags)
        self.optimizer = _optimizer(self.network, task.recipe, start)
        self._spent, self._saved = time.process_time() - start.progress.seconds, time.process_time()
        # CPU seconds of the last validation: the next one must fit in as well.
        self._judging = 0.0

    def run(self) -> None:
        from torch.nn.parallel import DistributedDataParallel

        if self.progress.finished:
            return
        alone = self.at.world == 1
        model = self.network if alone else DistributedDataParallel(self.network)
        while not self.progress.finished and self.progress.round < self.task.recipe.rounds:
            self._round(model)
        self._note(finished=True)
        self._save()

    def _round(self, model: Any) -> None:
        done, number = self.progress, self.progress.round
        parts = self._parts()
        first = done.step - done.within
        for batch in self.task.batches.round(number, first, skip=done.within):
            self._step(model, batch)
            if self.progress.within in parts:
                self._validate()
            if self._over():
                self._note(finished=True)
            if self.progress.finished:
                return
            if time.process_time() - self._saved > self.task.between:
                self._save()
        self._note(round=number + 1, within=0)

    def _parts(self) -> set[int]:
        """After how many steps of an epoch there is a validation."""
        planned, often = self.task.batches.per_round, self.task.recipe.per_round
        return {max(1, round(planned * part / often)) for part in range(1, often + 1)}

    def _step(self, model: Any, batch: Any) -> None:
        recipe, step = self.task.recipe, self.progress.step
        for group in self.optimizer.param_groups:
            group["lr"] = self.progress.rate * min(1.0, (step + 1) / max(recipe.warmup, 1))
        self.optimizer.zero_grad(set_to_none=True)
        loss = model(batch, self.at.rank, self.at.world)
        loss.backward()
        self.optimizer.step()
        # Losses of the processes differ; their sum is the batch's, and only the first one's is told apart.
        value = _mean_over(float(loss.detach()), self.at)
        if not np.isfinite(value):
            raise ModelError(f"the loss is {value} at step {step}. Train with a lower rate than {recipe.rate}.")
        done = self.progress
        self._note(step=step + 1, within=done.within + 1, summed=done.summed + value, counted=done.counted + 1)

    def _validate(self) -> None:
        done, recipe, begun = self.progress, self.task.recipe, time.process_time()
        weights = self.network.weights()
        score = from_first(self.task.validation.quality(self.encoder(weights)) if self.at.first else 0.0, self.at)
        self._judging = time.process_time() - begun
        loss = done.summed / max(done.counted, 1)
        self._note(losses=(*done.losses, loss), scores=(*done.scores, score), summed=0.0, counted=0)
        if score > done.best:
            self.best = weights
            self._note(best=score, waited=0)
        elif done.waited + 1 < recipe.patience:
            self._note(waited=done.waited + 1)
        elif done.falls < recipe.falls:
            self._note(waited=0, falls=done.falls + 1, rate=done.rate * FALL)
            self.network.set(self.best)
        else:
            self._note(finished=True)
        self.task.progress(
            f"encoder: round {done.round + 1}, loss {loss:.4f}, validation NDCG {score:.4f} "
            f"(best {self.progress.best:.4f}), {self._seconds():,.0f} s of CPU"
        )

    def encoder(self, weights: Arrays, version: str = "training") -> Encoder:
        """As it serves: the items' own arrays become their vectors."""
        from recsys.encoder.network import IDS, known_vectors

        touched, bags = self.task.batches.shares > 0, self.task.bags
        served = {name: array for name, array in weights.items() if name != IDS}
        if bags is not None:
            # A feature that no item had while it was learnt says nothing: its random start must not either.
            seen = bags.matrix(self.task.shape.features)[touched].sum(axis=0) != 0
            served["content.table"] = served["content.table"] * np.asarray(seen, np.float32)[:, None]
        items = tuple(self.task.batches.data.items)
        vectors = known_vectors(served | {IDS: weights[IDS]}, bags, touched)
        return Encoder(self.task.shape, items, served, vectors, version)

    def _over(self) -> bool:
        return bool(from_first(float(self._seconds() + self._judging > self.task.seconds), self.at))

    def _seconds(self) -> float:
        return time.process_time() - self._spent

    def _note(self, **changes: Any) -> None:
        self.progress = replace(self.progress, **changes)

    def _save(self) -> None:
        self._saved = time.process_time()
        if self.task.folder is None or not self.at.first:
            return
        self._note(seconds=self._seconds())
        arrays = {WEIGHTS + name: array for name, array in self.network.weights().items()}
        arrays |= {BEST + name: array for name, array in self.best.items()}
        arrays |= _moments(self.network, self.optimizer)
        checkpoint.save(self.task.folder, Checkpoint(self.progress, arrays), self.task.settings())


def first_weights(task: Task) -> dict[str, NDArray[np.float32]]:
    """Where a training begins, by the recipe's seed."""
    rng = np.random.default_rng([task.recipe.seed, 0])
    weights = random_weights(task.shape, rng)
    return weights | {"ids": spectral_vectors(task.batches.data, task.shape.width, rng)}


def _check(task: Task) -> None:
    data = task.batches.data
    if not len(data):
        raise ModelError("there are no acts to learn from. Import events of kind view, wishlist, cart, purchase, gift.")
    found = None if task.bags is None else len(task.bags)
    if (found is None) != (task.shape.features == 0) or (found is not None and found != len(data.items)):
        raise ModelError(
            f"content of {found} items for {len(data.items):,} items and {task.shape.features:,} features. Give a row "
            "of content for each item, or none and features=0."
        )


def _optimizer(network: "Network", recipe: Recipe, start: Checkpoint) -> Any:
    import torch

    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=recipe.decay, fused=True
    )
    first, second = start.part(FIRST), start.part(SECOND)
    for name, parameter in network.arrays.items():
        kept = name.replace("/", ".")
        if kept in first:
            moments = (torch.from_numpy(each[kept].copy()) for each in (first, second))
            state = dict(zip(("exp_avg", "exp_avg_sq"), moments, strict=True))
            optimizer.state[parameter] = state | {"step": torch.tensor(float(start.progress.step))}
    return optimizer


def _moments(network: "Network", optimizer: Any) -> dict[str, NDArray[np.float32]]:
    arrays = {}
    for name, parameter in network.arrays.items():
        state = optimizer.state.get(parameter, {})
        for prefix, key in ((FIRST, "exp_avg"), (SECOND, "exp_avg_sq")):
            if key in state:
                arrays[prefix + name.replace("/", ".")] = state[key].numpy().copy()
    return arrays


def _mean_over(value: float, at: Processes) -> float:
    """Of all processes, in each of them."""
    if at.world == 1:
        return value
    import torch

    told = torch.tensor([value], dtype=torch.float64)
    torch.distributed.all_reduce(told)
    return float(told[0]) / at.world
