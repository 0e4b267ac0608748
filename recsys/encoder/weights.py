"""The arrays of the network: their names, sizes and first values."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.shape import GAPS, SURFACES, Shape
from recsys.interactions import ACTIONS

# Learned factors begin here: an item's unit vector is read times `scale`, a cosine is multiplied by exp(temperature).
FIRST_VALUES = {"scale": 4.0, "temperature": float(np.log(12.0))}
# Standard deviation of the first values of embedding tables.
SPREAD = 0.1


def random_weights(shape: Shape, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Every array of the network, drawn anew; matrices so that a layer keeps the size of what passes it."""
    return {name: _draw(name, size, rng) for name, size in sizes(shape)}


def sizes(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of each array of the network, but for the items' own."""
    width, hidden = shape.width, shape.hidden
    yield from (("start", (width,)), ("scale", (1,)), ("temperature", (1,)))
    yield from (("action", (len(ACTIONS), width)), ("gap", (GAPS, width)), ("query_gap", (GAPS, width)))
    yield from (("query_surface", (len(SURFACES), width)), ("query_target", (len(ACTIONS) + 1, width)))
    if shape.ordered:
        yield "position", (shape.length + 1, width)
    for block in (f"blocks.{place}." for place in range(shape.blocks)):
        yield from _norm_sizes(block + "attention_norm", width)
        yield from ((block + "project.weight", (3 * width, width)), (block + "mix.weight", (width, width)))
        yield from _norm_sizes(block + "feed_norm", width)
        yield from _feed_sizes(block, width, hidden)
    yield from _norm_sizes("norm", width)
    yield from _feed_sizes("query_", width, hidden)
    if shape.features:
        yield "content.table", (shape.features, width)
        yield from _feed_sizes("content.", width, hidden)


def _norm_sizes(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((name + ".weight", (width,)), (name + ".bias", (width,)))


def _feed_sizes(name: str, width: int, hidden: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((name + "widen.weight", (hidden, width)), (name + "widen.bias", (hidden,)))
    yield from ((name + "narrow.weight", (width, hidden)), (name + "narrow.bias", (width,)))


def _draw(name: str, size: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    if name.endswith("norm.weight"):
        return np.ones(size, np.float32)
    if name.endswith("bias"):
        return np.zeros(size, np.float32)
    if name in FIRST_VALUES:
        return np.full(size, FIRST_VALUES[name], np.float32)
    spread = 1 / np.sqrt(size[-1]) if name.endswith(".weight") else SPREAD
    return (spread * rng.standard_normal(size)).astype(np.float32)
