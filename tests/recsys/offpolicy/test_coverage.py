"""Intervals cover the truth as often as they say, by simulation with known truth; heavy weights included."""

import numpy as np
import pytest

from recsys.offpolicy.evaluation import evaluate
from recsys.offpolicy.policies import Explore
from recsys.offpolicy.slate_log import SlateLog
from recsys.slates.candidates import Candidates
from recsys.slates.composer import compose
from recsys.slates.rules import Exploration, Rules
from tests.recsys.offpolicy.bandits import Ranking
from tests.recsys.offpolicy.coverage import HEAVY, LIGHT, covered, missed


@pytest.mark.parametrize("name", LIGHT)
def test_with_light_weights_intervals_cover_95_percent(name):
    bandit, people, most = LIGHT[name]
    assert not missed(covered(lambda rng: bandit.log(people, rng, most), bandit.truth, 80), 80)


@pytest.mark.parametrize("name", HEAVY)
def test_with_heavy_weights_intervals_cover_or_none_is_given(name):
    bandit, people, most = HEAVY[name]
    assert not missed(covered(lambda rng: bandit.log(people, rng, most), bandit.truth, 25), 25, refusing=True)


def test_slate_intervals_cover_where_people_read_from_the_top():
    ranking = Ranking.drawn(1, cascade=True)
    found = covered(lambda rng: ranking.log(1500, rng), ranking.truth, 150)
    assert not missed(found, 150)


def test_intervals_cover_where_an_item_that_stands_above_is_missing_below():
    """The composer's own draws of 6 of 20 items, each clicked by itself; what if none were drawn uniformly?"""
    quality = np.linspace(2, -2, 20)
    clicked = 1 / (1 + np.exp(2.5 - quality)) * (0.95 / (1 + 0.16 * np.arange(6)))[:, None]
    rng, hits = np.random.default_rng(0), dict.fromkeys(("sips", "rips", "iips", "cascade_dr"), 0)

    def drawn(epsilon, slates):
        cells = (slates, 1)
        whole = np.ones((slates, 20), bool)
        candidates = Candidates(np.tile(quality, cells), whole, np.zeros((slates, 20), np.int64), whole)
        exploration = Exploration(epsilon=epsilon, temperature=0.1, top=20, diversity=0)
        seeds = rng.integers(0, 2**53, slates).astype(np.uint64)
        return compose(candidates, Rules(), exploration, size=6, seeds=seeds)

    def earned(made):
        return clicked[np.arange(6), made.chosen]

    truth = float(earned(drawn(1e-9, 50_000)).sum(axis=1).mean() / earned(drawn(0.05, 50_000)).sum(axis=1).mean()) - 1
    for _ in range(8):
        made = drawn(0.05, 3000)
        reward = (rng.random(made.chosen.shape) < earned(made)).astype(float)
        numbers = np.arange(3000), made.propensity, made.candidates.astype(float), made.score, made.chosen >= 0
        log = SlateLog("homepage", "slates-1", "click", numbers[0] // 2, numbers[0], reward, *numbers[1:], 0)
        report = evaluate(log, Explore(0.0, 0.05))
        for found, lift in zip(report.estimates, report.lifts, strict=True):
            hits[found.estimator] += lift is None or lift.covers(truth)
    # Below 5 of 8 has a chance of 1 in 2,000 where 95 % are covered.
    assert min(hits.values()) >= 5, hits
