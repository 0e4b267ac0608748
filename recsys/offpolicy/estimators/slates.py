"""Estimators for whole slates, by what they assume of how people read them.

Sources: Li et al., Offline evaluation of ranking policies with click models, 2018 (iips: places do not touch each
other); McInerney et al., Counterfactual evaluation of slate recommendations with sequential reward interactions, 2020
(rips: places above matter); Kiyohara et al., Doubly robust off-policy evaluation for ranking policies under the
cascade behavior model, WSDM 2022, section 3.1 (cascade_dr).
"""

import numpy as np

from recsys.offpolicy.estimator import Estimator, Terms
from recsys.offpolicy.logged import Array, Logged, Slates


class StandardIps(Estimator, name="sips", title="Whole slate", slates=True):
    """mean over slates of (product of all weights) x (sum of all rewards): assumes nothing, varies most."""

    def terms(self, log: Logged | Slates) -> Terms:
        data = whole(log)
        return _weighted(data, np.repeat(data.cascade[:, -1:], data.reward.shape[1], axis=1))


class IndependentIps(Estimator, name="iips", title="Places apart", slates=True, unbiased="rips"):
    """mean over slates of sum over places of w r, each place by itself.

    With chances given the places above it is biased: as no item stands twice, what is left to stand at a place is what
    the logged policy left. Only `Slates.alone` has chances that mean the place itself.
    """

    apart = True

    def terms(self, log: Logged | Slates) -> Terms:
        data = whole(log)
        return _weighted(data, data.each)


class RewardInteractionIps(Estimator, name="rips", title="Places after those above", slates=True):
    """mean over slates of sum over places of (product of weights down to the place) x r."""

    def terms(self, log: Logged | Slates) -> Terms:
        data = whole(log)
        return _weighted(data, data.cascade)


class CascadeDoublyRobust(Estimator, name="cascade_dr", title="Cascade, doubly robust", slates=True, model=True):
    """mean over slates of sum over places of W (r - fitted) + W_above expected; `fitted` is of here and all below."""

    def terms(self, log: Logged | Slates) -> Terms:
        data = whole(log)
        part = data.cascade * (data.reward - data.fitted) + data.above * data.expected
        # The same sum, place by place: expected at the top + sum of W (r + drop).
        (low, high), first, most = data.total_range, data.expected[:, 0], data.cascade.max(axis=0)
        falls, rises = data.drop.min(axis=0).clip(max=0), data.drop.max(axis=0).clip(min=0)
        bottom = float(first.min() + most.max() * low + (most * falls).sum())
        top = float(first.max() + most.max() * high + (most * rises).sum())
        return Terms.mean(part.sum(axis=1), bottom, top, data.cascade)


def whole(log: Logged | Slates) -> Slates:
    """The log of an estimator for slates."""
    if isinstance(log, Logged):
        raise TypeError("this estimator takes Slates, not Logged")
    return log


def _weighted(log: Slates, weight: Array) -> Terms:
    low, high = log.total_range
    most = float(weight[log.shown].max())
    return Terms.mean((weight * log.reward).sum(axis=1), most * low, most * high, weight)
