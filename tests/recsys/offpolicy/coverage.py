"""How often the intervals of all estimators cover a truth that is known; for tests and for the bench."""

import numpy as np
from scipy.stats import binom

from recsys.offpolicy.estimate import estimates
from tests.recsys.offpolicy.bandits import Bandit

LIGHT = {
    "light": (Bandit.drawn(1, logged=0.5, evaluated=0.7, reward=0.2), 1500, 1),
    "repeated visits": (Bandit.drawn(2, logged=0.5, evaluated=0.7, reward=0.2), 700, 5),
    "rare rewards": (Bandit.drawn(3, logged=0.2, evaluated=0.7, reward=0.02), 6000, 1),
}
HEAVY = {
    "heavy": (Bandit.drawn(4, actions=20, logged=2.0, evaluated=2.0, reward=0.1), 1000, 1),
    "heavy and rare": (Bandit.drawn(5, actions=20, logged=2.0, evaluated=1.0, reward=0.02), 1500, 1),
    "heavy and repeated": (Bandit.drawn(6, actions=20, logged=1.5, evaluated=1.5, reward=0.1), 300, 4),
}


def covered(draw, truth, runs):
    """Of each estimator: how often its interval covered, and how often it gave one."""
    found = {}
    for run in range(runs):
        for each in estimates(draw(np.random.default_rng(run))):
            covers, gave = found.get(each.estimator, (0, 0))
            if each.interval:
                found[each.estimator] = covers + each.interval.covers(truth), gave + 1
            else:
                found[each.estimator] = covers, gave
    return found


def missed(found, runs, *, refusing=False):
    """The estimators that cover too seldom, or that refuse where they should not."""
    # Fewer than this would happen once in 10,000 tests of a true 95 %.
    return {
        name: (covers, gave)
        for name, (covers, gave) in found.items()
        if covers < binom.ppf(1e-4, gave, 0.95) or not (refusing or gave > 0.98 * runs)
    }
