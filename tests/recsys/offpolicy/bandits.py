"""Bandits whose truth is known, light and heavy, one-shot and in slates, with people who come more than once."""

from dataclasses import dataclass

import numpy as np

from recsys.offpolicy.logged import Logged, Slates, weights
from recsys.offpolicy.reward_model import of_policy


def softmax(scores):
    chance = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return chance / chance.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Bandit:
    """Chances of the logging and the evaluated policy and of a reward, each of shape (contexts, actions)."""

    logging: np.ndarray
    target: np.ndarray
    chance: np.ndarray
    predicted: np.ndarray

    @classmethod
    def drawn(cls, seed, *, actions=10, contexts=4, logged=1.0, evaluated=1.0, reward=0.1, floor=0.05):
        """`logged` and `evaluated` say how sharply the policies choose: the larger, the heavier the weights."""
        rng = np.random.default_rng(seed)
        shape = (contexts, actions)
        one, other = rng.normal(size=shape), rng.normal(size=shape)
        policies = [(1 - floor) * softmax(s) + floor / actions for s in (logged * one, evaluated * (other + 0.3 * one))]
        chance = np.minimum(reward * np.exp(0.5 * rng.normal(size=shape)), 0.9)
        # A reward model that is wrong, but not senseless.
        return cls(*policies, chance, np.clip(chance * np.exp(0.5 * rng.normal(size=shape)), 0, 1))

    @property
    def truth(self):
        return float((self.target * self.chance).sum(axis=1).mean())

    @property
    def largest_weight(self):
        return float((self.target / self.logging).max())

    def log(self, people, rng, most=1):
        """Each person comes 1 to `most` times with a context and a mood of their own."""
        visits = rng.integers(1, most + 1, people)
        unit = np.repeat(np.arange(people), visits)
        context = rng.integers(len(self.logging), size=people)[unit]
        mood = rng.uniform(0.5, 1.5, people)[unit] if most > 1 else np.ones(len(unit))
        action = (rng.random((len(unit), 1)) > np.cumsum(self.logging, axis=1)[context]).sum(axis=1)
        action = np.minimum(action, self.logging.shape[1] - 1)
        reward = (rng.random(len(unit)) < np.minimum(mood * self.chance[context, action], 1)) * 1.0
        weight = weights(self.target[context, action], self.logging[context, action])
        log = Logged.of(reward, weight, unit=unit, reward_range=(0, 1), largest_weight=self.largest_weight)
        return log.with_model(*of_policy(self.predicted[context], action, self.target[context]))


@dataclass(frozen=True)
class Ranking:
    """Slates of two places drawn without putting an item twice; the second place suffers from a good first."""

    logging: np.ndarray
    target: np.ndarray
    chance: np.ndarray
    cascade: bool

    @classmethod
    def drawn(cls, seed, *, items=5, sharp=0.7, cascade=True):
        rng = np.random.default_rng(seed)
        policies = (0.8 * softmax(sharp * rng.normal(size=items)) + 0.2 / items for _ in range(2))
        return cls(*policies, rng.uniform(0.05, 0.4, items), cascade)

    def second(self, policy, first):
        """Chances of the second place after `first`."""
        left = policy * (np.arange(len(policy)) != first)
        return left / left.sum()

    def reward(self, first, item):
        return self.chance[item] * (1 - self.chance[first] if self.cascade else 0.8)

    @property
    def truth(self):
        total = 0.0
        for first, p in enumerate(self.target):
            after = self.second(self.target, first)
            total += p * (self.chance[first] + sum(q * self.reward(first, b) for b, q in enumerate(after)))
        return total

    def log(self, slates, rng, most=1):
        """Slates of people who come 1 to `most` times."""
        items = len(self.logging)
        unit = np.repeat(np.arange(slates), rng.integers(1, most + 1, slates))[:slates]
        first = rng.choice(items, slates, p=self.logging)
        after = np.array([self.second(self.logging, each) for each in range(items)])
        wanted = np.array([self.second(self.target, each) for each in range(items)])
        second = (rng.random((slates, 1)) > np.cumsum(after, axis=1)[first]).sum(axis=1).clip(max=items - 1)
        weight = np.stack([(self.target / self.logging)[first], wanted[first, second] / after[first, second]], axis=1)
        reward = np.stack(
            [rng.random(slates) < self.chance[first], rng.random(slates) < self.reward(first, second)], axis=1
        )
        log = Slates.of(reward.astype(float), weight, unit=unit, reward_range=(0, 1))
        below = np.array([(wanted[each] * self.chance).sum() * 0.7 for each in range(items)])
        q = np.stack([np.tile(self.chance + below, (slates, 1)), np.tile(0.7 * self.chance, (slates, 1))], axis=1)
        action, target = (
            np.stack([first, second], axis=1),
            np.stack([np.tile(self.target, (slates, 1)), wanted[first]], 1),
        )
        return log.with_model(np.take_along_axis(q, action[..., None], 2)[..., 0], (q * target).sum(axis=2))
