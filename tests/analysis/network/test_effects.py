"""Contrasts among friends: plain formulas, a jackknife done by hand, and intervals that hold the known truth."""

import numpy as np
import pytest
from scipy import stats

from analysis.network.effects import CONDITIONS, network_contrasts
from tests.benchmarks._networks import World
from tests.benchmarks.network_coverage import alarms, coverage

RUNS = 400


def an_experiment_among_friends(**world):
    rng = np.random.default_rng(11)
    world = World.draw(rng, spill=1.0, **world)
    arm = world.assign(rng)
    return world, world.exposure(arm), world.outcome(arm), rng.uniform(1, 3, world.graph.n)


def weighted_means(y, d, exposure, name, units):
    """Both sides of a contrast in so many words: sums over units, each over the probability of its condition."""
    base, other = CONDITIONS[name]
    reach = np.minimum(exposure.probability[:, *base], exposure.probability[:, *other]) >= 0.01
    values = []
    for own, high in (base, other):
        here = units & reach & (exposure.degree > 0) & (exposure.own == own) & (exposure.high == high)
        weight = 1 / exposure.probability[here, own, high]
        values.append(np.sum(weight * y[here]) / np.sum(weight * d[here]))
    return np.array(values)


@pytest.mark.parametrize("by_unit", [True, False])
@pytest.mark.parametrize("name", ["direct", "spillover_untreated", "spillover_treated", "total"])
def test_a_contrast_is_that_of_weighted_means_and_its_error_the_jackknife_over_communities(name, by_unit):
    world, exposure, y, d = an_experiment_among_friends(by_unit=by_unit, people=600)
    found = network_contrasts(y, d, exposure, world.community, by_unit=by_unit)
    k = found.names.index(name)
    everyone = weighted_means(y, d, exposure, name, np.ones(len(y), bool))
    np.testing.assert_allclose([found.contrast.control[0, k], found.contrast.treatment[0, k]], everyone, rtol=1e-12)
    without = np.array(
        [weighted_means(y, d, exposure, name, world.community != c) for c in range(world.community.max() + 1)]
    )
    moved = (without - everyone)[np.any(without != everyone, axis=1)]
    expected = moved.T @ moved * (1 - 1 / found.communities[k])
    np.testing.assert_allclose(found.contrast.covariance[0, k], expected, rtol=1e-9)


def test_a_dose_is_the_line_of_least_squares_over_the_share_of_friends_treated():
    world, exposure, y, _ = an_experiment_among_friends(by_unit=True)
    found = network_contrasts(y, np.ones(len(y)), exposure, world.community, by_unit=True)
    for name, own in (("dose_untreated", False), ("dose_treated", True)):
        units = (exposure.own == own) & (exposure.degree > 0)
        slope, start = np.polyfit(exposure.share[units], y[units], 1)
        k = found.names.index(name)
        np.testing.assert_allclose([found.contrast.control[0, k], found.contrast.difference[0, k]], [start, slope])


def test_units_that_can_hardly_get_to_a_condition_are_left_out_and_counted():
    world, exposure, y, d = an_experiment_among_friends(by_unit=False, inside=0.95)
    found = network_contrasts(y, d, exposure, world.community, by_unit=False)
    rare = np.minimum(exposure.probability[:, 0, 0], exposure.probability[:, 0, 1]) < 0.01
    assert found.left_out[found.names.index("spillover_untreated")] == (rare & (exposure.degree > 0)).sum() > 0
    assert found.left_out[found.names.index("total")] < (rare & (exposure.degree > 0)).sum()


def test_one_community_gives_no_interval():
    _, exposure, y, d = an_experiment_among_friends(by_unit=True, people=200)
    found = network_contrasts(y, d, exposure, np.zeros(len(y), np.int64), by_unit=True)
    assert np.isnan(found.contrast.covariance).all() and np.isfinite(found.contrast.difference[0, :4]).all()


@pytest.mark.parametrize("by_unit", [True, False])
def test_intervals_hold_the_known_truth(by_unit):
    found = coverage(np.random.default_rng(8), RUNS, worlds=4, by_unit=by_unit, spill=1.0)
    assert {name for name, tally in found.items() if tally.runs == RUNS} >= {"direct", "total", "spillover_untreated"}
    assert [name for name, tally in found.items() if not tally.kept] == []


@pytest.mark.parametrize("inference", ["fixed", "confidence_sequence"])
def test_the_warning_is_rare_without_spillover_and_sure_with_much(inference):
    runs = 80
    false = alarms(np.random.default_rng(2), runs, 4, spill=0.0, inference=inference)
    true = alarms(np.random.default_rng(2), runs, 4, spill=2.0, inference=inference)
    assert stats.binomtest(false, runs, 0.01, alternative="greater").pvalue > 0.001, false
    assert stats.binomtest(true, runs, 0.95, alternative="less").pvalue > 0.001, true
