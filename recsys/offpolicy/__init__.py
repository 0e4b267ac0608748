"""What a policy that never acted would have earned, from the log of one that did; or why the log cannot tell."""

from recsys.offpolicy.estimate import Estimate, estimate, estimates
from recsys.offpolicy.estimator import Estimator, EstimatorError, known_estimators
from recsys.offpolicy.evaluation import PolicyReport, evaluate_policy
from recsys.offpolicy.interval import Interval
from recsys.offpolicy.logged import Logged, Slates, weights
from recsys.offpolicy.support import Support, support, unsupported_share

__all__ = [
    "Estimate",
    "Estimator",
    "EstimatorError",
    "Interval",
    "Logged",
    "PolicyReport",
    "Slates",
    "Support",
    "estimate",
    "estimates",
    "evaluate_policy",
    "known_estimators",
    "support",
    "unsupported_share",
    "weights",
]
