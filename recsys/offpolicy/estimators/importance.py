"""Importance weighting: rewards as they were, counted as often as the evaluated policy would have earned them.

Sources: Horvitz and Thompson 1952 (ips); Swaminathan and Joachims 2015 (snips); Ionides 2008 and Su et al. 2020
(clipped). Each agrees with the class of that purpose in the Open Bandit Pipeline; see tests/reference.
"""

import numpy as np

from recsys.offpolicy.estimator import Estimator, Terms
from recsys.offpolicy.logged import Logged, Slates
from recsys.offpolicy.shrinkage import clipped, threshold


class Ips(Estimator, name="ips", title="Inverse propensity"):
    """mean(w r)."""

    def terms(self, log: Logged | Slates) -> Terms:
        low, high = log.reward_range
        most = single(log).most_weight
        return Terms.mean(single(log).weight * single(log).reward, min(most * low, 0.0), max(most * high, 0.0))


class Snips(Estimator, name="snips", title="Self-normalised"):
    """sum(w r) / sum(w)."""

    def terms(self, log: Logged | Slates) -> Terms:
        data, (low, high) = single(log), log.reward_range
        most = data.most_weight
        corners = np.array([[0.0, 0.0], [most * low, most], [most * high, most]])
        return Terms(data.weight * data.reward, data.weight, corners)


class Clipped(Estimator, name="clipped", title="Clipped weights", unbiased="ips"):
    """mean(min(w, limit) r); the limit is that of `threshold`."""

    def terms(self, log: Logged | Slates) -> Terms:
        data, (low, high) = single(log), log.reward_range
        limit = threshold(data)
        most = min(limit, data.most_weight)
        return Terms.mean(clipped(data.weight, limit) * data.reward, min(most * low, 0.0), max(most * high, 0.0))


def single(log: Logged | Slates) -> Logged:
    """The log of an estimator that is not for slates."""
    if isinstance(log, Slates):
        raise TypeError("this estimator takes Logged, not Slates")
    return log
