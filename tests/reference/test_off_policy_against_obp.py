"""Our estimates against the formulas of the Open Bandit Pipeline (st-tech/zr-obp, obp/ope), written as plain loops.

The package does not install on this Python; its formulas were read in estimators.py and estimators_slate.py.
"""

import math

import numpy as np
import pytest

from recsys.offpolicy.estimate import sums_of
from recsys.offpolicy.estimator import estimator
from recsys.offpolicy.logged import Logged, Slates, weights
from recsys.offpolicy.reward_model import of_policy
from recsys.offpolicy.shrinkage import strength, threshold

ROUNDS, ACTIONS, PLACES = 400, 7, 4


class Bandit:
    """One random log: pscore, action_dist, reward, estimated_rewards_by_reg_model in obp's words."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        logging = rng.dirichlet(0.5 * np.ones(ACTIONS), ROUNDS)
        self.target = rng.dirichlet(np.ones(ACTIONS), ROUNDS)
        self.action = np.array([rng.choice(ACTIONS, p=each) for each in logging])
        self.pscore = logging[np.arange(ROUNDS), self.action]
        self.reward = rng.random(ROUNDS) * (rng.random(ROUNDS) < 0.4)
        self.q = rng.random((ROUNDS, ACTIONS))

    @property
    def log(self) -> Logged:
        rows = np.arange(ROUNDS)
        log = Logged.of(self.reward, weights(self.target[rows, self.action], self.pscore))
        return log.with_model(*of_policy(self.q, self.action, self.target))

    def weight(self, t: int) -> float:
        return self.target[t][self.action[t]] / self.pscore[t]

    def expected(self, t: int) -> float:
        return sum(self.target[t][a] * self.q[t][a] for a in range(ACTIONS))

    def residual(self, t: int) -> float:
        return self.reward[t] - self.q[t][self.action[t]]


def ours(name, log):
    return sums_of(estimator(name).terms(log), log).value


def mean(values):
    return math.fsum(values) / ROUNDS


def of_obp(name: str, b: Bandit) -> float:
    t = range(ROUNDS)
    average = mean(b.weight(i) for i in t)
    limit, lambda_ = threshold(b.log), strength(b.log)
    match name:
        case "ips":
            return mean(b.weight(i) * b.reward[i] for i in t)
        case "snips":
            return mean(b.reward[i] * b.weight(i) / average for i in t)
        case "clipped":
            return mean(min(b.weight(i), limit) * b.reward[i] for i in t)
        case "dm":
            return mean(b.expected(i) for i in t)
        case "dr":
            return mean(b.expected(i) + b.weight(i) * b.residual(i) for i in t)
        case "sndr":
            return mean(b.expected(i) + b.weight(i) * b.residual(i) / average for i in t)
        case "switch_dr":
            return mean(b.expected(i) + (b.weight(i) <= limit) * b.weight(i) * b.residual(i) for i in t)
        case "dros":
            kept = [
                b.weight(i) if math.isinf(lambda_) else lambda_ * b.weight(i) / (b.weight(i) ** 2 + lambda_) for i in t
            ]
            return mean(b.expected(i) + kept[i] * b.residual(i) for i in t)
    raise AssertionError(name)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["ips", "snips", "clipped", "dm", "dr", "sndr", "switch_dr", "dros"])
def test_single_decisions_agree_to_nine_digits(name, seed):
    bandit = Bandit(seed)
    assert ours(name, bandit.log) == pytest.approx(of_obp(name, bandit), rel=1e-9, abs=1e-12)


def test_the_limits_of_clipping_and_shrinking_are_at_work_in_what_is_compared():
    bandit = Bandit(0)
    assert all(Bandit(seed).log.weight.max() > threshold(Bandit(seed).log) for seed in range(3))
    assert abs(of_obp("dros", bandit) - of_obp("dr", bandit)) > 1e-3


def slates_of(seed):
    """obp's long form: one row a slate and slot, and ours beside it."""
    rng = np.random.default_rng(seed)
    shape = (60, PLACES)
    chance, target = 0.1 + 0.9 * rng.random(shape), rng.random(shape)
    reward = (rng.random(shape) < 0.3) * 1.0
    q, dist = rng.random((*shape, ACTIONS)), rng.dirichlet(np.ones(ACTIONS), shape)
    action = rng.integers(ACTIONS, size=shape)
    fitted = np.take_along_axis(q, action[..., None], axis=2)[..., 0]
    ours = Slates.of(reward, weights(target, chance)).with_model(fitted, (q * dist).sum(axis=2))
    return chance, target, reward, q, dist, action, ours


@pytest.mark.parametrize("seed", range(3))
def test_slates_agree_to_nine_digits(seed):
    chance, target, reward, q, dist, action, log = slates_of(seed)
    n = len(reward)
    found = dict.fromkeys(("sips", "iips", "rips", "cascade_dr"), 0.0)
    for i in range(n):
        joint, whole_e, whole_b = 1.0, math.prod(target[i]), math.prod(chance[i])
        for l in range(PLACES):
            above = joint
            joint *= target[i][l] / chance[i][l]
            expected = sum(dist[i][l][a] * q[i][l][a] for a in range(ACTIONS))
            found["sips"] += whole_e / whole_b * reward[i][l]
            found["iips"] += target[i][l] / chance[i][l] * reward[i][l]
            found["rips"] += joint * reward[i][l]
            found["cascade_dr"] += joint * (reward[i][l] - q[i][l][action[i][l]]) + above * expected
    for name, total in found.items():
        assert ours(name, log) == pytest.approx(total / n, rel=1e-9, abs=1e-12), name
