"""The composer once more, as plain loops over one request: slow, and easy to believe."""

import math

import numpy as np

from recsys.slates.candidates import Candidates
from recsys.slates.rules import Exploration, Rules


def plain_slate(
    candidates: Candidates, rules: Rules, exploration: Exploration, draws: np.ndarray
) -> tuple[list[int], list[float], list[float], list[int], list[int]]:
    """Chosen columns, propensities, scores, numbers of candidates and of relaxed rules, one a place."""
    value, first = candidates.value[0], candidates.first_party[0]
    ranked = sorted((c for c in range(len(value)) if candidates.eligible[0, c]), key=lambda c: (-value[c], c))
    best = [value[c] for c in ranked[: exploration.top]]
    unit = 1.0
    if best:
        quarters = best[int(0.25 * (len(best) - 1))] - best[int(0.75 * (len(best) - 1))]
        unit = quarters or (best[0] - best[-1]) or 1.0
    placed: list[int] = []
    results: tuple[list, ...] = ([], [], [], [], [])
    for place, draw in enumerate(draws):
        support, gave_way = _support(candidates, rules, ranked, placed, place)
        support = support[: exploration.top]
        if not support:
            for result, nothing in zip(results, (-1, 0.0, math.nan, 0, 0), strict=True):
                result.append(nothing)
            continue
        scores = [
            (value[c] - best[0]) / unit - exploration.diversity * _likeness(candidates, placed, c) for c in support
        ]
        weights = [math.exp((score - max(scores)) / exploration.temperature) for score in scores]
        chances = [
            (1 - exploration.epsilon) * weight / sum(weights) + exploration.epsilon / len(support) for weight in weights
        ]
        running, pick = 0.0, len(support) - 1
        for index, chance in enumerate(chances):
            running += chance
            if running > draw:
                pick = index
                break
        placed.append(support[pick])
        row = (support[pick], chances[pick], scores[pick], len(support), gave_way)
        for result, one in zip(results, row, strict=True):
            result.append(one)
    assert all(first[c] in (True, False) for c in placed)
    return results  # type: ignore[return-value]


def _support(
    candidates: Candidates, rules: Rules, ranked: list[int], placed: list[int], place: int
) -> tuple[list[int], int]:
    first, publisher = candidates.first_party[0], candidates.publisher[0]
    free = [c for c in ranked if c not in placed]

    def same(c: int, among: list[int]) -> int:
        return sum(not first[p] and publisher[p] == publisher[c] for p in among)

    fair = [c for c in free if first[c] or same(c, placed) < rules.per_publisher]
    start = place - place % rules.row
    once = [c for c in fair if first[c] or same(c, placed[:start]) == 0]
    own = sum(bool(first[p]) for p in placed)
    party = once
    if math.floor(rules.first_party * (place + 1) + 1e-9) > own:
        party = [c for c in party if first[c]]
    if math.floor(rules.third_party * (place + 1) + 1e-9) > len(placed) - own:
        party = [c for c in party if not first[c]]
    for gave_way, some in enumerate((party, once, fair, free)):
        if some:
            return some, gave_way
    return [], 0


def _likeness(candidates: Candidates, placed: list[int], c: int) -> float:
    if candidates.vectors is None or not placed:
        return 0.0
    return max(0.0, *(float(np.dot(candidates.vectors[0, c], candidates.vectors[0, p])) for p in placed))
