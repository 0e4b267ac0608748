"""Rewards predicted from who, where and what, by models that never saw the people they predict for."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.offpolicy.logged import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FOLDS = 5
# Strength of the penalty on one-hot actions: rare items stay near the mean.
PENALTY = 1.0


def folds_of(unit: NDArray[np.int64], rng: np.random.Generator, folds: int = FOLDS) -> NDArray[np.int64]:
    """A fold for each decision, shape (decisions,); all decisions of a unit are in one."""
    return rng.permutation(int(unit.max()) + 1)[unit] % folds


def cross_fitted(
    reward: Array,
    context: Array,
    action: NDArray[np.integer],
    *,
    actions: int,
    unit: NDArray[np.int64],
    rng: np.random.Generator,
) -> Array:
    """The predicted reward of every action in every logged context, shape (decisions, actions).

    Context and action add up: a logistic regression for rewards of 0 and 1, a ridge regression for others. Doubly
    robust estimators need no better model to be right, only to be narrower.

    Args:
        context: shape (decisions, features), position included where rewards depend on it.
        action: place of what was done among the actions.
    """
    known, predicted = folds_of(unit, rng), np.empty((len(reward), actions))
    for fold in np.unique(known):
        rows = known == fold
        predicted[rows] = _fit(reward[~rows], context[~rows], action[~rows], actions)(context[rows])
    return predicted


def of_policy(predicted: Array, action: NDArray[np.integer], target: Array) -> tuple[Array, Array]:
    """`fitted` and `expected` of `Logged`: of what was done, and averaged over `target`, shape (decisions, actions)."""
    return predicted[np.arange(len(action)), action], np.asarray((predicted * target).sum(axis=1), np.float64)


def baseline(reward: Array, context: Array, unit: NDArray[np.int64], rng: np.random.Generator) -> Array:
    """The predicted reward of a context whatever is shown in it, shape (decisions,): what an estimate may lean on
    where the log does not hold what else could have been shown."""
    nothing = np.zeros(len(reward), np.int64)
    return cross_fitted(reward, context, nothing, actions=1, unit=unit, rng=rng)[:, 0]


def _fit(reward: Array, context: Array, action: NDArray[np.integer], actions: int) -> Any:
    """A function from contexts to the predicted reward of every action."""
    low, high = (float(reward.min()), float(reward.max())) if len(reward) else (0.0, 0.0)
    if low == high:
        return lambda asked: np.full((len(asked), actions), low)
    told = _columns(context, action, actions)
    if set(np.unique(reward)) <= {0.0, 1.0}:
        return _logistic(told, reward, context.shape[1])
    return _ridge(told, reward, context.shape[1], (low, high))


def _columns(context: Array, action: NDArray[np.integer], actions: int) -> "csr_array":
    from scipy.sparse import csr_array, hstack

    places = np.arange(len(action))
    chosen = csr_array((np.ones(len(action)), (places, action)), shape=(len(action), actions))
    return csr_array(hstack([csr_array(context), chosen]))


def _logistic(told: "csr_array", reward: Array, features: int) -> Any:
    from scipy.special import expit
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / PENALTY, max_iter=500).fit(told, reward)
    weight, offset = model.coef_[0], float(model.intercept_[0])
    return lambda asked: expit((asked @ weight[:features])[:, None] + weight[features:] + offset)


def _ridge(told: "csr_array", reward: Array, features: int, span: tuple[float, float]) -> Any:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=PENALTY).fit(told, reward)
    weight, offset = model.coef_, float(model.intercept_)
    return lambda asked: np.clip((asked @ weight[:features])[:, None] + weight[features:] + offset, *span)
