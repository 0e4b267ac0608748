"""Small worlds in which it is known what follows what."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from recsys.encoder.batches import Batches
from recsys.encoder.recipe import Recipe
from recsys.encoder.shape import Shape
from recsys.encoder.training import Task
from recsys.encoder.validation import Validation
from recsys.interactions import Interactions

ITEMS = 60


def acts(rng: np.random.Generator, following: Callable[[int], int], people: int) -> Interactions:
    """People with 3 to 14 acts, each on the item that `following` gives for the one before."""
    user, item = [], []
    for person in range(people):
        at = int(rng.integers(ITEMS))
        for _ in range(int(rng.integers(3, 15))):
            user.append(person)
            item.append(at)
            at = int(following(at))
    numbers = np.array(user), np.array(item)
    time = np.cumsum(rng.integers(1, 100_000, len(user))) * 1_000_000
    names = [f"u{each}" for each in range(people)], [f"i{each}" for each in range(ITEMS)]
    return Interactions.of(*names, *numbers, rng.integers(0, 5, len(user)), time)


def a_task(folder: Path | None = None, resume: bool = False, **changes: object) -> Task:
    """400 people who go on to the next item in 4 of 5 acts; the last act of each is held out."""
    rng = np.random.default_rng(11)
    data = acts(rng, lambda item: (item + 1) % ITEMS if rng.random() < 0.8 else rng.integers(ITEMS), people=400)
    last = np.zeros(len(data), bool)
    last[data.starts[1:] - 1] = True
    settings = {
        "rate": 0.01,
        "warmup": 10,
        "tokens": 256,
        "uniform": 24,
        "in_batch": 24,
        "rounds": 2,
        "seed": 3,
        "dropout": 0.2,
    }
    shape = Shape(width=16, blocks=2, hidden=32, length=12)
    batches = Batches(data.keep(~last), shape, Recipe(**(settings | changes)))
    return Task(batches, Validation(data.keep(~last), data.keep(last)), folder=folder, resume=resume)
