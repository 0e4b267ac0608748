"""The value of a policy that did not act, from the log of one that did."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.offpolicy.estimator import Estimator, EstimatorError, Terms, estimator, known_estimators
from recsys.offpolicy.interval import Interval, Sums, interval
from recsys.offpolicy.logged import Logged, Slates
from recsys.offpolicy.support import Support, support

# Fewer units than this say nothing about the spread between units.
LEAST_UNITS = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one estimator says: a value with its interval, or why there is none.

    Attributes:
        value, interval: in the reward's unit per decision or per slate; None where it is refused.
        support: how much of the log counts, given also where it is refused.
        units: independent units, over which the interval is computed.
        refused: empty where there is a value.
    """

    estimator: str
    value: float | None
    interval: Interval | None
    support: Support
    units: int
    refused: str = ""


def estimate(
    name: str, log: Logged | Slates, *, alpha: float = 0.05, unsupported: float | None = None, guaranteed: bool = False
) -> Estimate:
    """The value of the policy whose weights are in `log`, by the estimator of this name.

    Args:
        alpha: 1 - the level of the interval.
        unsupported: see `unsupported_share`; any above 0 is refused.
        guaranteed: give the betting interval also where the weights are light.

    Raises:
        EstimatorError: if the estimator is not known, or is for slates and `log` is not, or the other way round.
    """
    chosen = estimator(name)
    if chosen.slates != isinstance(log, Slates):
        raise EstimatorError(f"{name} is for {'slates' if chosen.slates else 'single decisions'}; the log is not.")
    return _estimate(chosen, log, support(log, unsupported, apart=chosen.judged_apart(log)), alpha, guaranteed)


def estimates(
    log: Logged | Slates,
    names: Sequence[str] | None = None,
    *,
    alpha: float = 0.05,
    unsupported: float | None = None,
) -> tuple[Estimate, ...]:
    """Every estimator that fits the log, or those named; the support is judged once."""
    fitting = [each for each in known_estimators().values() if each.slates == isinstance(log, Slates)]
    chosen = [each for each in fitting if names is None or each.name in names]
    judged = {apart: support(log, unsupported, apart=apart) for apart in {each.judged_apart(log) for each in chosen}}
    return tuple(_estimate(each, log, judged[each.judged_apart(log)], alpha, False) for each in chosen)


def _estimate(chosen: Estimator, log: Logged | Slates, judged: Support, alpha: float, guaranteed: bool) -> Estimate:
    units = len(np.unique(log.unit))
    refused = judged.refused
    if not refused and units < LEAST_UNITS:
        refused = f"Not evaluable: {units} people or decisions that are independent; the least is {LEAST_UNITS}."
    if not refused and chosen.model and not (log.fitted.any() or log.expected.any()):
        refused = "Needs a reward model, and none was fitted."
    if refused:
        return Estimate(chosen.name, None, None, judged, units, refused)
    try:
        terms = chosen.terms(log)
    except EstimatorError as error:
        return Estimate(chosen.name, None, None, judged, units, str(error))
    sums = sums_of(terms, log)
    around = interval(sums, alpha, guaranteed=guaranteed)
    if sibling := chosen.held_by(log):
        # Nothing bounds the bias but the weights themselves: all that they leave open stays open.
        around = around.holding(interval(sums_of(estimator(sibling).terms(log), log), alpha))
    low, high = log.value_range
    return Estimate(chosen.name, sums.value, around.within(low, high), judged, units)


def sums_of(terms: Terms, log: Logged | Slates) -> Sums:
    """Terms added up by unit."""
    return Sums.by_unit(terms.numerator, terms.denominator, log.unit, terms.corners)
