"""The encoder's forward pass in numpy: what serving runs, equal to the network that is trained (network.py)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.content import Bags
from recsys.encoder.shape import GAPS, Shape
from recsys.errors import ModelError

Weights = Mapping[str, NDArray[np.float32]]
Array = NDArray[np.float32]

EPSILON = np.float32(1e-5)
# Rows that go through the blocks at once: 256 of 100 acts need 50 MB.
CHUNK = 256


@dataclass(frozen=True, slots=True)
class PackedHistories:
    """Histories without their padding, packed one behind the other.

    Attributes:
        starts: row i has the acts starts[i]:starts[i + 1], shape (n + 1,).
        items, actions, gaps: place of the item, of the action, and the bucket of the time since the act before.
        waits: bucket of the time from the last act to now, shape (n,); 0 for a row without acts.
    """

    starts: NDArray[np.int64]
    items: NDArray[np.int64]
    actions: NDArray[np.int64]
    gaps: NDArray[np.int64]
    waits: NDArray[np.int64]


def histories(
    items: NDArray[np.integer],
    actions: NDArray[np.integer],
    times: NDArray[np.integer],
    now: NDArray[np.integer] | int,
    shape: Shape,
) -> PackedHistories:
    """Rows that are padded on the left with -1, packed; only the latest `shape.length` acts are kept."""
    items, actions, times = (np.asarray(each)[:, -shape.length :] for each in (items, actions, times))
    there = items >= 0
    if items.shape[1] > 1 and bool((there[:, :-1] > there[:, 1:]).any()):
        raise ModelError("a history has -1 after an act; pad on the left: -1, -1, first act, ..., last act.")
    lengths = there.sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    since = np.diff(times, axis=1, prepend=0)
    first = there & ~np.pad(there, ((0, 0), (1, 0)))[:, :-1]
    waits = np.where(lengths > 0, now - (times[:, -1] if times.shape[1] else 0), 0)
    gaps = bucket(np.where(first, 0, since))
    if not shape.ordered:
        gaps, waits = np.zeros_like(gaps), np.zeros_like(waits)
    told = [each[there].astype(np.int64) for each in (items, actions, gaps)]
    return PackedHistories(starts, told[0], told[1], told[2], bucket(waits))


def bucket(microseconds: NDArray[np.integer]) -> NDArray[np.int64]:
    """0 below one second, then one more with every doubling, at most GAPS - 1."""
    seconds = np.maximum(np.asarray(microseconds, np.int64) // 1_000_000, 0)
    # frexp is exact where log2 of a power of two may round; 53 bits are enough for seconds.
    return np.minimum(np.frexp(seconds.astype(np.float64))[1], GAPS - 1).astype(np.int64)


def user_vectors(
    weights: Weights, shape: Shape, vectors: Array, history: PackedHistories, query: tuple[int, int]
) -> Array:
    """Unit vectors of the rows, float32 (n, width)."""
    count = len(history.waits)
    out = np.empty((count, shape.width), np.float32)
    # Rows of like length go together, so that little is spent on padding.
    order = np.argsort(np.diff(history.starts), kind="stable")
    for begin in range(0, count, CHUNK):
        rows = order[begin : begin + CHUNK]
        tokens, lengths = _tokens(weights, shape, vectors, history, rows)
        out[rows] = _answer(weights, _states(weights, shape, tokens, lengths), query, history.waits[rows])
    return out


def content_vectors(weights: Weights, bags: Bags) -> Array:
    """Unit vectors of items from their content alone, float32 (items, width)."""
    return unit(content_rows(weights, bags))


def content_rows(weights: Weights, bags: Bags) -> Array:
    """What content adds to an item's vector before it is scaled to length 1, float32 (items, width)."""
    table = weights["content.table"]
    summed: Array = np.asarray(bags.matrix(len(table)) @ table, np.float32)
    hidden = np.maximum(_linear(weights, "content.widen", summed), 0)
    return summed + _linear(weights, "content.narrow", hidden)


def unit(rows: Array) -> Array:
    found: Array = rows / np.maximum(np.sqrt((rows * rows).sum(axis=-1, keepdims=True)), np.float32(1e-12))
    return found


def _tokens(
    weights: Weights, shape: Shape, vectors: Array, history: PackedHistories, rows: NDArray[np.intp]
) -> tuple[Array, NDArray[np.int64]]:
    """What the blocks read, padded on the right, (rows, longest + 1, width), and how many acts each row has."""
    begins, lengths = history.starts[rows], np.diff(history.starts)[rows]
    longest = int(lengths.max(initial=0))
    tokens = np.zeros((len(rows), longest + 1, shape.width), np.float32)
    there = np.arange(longest) < lengths[:, None]
    acts = (begins[:, None] + np.arange(longest))[there]
    told = vectors[history.items[acts]] * weights["scale"] + weights["action"][history.actions[acts]]
    tokens[:, 0] = weights["start"]
    tokens[:, 1:][there] = told + weights["gap"][history.gaps[acts]]
    if shape.ordered:
        tokens += weights["position"][: longest + 1]
    return tokens, lengths


def _states(weights: Weights, shape: Shape, tokens: Array, lengths: NDArray[np.int64]) -> Array:
    """The last state of each row after all blocks, (rows, width)."""
    each = np.arange(len(tokens))
    for block in range(shape.blocks):
        # Only the last act's state leaves the last block, so only that one asks and is fed forward there.
        last = (each, lengths) if block == shape.blocks - 1 else None
        tokens = _block(weights, f"blocks.{block}.", shape, tokens, last)
    return _normal(weights, "norm", tokens if shape.blocks else tokens[each, lengths])


def _block(
    weights: Weights, name: str, shape: Shape, tokens: Array, last: tuple[NDArray[np.int64], NDArray[np.int64]] | None
) -> Array:
    rows, long, width = tokens.shape
    asked = _normal(weights, name + "attention_norm", tokens) @ weights[name + "project.weight"].T
    asked = asked.reshape(rows, long, 3, shape.heads, width // shape.heads).transpose(2, 0, 3, 1, 4)
    queries, keys, values = asked[0], asked[1], asked[2]
    if last is not None:
        queries = queries[last[0], :, last[1]][:, :, None]
        tokens = tokens[last]
    found = _attend(queries, keys, values, last[1] if last is not None else None)
    found = found.transpose(0, 2, 1, 3).reshape(tokens.shape)
    tokens = tokens + found @ weights[name + "mix.weight"].T
    hidden = np.maximum(_linear(weights, name + "widen", _normal(weights, name + "feed_norm", tokens)), 0)
    return tokens + _linear(weights, name + "narrow", hidden)


def _attend(queries: Array, keys: Array, values: Array, last: NDArray[np.int64] | None) -> Array:
    """Causal attention, (rows, heads, asking, width of a head); `last` is where the only query of a row stands."""
    scores = queries @ keys.swapaxes(-1, -2) * np.float32(1 / np.sqrt(keys.shape[-1]))
    place = np.arange(keys.shape[-2])
    if last is None:
        scores += np.where(place > place[:, None], np.float32(-np.inf), np.float32(0))
    else:
        scores += np.where(place > last[:, None], np.float32(-np.inf), np.float32(0))[:, None, None]
    np.exp(scores - scores.max(axis=-1, keepdims=True), out=scores)
    found: Array = scores @ values / scores.sum(axis=-1, keepdims=True)
    return found


def _answer(weights: Weights, states: Array, query: tuple[int, int], waits: NDArray[np.int64]) -> Array:
    surface, target = query
    asked = weights["query_surface"][surface] + weights["query_target"][target] + weights["query_gap"][waits]
    hidden = np.maximum(_linear(weights, "query_widen", states + asked), 0)
    return unit(states + _linear(weights, "query_narrow", hidden))


def _linear(weights: Weights, name: str, rows: Array) -> Array:
    found: Array = rows @ weights[name + ".weight"].T + weights[name + ".bias"]
    return found


def _normal(weights: Weights, name: str, rows: Array) -> Array:
    """Layer normalisation over the last axis."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + EPSILON)
    found: Array = centred / spread * weights[name + ".weight"] + weights[name + ".bias"]
    return found
