"""Where the wanted items stand in the full ranking: batched, ties counted against the model."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.errors import HeadError
from recsys.measures.question import Question

# Scores held at once; a batch has as many users as fit.
_BATCH_BYTES = 64_000_000


def sampled_positions(head: "Scorer", question: Question, negatives: NDArray[np.integer]) -> NDArray[np.int32]:
    """The place of each of `question.wanted` among itself and its own negatives alone, shape (len(question.wanted),).

    Args:
        negatives: items, shape (len(question.wanted), n); equal scores count against the model.
    """
    wanted, found = question.wanted, np.zeros(len(question.wanted), np.int32)
    for users, rows in _batches(wanted.user, len(wanted.items)):
        scores = _scores(head, users, len(wanted.items))
        row = np.searchsorted(users, wanted.user[rows])
        own = scores[row, wanted.item[rows]]
        found[rows] = 1 + np.sum(scores[row[:, None], negatives[rows]] >= own[:, None], axis=1)
    return found


class Scorer(Protocol):
    """Whatever scores all items for some users; a Head does."""

    @property
    def name(self) -> str: ...

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]: ...


def positions(head: Scorer, question: Question, deepest: int) -> NDArray[np.int32]:
    """The place of each of `question.wanted` among all items that its user may be shown, 1 for the first.

    Items in `question.seen` are left out. Of items with equal scores, those that are not wanted stand first. 0 where
    the item stands below `deepest` or may not be recommended, shape (len(question.wanted),).

    Raises:
        HeadError: if the head's scores have another shape or are not finite.
    """
    wanted, seen = question.wanted, question.seen.matrix()
    found = np.zeros(len(wanted), np.int32)
    deepest = min(deepest, len(wanted.items))
    for users, rows in _batches(wanted.user, len(wanted.items)):
        scores = _scores(head, users, len(wanted.items))
        if question.candidates is not None:
            scores[:, ~question.candidates] = -np.inf
        past = seen[users]
        scores[np.repeat(np.arange(len(users)), np.diff(past.indptr)), past.indices] = -np.inf
        row = np.searchsorted(users, wanted.user[rows])
        found[rows] = places(scores, row, wanted.item[rows], deepest)
    return found


def places(
    scores: NDArray[np.float32], row: NDArray[np.integer], column: NDArray[np.integer], deepest: int
) -> NDArray[np.int32]:
    """The place of each (row, column) in its row of scores, 0 below `deepest` or where the score is -inf.

    `row` and `column` name each wanted cell once. Cost: one selection a row, and a count of ties a wanted cell.
    """
    top = np.partition(scores, scores.shape[1] - deepest, axis=1)[:, -deepest:]
    own, last = scores[row, column], top.min(axis=1)
    found = np.zeros(len(row), np.int32)
    near = np.flatnonzero((own >= last[row]) & np.isfinite(own))
    row, column, own = row[near], column[near], own[near]
    above = np.sum(top[row] > own[:, None], axis=1)
    equal = np.sum(top[row] == own[:, None], axis=1)
    for k in np.flatnonzero(own == last[row]):
        equal[k] = np.count_nonzero(scores[row[k]] == own[k])
    ordinal, alike = _among_equals(row, own)
    place = above + equal - alike + ordinal
    found[near] = np.where(place <= deepest, place, 0)
    return found


def _among_equals(row: NDArray[np.integer], own: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each wanted cell: which it is (from 1) of those of its row with its score, and how many those are."""
    order = np.lexsort((own, row))
    new = np.ones(len(order), bool)
    new[1:] = (row[order][1:] != row[order][:-1]) | (own[order][1:] != own[order][:-1])
    starts = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    sizes = np.diff(np.append(starts, len(order)))
    ordinal, alike = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    ordinal[order] = np.arange(len(order)) - starts[group] + 1
    alike[order] = sizes[group]
    return ordinal, alike


def _batches(user: NDArray[np.int32], items: int) -> Iterator[tuple[NDArray[np.int32], slice]]:
    """Distinct users in order, and the rows of the sorted `user` that are theirs."""
    users, starts = np.unique(user, return_index=True)
    ends = np.append(starts, len(user))
    step = max(1, _BATCH_BYTES // (4 * items))
    for begin in range(0, len(users), step):
        end = min(begin + step, len(users))
        yield users[begin:end], slice(int(ends[begin]), int(ends[end]))


def _scores(head: Scorer, users: NDArray[np.int32], items: int) -> NDArray[np.float32]:
    """The head's scores, a copy that may be written to."""
    scores = np.array(head.scores(users), dtype=np.float32)
    if scores.shape != (len(users), items):
        raise HeadError(f"{head.name}: scores have shape {scores.shape}, expected {(len(users), items)}.")
    if not np.isfinite(scores).all():
        bad = int(users[np.flatnonzero(~np.isfinite(scores).all(axis=1))[0]])
        raise HeadError(f"{head.name}: a score of user {bad} is not finite; every item must get a number.")
    return scores
