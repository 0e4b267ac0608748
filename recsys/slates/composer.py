"""Slates from arrays: place after place, under hard rules, drawn with a known chance; one request or thousands."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.slates.alone import BLOCK, alone
from recsys.slates.candidates import Booleans, Candidates, Composed, Floats, Integers
from recsys.slates.draws import uniforms
from recsys.slates.rules import RELAXATIONS, Exploration, Rules, SlateError

LEAST = np.finfo(float).min


def compose(
    candidates: Candidates,
    rules: Rules,
    exploration: Exploration,
    *,
    size: int,
    seeds: NDArray[np.uint64],
    keep_chances: bool = False,
) -> Composed:
    """Slates of `size` places drawn with these seeds; a shorter slate is the beginning of a longer one."""
    if len(seeds) != len(candidates.value):
        raise SlateError(f"{len(seeds)} seeds for {len(candidates.value)} requests; give one for each.")
    # Just below 1, so that no rounding carries a draw past the last candidate.
    draws = np.minimum(uniforms(seeds, size), 1 - 2.0**-52)
    if len(seeds) == 1 and not keep_chances and (made := alone(candidates, rules, exploration, draws[0])) is not None:
        return made
    return _Board(candidates, rules, exploration).fill(size, keep_chances, draws=draws)


def chances_of(
    candidates: Candidates,
    rules: Rules,
    exploration: Exploration,
    chosen: Integers,
    *,
    keep_chances: bool = False,
) -> Composed:
    """The same, of slates that are given: what chance this policy gives to each place of `chosen`.

    Args:
        chosen: columns of the candidates, shape (requests, places), -1 from where a slate ends. A propensity
            of 0 says that this policy could not have put that item there.
    """
    return _Board(candidates, rules, exploration).fill(chosen.shape[1], keep_chances, given=chosen)


class _Board:
    """Slates half filled. Columns are sorted by value, so that the best that the rules allow come first.

    What can be updated is not computed again, and what is rare (a rule that gives way, a slate that ends early) is paid
    for only when it happens.
    """

    def __init__(self, candidates: Candidates, rules: Rules, exploration: Exploration) -> None:
        self.rules, self.exploration = rules, exploration
        worth = np.where(candidates.eligible, candidates.value, -np.inf)
        self.order = (-worth).argsort(axis=1, kind="stable")
        self.rows = np.arange(len(worth))
        self.eligible = np.take_along_axis(candidates.eligible, self.order, 1)
        self.first = np.take_along_axis(candidates.first_party, self.order, 1)
        publisher = np.take_along_axis(candidates.publisher, self.order, 1).astype(np.int64)
        # Items of the shop and of no publisher are each their own: no rule about publishers ever counts two of them.
        alone = self.first | (publisher < 0)
        self.publisher = np.where(alone, -2 - np.arange(self.order.shape[1]), publisher)
        value = _in_spreads(np.take_along_axis(worth, self.order, 1), self.eligible, exploration.top)
        self.base = self.logits = value / exploration.temperature
        self.vectors = None if exploration.diversity == 0 else self._sorted(candidates.vectors)
        self.penalty = exploration.diversity / exploration.temperature
        self.open, self.own = self.eligible.copy(), np.zeros(len(worth), np.int64)
        # What stands so far, and whose it is; -1, which nobody is, where nothing stands.
        self.picked = self.shown = np.zeros((len(worth), 0), np.int64)

    def fill(self, size: int, keep: bool, *, draws: Floats | None = None, given: Integers | None = None) -> Composed:
        """Draw, or take what is given, place after place."""
        shape = len(self.rows), size
        if not self.order.shape[1]:
            return _nothing(shape, keep)
        made = _blank(shape, self.order.shape[1] if keep else None)
        self.picked = made.chosen if given is None else _inverse(self.order, given)
        self.shown = np.full(shape, -1)
        for place in range(size):
            allowed, rank = self._ranked(place, made.relaxed)
            support, weights, running = self._weights(allowed, rank)
            count = made.candidates[:, place] = np.minimum(rank[:, -1], self.exploration.top)
            full = bool(count.all())
            total = running[:, -1] if full else np.where(count > 0, running[:, -1], 1.0)
            greedy = (1 - self.exploration.epsilon) / total
            uniform = self.exploration.epsilon / (count if full else np.maximum(count, 1))
            if draws is not None:
                ranked = np.minimum(rank, self.exploration.top)
                self.picked[:, place] = _drawn(running, ranked, greedy / uniform, draws[:, place])
            if not full:
                self.picked[count == 0, place] = -1
            at = self.picked[:, place]
            chance = weights[self.rows, at] * greedy + uniform
            made.propensity[:, place] = chance if given is None else np.where(support[self.rows, at], chance, 0.0)
            made.score[:, place] = self.logits[self.rows, at]
            if made.chances is not None:
                pi = weights * greedy[:, None] + support * uniform[:, None]
                np.put_along_axis(made.chances[:, place], self.order, pi, 1)
            self._put(place, at)
        return self._finished(made)

    def _finished(self, made: Composed) -> Composed:
        there = self.picked >= 0
        chosen = np.where(there, np.take_along_axis(self.order, np.maximum(self.picked, 0), 1), -1)
        propensity = np.where(there, made.propensity, 0.0)
        score = np.where(there, made.score * self.exploration.temperature, np.nan)
        return replace(made, chosen=chosen, propensity=propensity, score=score)

    def _ranked(self, place: int, relaxed: Integers) -> tuple[Booleans, Floats]:
        """Who may stand here and their running number; notes in `relaxed` how many rules gave way."""
        if place and place % self.rules.row == 0:
            for shown in self.shown[:, place - self.rules.row : place].T:
                self.open &= self.publisher != shown[:, None]
        party = self._party(place)
        allowed = self.open if party is None else self.open & party
        rank = allowed.cumsum(axis=1, dtype=np.float64)
        if rank[:, -1].all():
            return allowed, rank
        allowed, fair = allowed.copy(), self._free(place) & self._fair(place)
        widest = self._free(place)
        fresh = fair & self._fresh(place - place % self.rules.row)
        for level, wider in enumerate((fresh, fair, widest), start=1):
            stuck = ~allowed.any(axis=1) & wider.any(axis=1)
            allowed[stuck] = wider[stuck]
            relaxed[stuck, place] = level
        return allowed, allowed.cumsum(axis=1, dtype=np.float64)

    def _weights(self, allowed: Booleans, rank: Floats) -> tuple[Booleans, Floats, Floats]:
        """Of the best `top` of those allowed: who they are, exp((s - best) / temperature), and its running sum.

        A running sum adds in one order however much padding follows: one request and many agree to the bit.
        """
        support = allowed & (rank <= self.exploration.top)
        weights = np.where(support, self.logits, -np.inf)
        best = weights.max(axis=1, keepdims=True)
        weights -= best if rank[:, -1].all() else np.maximum(best, LEAST)
        np.exp(weights, out=weights)
        return support, weights, weights.cumsum(axis=1)

    def _free(self, place: int) -> Booleans:
        """Where nothing stands yet."""
        free = self.eligible.copy()
        for k in range(place):
            there = self.picked[:, k] >= 0
            free[self.rows[there], self.picked[there, k]] = False
        return free

    def _fair(self, place: int) -> Booleans:
        """Where a publisher has a place left."""
        count = np.zeros(self.publisher.shape, np.int16)
        for shown in self.shown[:, :place].T:
            count += self.publisher == shown[:, None]
        return count < self.rules.per_publisher

    def _fresh(self, start: int) -> Booleans:
        """Where the publisher stands in no row before the one that begins at `start`."""
        fresh = np.ones(self.publisher.shape, bool)
        for shown in self.shown[:, :start].T:
            fresh &= self.publisher != shown[:, None]
        return fresh

    def _party(self, place: int) -> Booleans | None:
        """Where only one party may stand because its least share is due; None if that is so in no request."""
        # A share such as 0.7 is a little less than 7/10 in binary: 0.7 * 10 must count as 7.
        due = [int(share * (place + 1) + 1e-9) for share in (self.rules.first_party, self.rules.third_party)]
        if not any(due):
            return None
        first, third = due[0] > self.own, due[1] > place - self.own
        if not (first.any() or third.any()):
            return None
        allowed: Booleans = (self.first | ~first[:, None]) & (~self.first | ~third[:, None])
        return allowed

    def _put(self, place: int, at: Integers) -> None:
        there = at >= 0
        self.open[self.rows, at] &= ~there
        self.own += self.first[self.rows, at] & there
        last = self.publisher[self.rows, at][:, None]
        self.shown[:, place, None] = last if there.all() else np.where(there[:, None], last, -1)
        if place + 1 >= self.rules.per_publisher:
            full = (self.shown[:, : place + 1] == last).sum(axis=1) >= self.rules.per_publisher
            if full.any():
                self.open &= (self.publisher != last) | ~full[:, None]
        if self.vectors is not None:
            like = np.matvec(self.vectors, self.vectors[self.rows, at] * self.penalty)
            lower = self.base - like[:, : self.base.shape[1]]
            np.minimum(self.logits, lower if there.all() else np.where(there[:, None], lower, np.inf), out=lower)
            self.logits = lower

    def _sorted(self, vectors: NDArray[np.floating] | None) -> NDArray[np.floating] | None:
        """Rows in the order of the columns, and some more so that their number is a multiple of BLOCK.

        A product of a matrix and a vector works on blocks of rows and rounds those that are left over otherwise: only
        whole blocks give a candidate the same cosine alone as among more.
        """
        if vectors is None or not self.order.shape[1]:
            return None
        more = -self.order.shape[1] % BLOCK
        return vectors[self.rows[:, None], np.pad(self.order, ((0, 0), (0, more)), mode="edge")]


def _drawn(running: Floats, rank: Floats, ratio: Floats, draw: Floats) -> Integers:
    """The first column at which the running sum of the chances passes the draw; the number of columns if none does.

    The sum is that of weight * greedy + uniform over `uniform`, with `ratio` = greedy / uniform.
    """
    passed = running * ratio[:, None]
    passed += rank
    target = draw * passed[:, -1]
    columns: Integers = (passed <= target[:, None]).sum(axis=1)
    return columns


def _blank(shape: tuple[int, int], columns: int | None) -> Composed:
    """To be filled."""
    integers, floats = np.zeros((3, *shape), np.int64), np.zeros((2, *shape))
    chances = None if columns is None else np.zeros((*shape, columns))
    return Composed(integers[0], floats[0], floats[1], integers[1], integers[2], chances)


def _nothing(shape: tuple[int, int], keep: bool) -> Composed:
    none = np.zeros(shape, np.int64)
    chances = np.zeros((*shape, 0)) if keep else None
    return Composed(none - 1, np.zeros(shape), np.full(shape, np.nan), none, none, chances)


def _in_spreads(worth: Floats, eligible: Booleans, top: int) -> Floats:
    """Values, sorted from the best, over the spread between the quarters of the best `top`; 0 if not eligible.

    Only order statistics are used: padding changes nothing. Where the quarters are equal their whole range is the
    unit, and where all are equal there is none to need.
    """
    if not worth.shape[1]:
        return worth
    count = np.minimum(eligible.sum(axis=1), top)
    rows = np.arange(len(worth))

    def at(share: float) -> Floats:
        place = (share * np.maximum(count - 1, 0)).astype(np.int64)
        return np.where(count > 0, worth[rows, place], 0.0)

    quarters, whole = at(0.25) - at(0.75), at(0.0) - at(1.0)
    unit = np.where(quarters > 0, quarters, np.where(whole > 0, whole, 1.0))
    return np.where(eligible, (np.where(eligible, worth, 0.0) - at(0.0)[:, None]) / unit[:, None], 0.0)


def _inverse(order: Integers, given: Integers) -> Integers:
    """Where the given columns lie in the sorted order, -1 stays -1."""
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), 1)
    return np.where(given < 0, -1, np.take_along_axis(place, np.maximum(given, 0), 1))


def relaxed_rules(relaxed: Integers) -> tuple[str, ...]:
    """Names of the rules that gave way anywhere in one slate, in the order in which they do."""
    return RELAXATIONS[: int(relaxed.max(initial=0))]
