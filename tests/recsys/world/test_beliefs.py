"""What people learn from prices, against the recursion written out, and when waiting pays, against its sum."""

import numpy as np
import pytest

from recsys.world.beliefs import DEAL_DAYS, FIRST_DEPTH, FIRST_SHARE, KEEP_DEALS, KEEP_REFERENCE, Beliefs


def learnt_plainly(visits: list[tuple[list[int], list[float]]]) -> tuple[float, dict[int, float], dict[int, float]]:
    """Reference price, share on deal and depth by category after visits that saw (categories, prices over list)."""
    reference, share, depth = 1.0, {}, {}
    for categories, ratios in visits:
        if not ratios:
            continue
        reference = KEEP_REFERENCE * reference + (1 - KEEP_REFERENCE) * sum(ratios) / len(ratios)
        for category in set(categories):
            seen = [1 - ratio for c, ratio in zip(categories, ratios, strict=True) if c == category]
            deals = [off for off in seen if off > 0]
            share[category] = KEEP_DEALS * share.get(category, FIRST_SHARE) + (1 - KEEP_DEALS) * len(deals) / len(seen)
            if deals:
                mean = sum(deals) / len(deals)
                depth[category] = KEEP_DEALS * depth.get(category, FIRST_DEPTH) + (1 - KEEP_DEALS) * mean
    return reference, share, depth


def test_beliefs_follow_the_recursion_of_what_was_seen() -> None:
    rng, people, places = np.random.default_rng(1), 40, 7
    beliefs = Beliefs.first(people, 4)
    visits: list[list[tuple[list[int], list[float]]]] = [[] for _ in range(people)]
    for _ in range(25):
        who = np.flatnonzero(rng.random(people) < 0.6)
        category = rng.integers(0, 4, (len(who), places))
        ratio = np.where(rng.random(category.shape) < 0.3, rng.choice([0.5, 0.75], category.shape), 1.0)
        seen = rng.random(category.shape) < 0.5
        beliefs.learn(who, category, ratio, seen)
        for row, person in enumerate(who):
            visits[person].append((category[row, seen[row]].tolist(), ratio[row, seen[row]].tolist()))
    for person in range(people):
        reference, share, depth = learnt_plainly(visits[person])
        assert beliefs.reference[person] == pytest.approx(reference, rel=1e-5)
        for category in range(4):
            assert beliefs.share[person, category] == pytest.approx(share.get(category, FIRST_SHARE), rel=1e-5)
            assert beliefs.depth[person, category] == pytest.approx(depth.get(category, FIRST_DEPTH), rel=1e-5)


@pytest.mark.parametrize("strength", [0.5, 1.0, 3.0])
def test_waiting_is_worth_the_discounted_sum_over_the_day_of_the_next_deal(strength: float) -> None:
    beliefs = Beliefs.first(1, 1)
    share, worth, patience = 0.2, 1.1, 0.97
    beliefs.share[:] = share
    hazard = strength * share / (DEAL_DAYS * (1 - share))
    surplus = worth - (1 - FIRST_DEPTH)
    plainly = sum(patience**t * hazard * (1 - hazard) ** (t - 1) * surplus for t in range(1, 3_000))
    one = np.zeros(1, np.int64)
    found = beliefs.waiting(one, one, np.array([worth]), np.array([patience]), strength)
    assert found[0] == pytest.approx(plainly, rel=1e-6)


def test_waiting_is_worth_nothing_where_nobody_learns_and_for_what_is_too_dear_even_on_deal() -> None:
    beliefs, one = Beliefs.first(1, 1), np.zeros(1, np.int64)
    assert beliefs.waiting(one, one, np.array([1.2]), np.array([0.99]), 0.0)[0] == 0
    assert beliefs.waiting(one, one, np.array([0.6]), np.array([0.99]), 3.0)[0] == 0


def test_a_price_hurts_by_how_far_it_lies_above_the_reference() -> None:
    beliefs, one = Beliefs.first(1, 1), np.zeros(1, np.int64)
    beliefs.reference[:] = 0.75
    assert beliefs.loss(one, np.array([1.0]))[0] == 0.25 and beliefs.loss(one, np.array([0.5]))[0] == 0
