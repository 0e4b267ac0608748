"""Trust: the error rates that an experiment promises, counted on its own units where nothing happened."""

from analysis.trust.rerandomise import trust
from analysis.trust.result import MetricTrust, Rate, RuleTrust, Trust

__all__ = ["MetricTrust", "Rate", "RuleTrust", "Trust", "trust"]
