"""A reward model, corrected by importance-weighted residuals: right if the propensities or the model are.

Sources: Dudik, Erhan, Langford and Li 2014 (dr); Kallus and Uehara 2019 (sndr); Wang, Agarwal and Dudik 2017
(switch_dr); Su, Dimakopoulou, Krishnamurthy and Dudik 2020 (dros).
"""

import numpy as np

from recsys.offpolicy.estimator import Estimator, Terms
from recsys.offpolicy.estimators.importance import single
from recsys.offpolicy.logged import Array, Logged, Slates
from recsys.offpolicy.shrinkage import shrunk, strength, switched, threshold


class DoublyRobust(Estimator, name="dr", title="Doubly robust", model=True):
    """mean(expected + w (r - fitted))."""

    def terms(self, log: Logged | Slates) -> Terms:
        data = single(log)
        return corrected(data, data.weight, data.most_weight)


class SelfNormalisedDoublyRobust(Estimator, name="sndr", title="Doubly robust, self-normalised", model=True):
    """mean(expected) + sum(w (r - fitted)) / sum(w), as a mean of what each decision adds to it."""

    def terms(self, log: Logged | Slates) -> Terms:
        data = single(log)
        average, residual = float(data.weight.mean()), data.reward - data.fitted
        offset = float((data.weight * residual).sum() / data.weight.sum())
        low, high = residuals(data)
        most = data.most_weight / average
        values = data.expected + data.weight / average * (residual - offset) + offset
        bottom = float(data.expected.min()) + offset + min(0.0, most * (low - offset))
        return Terms.mean(values, bottom, float(data.expected.max()) + offset + max(0.0, most * (high - offset)))


class SwitchDoublyRobust(Estimator, name="switch_dr", title="Switch", model=True, unbiased="dr"):
    """The doubly robust term where the weight is at most `threshold`, elsewhere the model's word."""

    def terms(self, log: Logged | Slates) -> Terms:
        data = single(log)
        limit = threshold(data)
        return corrected(data, switched(data.weight, limit), min(limit, data.most_weight))


class ShrunkDoublyRobust(Estimator, name="dros", title="Doubly robust, shrunk", model=True, unbiased="dr"):
    """The doubly robust term with weights shrunk as far as variance and bias together gain from it."""

    def terms(self, log: Logged | Slates) -> Terms:
        data = single(log)
        kept = shrunk(data.weight, strength(data))
        return corrected(data, kept, data.most_weight)


def corrected(log: Logged, kept: Array, most: float) -> Terms:
    """mean(expected + kept (r - fitted)); `most` bounds what is kept of a weight."""
    low, high = residuals(log)
    bottom = float(log.expected.min()) + min(0.0, most * low)
    top = float(log.expected.max()) + max(0.0, most * high)
    return Terms.mean(log.expected + kept * (log.reward - log.fitted), bottom, top)


def residuals(log: Logged) -> tuple[float, float]:
    """Between which reward - fitted can lie."""
    low, high = log.reward_range
    return low - float(np.max(log.fitted)), high - float(np.min(log.fitted))
