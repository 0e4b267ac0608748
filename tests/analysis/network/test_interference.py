"""The same treatment by unit and by community: the difference of the two is what friends pass on."""

import numpy as np
from scipy import stats

from analysis.network.interference import interference
from analysis.readout.figures import Estimate
from tests.benchmarks._networks import World

RUNS = 400


def the_lift(world, rng):
    """Treated minus control as a plain readout has it: by community, of the communities' means."""
    arm = world.assign(rng)
    y = world.outcome(arm)
    if not world.by_unit:
        size = np.bincount(world.community)
        y, arm = np.bincount(world.community, weights=y) / size, np.bincount(world.community, weights=arm) / size > 0.5
    sides = [y[arm == 1], y[arm == 0]]
    error = np.sqrt(sum(side.var(ddof=1) / len(side) for side in sides))
    return Estimate(sides[0].mean() - sides[1].mean(), error, None, None)


def test_without_spillover_the_interval_holds_0_and_with_it_the_lift_by_unit_is_too_small():
    for spill in (0.0, 3.0):
        rng = np.random.default_rng(6)
        worlds = [World.draw(rng, by_unit=by_unit, spill=spill, people=1_000) for by_unit in (True, False)]
        found = [interference(*(the_lift(world, rng) for world in worlds)) for _ in range(RUNS)]
        if spill:
            assert stats.binomtest(sum(one.upper < 0 for one in found), RUNS, 0.9, alternative="less").pvalue > 0.001
        else:
            wrong = sum(not one.lower <= 0 <= one.upper for one in found)
            assert stats.binomtest(wrong, RUNS, 0.05, alternative="greater").pvalue > 0.001, wrong


def test_what_is_not_known_of_either_is_not_known_of_the_difference():
    known, unknown = Estimate(1.0, 0.5, 0.0, 2.0), Estimate(None, None, None, None, "no units")
    assert interference(known, unknown) == interference(unknown, known) == unknown
    assert interference(known, Estimate(0.4, None, None, None, "one unit")).standard_error is None
