"""What a policy did, what followed, and how likely another policy would have done the same."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Logged:
    """Decisions about one place each; arrays of shape (decisions,).

    Attributes:
        reward: what followed, in its own unit.
        weight: the evaluated policy's chance of what was done, over the chance that it had.
        unit: who was decided about, as numbers; decisions about the same unit are not independent.
        fitted: the reward that a model predicts for what was done; zeros without a model.
        expected: the same, averaged over what the evaluated policy would do; zeros without a model.
        modelled: whether `expected` is a prediction of the policy's value, so that it may stand alone.
        reward_range: the least and the largest reward that can be.
        largest_weight: the largest weight that can be, seen or not; the largest seen if None.
    """

    reward: Array
    weight: Array
    unit: NDArray[np.int64]
    fitted: Array
    expected: Array
    modelled: bool = False
    reward_range: tuple[float, float] = (0.0, 1.0)
    largest_weight: float | None = None

    def __post_init__(self) -> None:
        _check(self.reward, self.weight, self.reward_range)

    @classmethod
    def of(
        cls,
        reward: Array,
        weight: Array,
        *,
        unit: NDArray[np.integer] | None = None,
        reward_range: tuple[float, float] | None = None,
        largest_weight: float | None = None,
    ) -> "Logged":
        """Decisions without a reward model; each is a unit of its own unless `unit` says otherwise."""
        reward, zeros = np.asarray(reward, np.float64), np.zeros(len(reward))
        units = np.arange(len(reward)) if unit is None else unit
        span = reward_range or seen_range(reward)
        return cls(
            reward,
            np.asarray(weight, np.float64),
            np.unique(units, return_inverse=True)[1].astype(np.int64),
            zeros,
            zeros,
            reward_range=span,
            largest_weight=largest_weight,
        )

    def with_model(self, fitted: Array, expected: Array, *, modelled: bool = True) -> "Logged":
        """The same decisions with the predictions of a reward model that was fitted without them."""
        return replace(self, fitted=fitted, expected=expected, modelled=modelled)

    @property
    def value_range(self) -> tuple[float, float]:
        """The least and the most that any policy's value can be."""
        return self.reward_range

    @property
    def most_weight(self) -> float:
        return max(float(self.weight.max()), self.largest_weight or 0.0)

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True, slots=True)
class Slates:
    """Decisions about whole slates; arrays of shape (slates, places) with the first place first.

    Attributes:
        reward: of each place.
        weight: of each place given the places above it; a cascade multiplies them from the top.
        unit: who each slate was shown to, shape (slates,).
        fitted: the reward from here down that a model predicts for what was shown; zeros without a model.
        expected: the same, averaged over what the evaluated policy would show here after the places above.
        shown: False where a slate is shorter than the longest.
        alone: the weight of an item at a place whatever is above it; None takes `weight`, with places above as logged.
    """

    reward: Array
    weight: Array
    unit: NDArray[np.int64]
    fitted: Array
    expected: Array
    shown: NDArray[np.bool_]
    modelled: bool = False
    reward_range: tuple[float, float] = (0.0, 1.0)
    alone: Array | None = None

    def __post_init__(self) -> None:
        _check(self.reward[self.shown], self.weight[self.shown], self.reward_range)

    @classmethod
    def of(
        cls,
        reward: Array,
        weight: Array,
        *,
        unit: NDArray[np.integer] | None = None,
        shown: NDArray[np.bool_] | None = None,
        reward_range: tuple[float, float] | None = None,
    ) -> "Slates":
        """Slates without a reward model; places that are not shown count for nothing."""
        there = np.ones(reward.shape, bool) if shown is None else shown
        reward, weight = np.where(there, reward, 0.0), np.where(there, weight, 1.0)
        units = np.arange(len(reward)) if unit is None else unit
        zeros, span = np.zeros(reward.shape), reward_range or seen_range(reward)
        numbers = np.unique(units, return_inverse=True)[1].astype(np.int64)
        return cls(reward, weight, numbers, zeros, zeros, there, reward_range=span)

    def with_model(self, fitted: Array, expected: Array, *, modelled: bool = True) -> "Slates":
        """The same slates with the predictions of a reward model that was fitted without them."""
        there = self.shown
        return replace(
            self, fitted=np.where(there, fitted, 0.0), expected=np.where(there, expected, 0.0), modelled=modelled
        )

    @property
    def drop(self) -> Array:
        """By how much the predicted reward to come changes from a place to the one below, without what it earns."""
        below = np.concatenate([self.expected[:, 1:], np.zeros((len(self), 1))], axis=1)
        return np.asarray(below - self.fitted, np.float64)

    @property
    def total_range(self) -> tuple[float, float]:
        """The least and the most that one slate earned, 0 among them."""
        total = self.reward.sum(axis=1)
        return min(float(total.min()), 0.0), max(float(total.max()), self.reward_range[1], 0.0)

    @property
    def value_range(self) -> tuple[float, float]:
        """The least and the most that any policy's value can be, per slate."""
        places, (low, high) = self.reward.shape[1], self.reward_range
        return min(low, low * places), max(high, high * places)

    @property
    def each(self) -> Array:
        """The weight of each place by itself."""
        return self.weight if self.alone is None else self.alone

    @property
    def cascade(self) -> Array:
        """The weight of each place together with those above it."""
        return np.asarray(np.cumprod(self.weight, axis=1), np.float64)

    @property
    def above(self) -> Array:
        """The weight of the places above each place; 1 at the top."""
        return np.concatenate([np.ones((len(self), 1)), self.cascade[:, :-1]], axis=1)

    def __len__(self) -> int:
        return len(self.reward)


def seen_range(reward: Array) -> tuple[float, float]:
    """0 to 1 for rewards of a yes and no; else what was seen, with 0 in it."""
    low, high = (float(reward.min()), float(reward.max())) if reward.size else (0.0, 1.0)
    return (0.0, 1.0) if low >= 0 and set(np.unique(reward)) <= {0.0, 1.0} else (min(low, 0.0), max(high, 0.0))


def weights(target: Array, propensity: Array) -> Array:
    """The evaluated policy's chances over the logged ones.

    Raises:
        DataError: if a logged chance is not in (0, 1], or one of the policy is not in [0, 1].
    """
    bad = ~((propensity > 0) & (propensity <= 1 + 1e-9))
    if bad.any():
        raise DataError(
            f"{int(bad.sum()):,} of {bad.size:,} logged propensities are not in (0, 1]; the first is "
            f"{propensity[bad].flat[0]}. What was done had a chance above 0: log the chance it was drawn with."
        )
    wrong = ~((target >= 0) & (target <= 1 + 1e-9))
    if wrong.any():
        raise DataError(f"the evaluated policy gives the chance {target[wrong].flat[0]}; chances are from 0 to 1.")
    return np.asarray(target / propensity, np.float64)


def _check(reward: Array, weight: Array, span: tuple[float, float]) -> None:
    if not reward.size:
        raise DataError("there are no logged decisions to evaluate a policy on.")
    if not (np.isfinite(reward).all() and np.isfinite(weight).all()):
        raise DataError("a reward or a weight is not a finite number; leave those decisions out and say how many.")
    if (weight < 0).any():
        raise DataError(f"a weight is {weight.min():g}; chances, and so weights, are at least 0.")
    if reward.min() < span[0] or reward.max() > span[1]:
        raise DataError(f"rewards run from {reward.min():g} to {reward.max():g}, outside {span[0]:g} to {span[1]:g}.")
