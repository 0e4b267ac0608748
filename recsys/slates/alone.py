"""The slate of a single request: what composer.py does for many, to the bit, with a third of the array operations.

A request costs as much as the number of operations at each place, not as much as their length. So at each place only
the columns that could stand there are looked at, and what is rare is left to the arrays for many: a rule that gives
way, a slate that ends early.
"""

from collections import Counter

import numpy as np

from recsys.slates.candidates import Booleans, Candidates, Composed, Floats
from recsys.slates.rules import Exploration, Rules

# A product of a matrix and a vector works on so many rows at once.
BLOCK = 16
NOBODY = -1


def alone(candidates: Candidates, rules: Rules, exploration: Exploration, draws: Floats) -> Composed | None:
    """The slate of the only row of `candidates`; None where a rule would give way or a place stay empty."""
    line, size = _Line(candidates, rules, exploration), len(draws)
    made = Composed(*(np.zeros((1, size), kind) for kind in (np.int64, float, float, np.int64, np.int64)))
    for place, draw in enumerate(draws.tolist()):
        columns = line.allowed(place).nonzero()[0][: exploration.top]
        if not len(columns):
            return None
        logits = line.logits[columns]
        weights = np.exp(logits - logits.max())
        running = weights.cumsum()
        greedy, uniform = (1 - exploration.epsilon) / running[-1], exploration.epsilon / len(columns)
        # The running sum of the chances, over `uniform`; the draw falls on the first that passes it.
        passed = running * (greedy / uniform) + line.counted[: len(columns)]
        rank = int(passed.searchsorted(draw * passed[-1], side="right"))
        at = int(columns[rank])
        made.chosen[0, place] = line.order[at]
        made.propensity[0, place] = weights[rank] * greedy + uniform
        made.score[0, place] = logits[rank] * exploration.temperature
        made.candidates[0, place] = len(columns)
        if place + 1 < size:
            line.put(at)
    return made


class _Line:
    """One slate half filled; columns are those that are eligible, the best first."""

    def __init__(self, candidates: Candidates, rules: Rules, exploration: Exploration) -> None:
        self.rules = rules
        columns = candidates.eligible[0].nonzero()[0]
        value = candidates.value[0, columns]
        order = (-value).argsort(kind="stable")
        self.order = columns[order]
        self.base = _in_spreads(value[order], exploration.top) / exploration.temperature
        self.logits = self.base.copy()
        self.first = candidates.first_party[0, self.order]
        self.third = ~self.first
        publisher = candidates.publisher[0, self.order]
        # No rule about publishers ever counts two of the shop's items, or two of which no publisher is known.
        self.publisher = np.where(self.first | (publisher < 0), NOBODY, publisher)
        self.counted = np.arange(1.0, exploration.top + 1)
        self.penalty = exploration.diversity / exploration.temperature
        self.vectors = None
        if candidates.vectors is not None and exploration.diversity and len(self.order):
            # Whole blocks of rows only: so a column has the same product here as among more.
            self.vectors = candidates.vectors[0, np.pad(self.order, (0, -len(self.order) % BLOCK), mode="edge")]
        self.open, self.own = np.ones(len(self.order), bool), 0
        self.shown: Counter[int] = Counter()
        self.row: list[int] = []

    def allowed(self, place: int) -> Booleans:
        """Who may stand at this place, the next."""
        if len(self.row) == self.rules.row:
            for publisher in self.row:
                self._close(publisher)
            self.row = []
        # A share such as 0.7 is a little less than 7/10 in binary: 0.7 * 10 must count as 7.
        first, third = (int(share * (place + 1) + 1e-9) for share in (self.rules.first_party, self.rules.third_party))
        allowed = self.open & self.first if first > self.own else self.open
        return allowed & self.third if third > place - self.own else allowed

    def put(self, at: int) -> None:
        """The next place is this column's."""
        self.open[at] = False
        self.own += int(self.first[at])
        publisher = int(self.publisher[at])
        self.row.append(publisher)
        self.shown[publisher] += 1
        if self.shown[publisher] == self.rules.per_publisher:
            self._close(publisher)
        if self.vectors is not None:
            like = np.matvec(self.vectors, self.vectors[at] * self.penalty)
            np.minimum(self.logits, self.base - like[: len(self.base)], out=self.logits)

    def _close(self, publisher: int) -> None:
        if publisher != NOBODY:
            self.open &= self.publisher != publisher


def _in_spreads(value: Floats, top: int) -> Floats:
    """Values, sorted from the best, over the spread between the quarters of the best `top`.

    Only order statistics are used: more candidates below change nothing. Where the quarters are equal their whole range
    is the unit, and where all are equal there is none to need.
    """
    if not len(value):
        return value
    last = min(len(value), top) - 1
    best, upper, lower, least = (float(value[int(share * last)]) for share in (0, 0.25, 0.75, 1))
    return (value - best) / (upper - lower or best - least or 1.0)
