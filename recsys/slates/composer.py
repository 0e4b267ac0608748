"""Slates from arrays: place after place, under hard rules, drawn with a known chance; one request or thousands."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.slates.draws import uniforms
from recsys.slates.rules import RELAXATIONS, Exploration, Rules, SlateError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What could be shown, a row a request; every array but `vectors` has shape (requests, candidates).

    Attributes:
        value: what showing the item is worth, higher is better, finite where `eligible`.
        eligible: False for padding and for what must not be shown: owned, too old for the person, not for sale.
        publisher: a number a publisher; what it is for first-party items does not matter.
        first_party: True where the shop makes the item itself.
        vectors: unit rows for likeness, shape (requests, candidates, dimensions); None takes all as unlike.
    """

    value: Floats
    eligible: Booleans
    publisher: NDArray[np.integer]
    first_party: Booleans
    vectors: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name in ("eligible", "publisher", "first_party"):
            if getattr(self, name).shape != self.value.shape:
                raise SlateError(f"{name} has shape {getattr(self, name).shape}, expected {self.value.shape} as value.")
        if not np.isfinite(self.value[self.eligible]).all():
            raise SlateError("the value of an eligible candidate is not finite; mark it as not eligible or mend it.")


@dataclass(frozen=True, slots=True)
class Composed:
    """Slates as arrays of shape (requests, places); a place that nothing could fill has `chosen` -1.

    Attributes:
        chosen: columns of the candidates.
        propensity: exact chance of the choice given the places before it; 0 where nothing stands.
        score: the value in units of the spread, less the penalty for likeness: what the softmax saw.
        candidates: how many could have stood there.
        relaxed: how many of RELAXATIONS gave way at this place, in their order; 0 for none.
        chances: of every candidate at every place, shape (requests, places, candidates), where asked for.
    """

    chosen: Integers
    propensity: Floats
    score: Floats
    candidates: Integers
    relaxed: Integers
    chances: Floats | None = None


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
    draws = uniforms(seeds, size)
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
    """Slates half filled. Columns are sorted by value, so that the best that the rules allow come first."""

    def __init__(self, candidates: Candidates, rules: Rules, exploration: Exploration) -> None:
        self.rules, self.exploration = rules, exploration
        worth = np.where(candidates.eligible, candidates.value, -np.inf)
        self.order = np.argsort(-worth, axis=1, kind="stable")
        self.rows = np.arange(len(worth))
        self.free = np.take_along_axis(candidates.eligible, self.order, 1)
        self.first = np.take_along_axis(candidates.first_party, self.order, 1)
        # A number of its own for the shop, so that no rule about publishers counts its items.
        self.publisher = np.where(self.first, -1, np.take_along_axis(candidates.publisher, self.order, 1))
        self.value = _in_spreads(np.take_along_axis(worth, self.order, 1), self.free, exploration.top)
        self.vectors = None
        if candidates.vectors is not None and exploration.diversity > 0:
            self.vectors = candidates.vectors[self.rows[:, None], self.order]
            self.likeness = np.zeros(worth.shape)
        self.of_publisher = np.zeros(worth.shape, np.int16)
        self.in_row = np.zeros(worth.shape, bool)
        self.in_earlier_row = np.zeros(worth.shape, bool)
        self.placed = np.zeros((2, len(worth)), np.int64)

    def fill(self, size: int, keep: bool, *, draws: Floats | None = None, given: Integers | None = None) -> Composed:
        """Draw, or take what is given, place after place."""
        shape = len(self.rows), size
        if not self.order.shape[1]:
            return _nothing(shape, keep)
        chosen, counts, relaxed = np.full(shape, -1), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        propensity, scores = np.zeros(shape), np.full(shape, np.nan)
        chances = np.zeros((*shape, self.order.shape[1])) if keep else None
        column = None if given is None else _inverse(self.order, given)
        for place in range(size):
            support, counts[:, place], relaxed[:, place] = self._support(place)
            score = self._scores()
            chance = self._chances(support, score, counts[:, place])
            pick = _drawn(chance, draws[:, place]) if draws is not None else column[:, place]  # type: ignore[index]
            there = (counts[:, place] > 0) & (pick >= 0)
            at = np.where(there, pick, 0)
            chosen[there, place] = self.order[self.rows, at][there]
            propensity[there, place] = chance[self.rows, at][there]
            scores[there, place] = score[self.rows, at][there]
            if chances is not None:
                np.put_along_axis(chances[:, place], self.order, chance, 1)
            self._put(there, at)
        return Composed(chosen, propensity, scores, counts, relaxed, chances)

    def _support(self, place: int) -> tuple[Booleans, Integers, Integers]:
        """Who may stand here: the best `top` of those that the rules allow; how many; how many rules gave way."""
        if place % self.rules.row == 0:
            self.in_earlier_row = self.in_row.copy()
        fair = self.of_publisher < self.rules.per_publisher
        once = self.free & ~self.in_earlier_row
        party = self._party(place)
        allowed = once & fair if party is None else once & fair & party
        relaxed = np.zeros(len(self.rows), np.int64)
        if not allowed.any(axis=1).all():
            for level, wider in enumerate((once & fair, self.free & fair, self.free), start=1):
                stuck = ~allowed.any(axis=1) & wider.any(axis=1)
                allowed[stuck] = wider[stuck]
                relaxed[stuck] = level
        rank = np.cumsum(allowed, axis=1, dtype=np.int32)
        top = self.exploration.top
        return allowed & (rank <= top), np.minimum(rank[:, -1], top).astype(np.int64), relaxed

    def _party(self, place: int) -> Booleans | None:
        """Where only one party may stand because its least share is due; None if that is so in no request."""
        shares = self.rules.first_party, self.rules.third_party
        # A share such as 0.7 is a little less than 7/10 in binary: 0.7 * 10 must count as 7.
        due = [int(share * (place + 1) + 1e-9) > count for share, count in zip(shares, self.placed, strict=True)]
        if not due[0].any() and not due[1].any():
            return None
        return (self.first | ~due[0][:, None]) & (~self.first | ~due[1][:, None])

    def _scores(self) -> Floats:
        if self.vectors is None:
            return self.value
        return self.value - self.exploration.diversity * self.likeness

    def _chances(self, support: Booleans, score: Floats, count: Integers) -> Floats:
        """pi of every candidate, shape (requests, candidates); 0 outside `support`."""
        epsilon = self.exploration.epsilon
        logits = np.where(support, score / self.exploration.temperature, -np.inf)
        best = logits.max(axis=1, keepdims=True)
        weights = np.exp(logits - np.where(np.isfinite(best), best, 0.0))
        # A running sum adds in one order however much padding follows: one request and many agree to the bit.
        total = np.cumsum(weights, axis=1)[:, -1:]
        greedy = (1 - epsilon) / np.where(total > 0, total, 1.0)
        chance: Floats = weights * greedy + support * (epsilon / np.maximum(count, 1))[:, None]
        return chance

    def _put(self, there: Booleans, at: Integers) -> None:
        rows, columns = self.rows[there], at[there]
        self.free[rows, columns] = False
        shop = self.first[rows, columns]
        self.placed[0, rows] += shop
        self.placed[1, rows] += ~shop
        publisher = np.where(there, self.publisher[self.rows, at], -1)[:, None]
        same = (self.publisher == publisher) & (publisher >= 0)
        self.of_publisher += same
        self.in_row |= same
        if self.vectors is not None:
            likeness = np.einsum("rcd,rd->rc", self.vectors, self.vectors[self.rows, at])
            np.maximum(self.likeness, np.where(there[:, None], likeness, 0.0), out=self.likeness)


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


def _drawn(chance: Floats, draw: Floats) -> Integers:
    """The first column at which the running sum of the chances passes the draw, -1 where there is none to draw."""
    running = np.cumsum(chance, axis=1)
    target = np.minimum(draw * running[:, -1], np.nextafter(running[:, -1], 0))
    return np.where(running[:, -1] > 0, (running <= target[:, None]).sum(axis=1), -1)


def _inverse(order: Integers, given: Integers) -> Integers:
    """Where the given columns lie in the sorted order, -1 stays -1."""
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), 1)
    return np.where(given < 0, -1, np.take_along_axis(place, np.maximum(given, 0), 1))


def relaxed_rules(relaxed: Integers) -> tuple[str, ...]:
    """Names of the rules that gave way anywhere in one slate, in the order in which they do."""
    return RELAXATIONS[: int(relaxed.max(initial=0))]
