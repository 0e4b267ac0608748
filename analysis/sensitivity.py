"""Sensitivity: the lifts and the call at the deciding look, had one choice of the analysis been another.

Every alternative is the experiment itself with that choice replaced, read by the same scan and the same rules.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis.collected import Collected
from analysis.decision.decide import circumstances, decide_arm
from analysis.errors import AnalysisError
from analysis.experiment import Experiment
from analysis.inference.rules import Rules
from analysis.metric_effects import effects, every_series
from analysis.metrics import Metric, Quantity
from analysis.metrics.mean import Mean
from analysis.readout import Decision, Effect, Estimate, Look, Variation
from analysis.variables import SIZE, Cap, Variable

if TYPE_CHECKING:
    from store import Workspace

CAP = Cap(quantile=0.999)
PAST_DAYS = 14.0


@dataclass(frozen=True, slots=True)
class _Alternative:
    """Another answer, `name`, to the question `choice`; `of` are the plan's metrics, in the order of its own."""

    choice: str
    name: str
    experiment: Experiment
    of: tuple[Metric, ...]

    @property
    def touched(self) -> list[tuple[Metric, Metric]]:
        """The plan's metrics that it changes, each with what it makes of them; all where other units count."""
        pairs = zip(self.of, self.experiment.metrics, strict=True)
        return [(planned, other) for planned, other in pairs if self.choice == "crossovers" or planned != other]


def variations(
    experiment: Experiment, collected: Collected, decision: Decision, workspace: Workspace | None = None
) -> tuple[Variation, ...]:
    """The lift of every primary metric and guardrail under every other choice; none for summaries, which hold no rows.

    Args:
        collected: the facts, as the experiment itself reads them.
        decision: what was decided on them; where health checks block it, they block every alternative.
    """
    if experiment.source.kind == "moments":
        return ()
    others = _alternatives(experiment, crossed=bool(collected.crossed[-1].any()))
    alike = [[other for other in others if other.experiment.crossovers == policy] for policy in ("exclude", "first")]
    found = [each for group in alike if group for each in _read(experiment, group, collected, decision, workspace)]
    order = [other.name for other in others]
    return tuple(sorted(found, key=lambda each: order.index(each.name)))


def _alternatives(experiment: Experiment, *, crossed: bool) -> list[_Alternative]:
    """What could have been chosen; only what changes something."""
    planned = tuple(metric for metric in experiment.metrics if metric.role != "secondary")
    # Units are read without segments, and metrics that decide nothing are left out: neither changes a lift or the call.
    alone = replace(experiment, segments=(), metrics=planned)
    events = experiment.source.kind in ("events", "lake")
    changes: list[tuple[str, str, Callable[[Metric], Metric]]] = [
        ("cap", "no cap", _uncapped),
        ("cap", "a cap at the 99.9% quantile", _capped),
        ("covariates", "no covariates", lambda metric: replace(metric, covariates=())),
        *([("covariates", f"{PAST_DAYS:g} days before as covariate", _with_past)] if events else []),
        ("window", "half the window", lambda metric: _windowed(metric, 0.5)),
        ("window", "no end of the window", lambda metric: _windowed(metric, None)),
    ]
    found = []
    for choice, name, change in changes:
        # Another id, because one scan collects the plan's metric under several choices.
        metrics = tuple(m if change(m) == m else replace(change(m), id=f"{m.id} with {name}") for m in planned)
        if metrics != planned:
            found.append(_Alternative(choice, name, replace(alone, metrics=metrics), planned))
    if crossed and experiment.source.time:
        if experiment.crossovers == "exclude":
            name, other = "crossovers kept in their first arm", replace(alone, crossovers="first")
        else:
            name, other = "crossovers left out", replace(alone, crossovers="exclude")
        found.append(_Alternative("crossovers", name, other, planned))
    return found


def _over(quantity: Quantity, change: Callable[[Variable], Variable]) -> Quantity:
    return Quantity(change(quantity.numerator), quantity.denominator and change(quantity.denominator))


def _uncapped(metric: Metric) -> Metric:
    outcome, *covariates = (
        _over(quantity, lambda variable: replace(variable, cap=None))
        for quantity in (metric.outcome, *metric.covariates)
    )
    return replace(metric, outcome=outcome, covariates=tuple(covariates))


def _capped(metric: Metric) -> Metric:
    numerator = metric.outcome.numerator
    if not isinstance(metric, Mean) or numerator.cap:
        return metric
    return replace(metric, outcome=replace(metric.outcome, numerator=replace(numerator, cap=CAP)))


def _with_past(metric: Metric) -> Metric:
    if metric.covariates or not metric.additive:
        return metric
    own = (variable for variable in metric.outcome.variables if variable != SIZE and variable.aggregation != "unit")
    past = Quantity(*(variable.before(PAST_DAYS) for variable in own))
    return replace(metric, covariates=(past.over_clusters() if SIZE in metric.outcome.variables else past,))


def _windowed(metric: Metric, share: float | None) -> Metric:
    """Events until another day; a window that has to end before a unit counts is what the metric is, and stays."""

    def other(variable: Variable) -> Variable:
        if variable.days is None or variable.complete:
            return variable
        return replace(variable, days=share and variable.days * share)

    return replace(metric, outcome=_over(metric.outcome, other))


def _read(
    experiment: Experiment,
    others: list[_Alternative],
    collected: Collected,
    decision: Decision,
    workspace: Workspace | None,
) -> list[Variation]:
    """The variations of alternatives on the same units, by one scan; where the facts refuse it, by one for each."""
    from analysis.collect import collect

    _, hold, waiting = circumstances(experiment, collected)
    # A group sequential bound depends on the analyses before it, and an early look is none of the last scan's.
    latest = decision.look == len(collected.looks) - 1
    last = len(collected.looks) == 1 or (latest and experiment.inference != "group_sequential")
    metrics = tuple(dict.fromkeys(metric for other in others for metric in other.experiment.metrics))
    first = others[0].experiment
    try:
        found = collect(replace(first, metrics=metrics), workspace, looks="last" if last else "daily")
    except AnalysisError as error:
        if len(others) == 1:
            return _refused(others[0], str(error))
        return [each for other in others for each in _read(experiment, [other], collected, decision, workspace)]
    times: Any = found.looks
    at = -1 if last else bisect_right(times, collected.looks[decision.look]) - 1
    # The times at which error is spent are the plan's own, whatever the window.
    rules = Rules(replace(first, metrics=experiment.metrics), found)
    varied = []
    for other in others:
        read = effects(found, every_series(other.experiment, found, rules))[at]
        look = Look(None, {}, (), tuple(read))
        for arm in experiment.arms[1:]:
            call = decide_arm(other.experiment, look, arm, hold, waiting).verdict
            call = "blocked" if decision.verdict == "blocked" else call
            by_id: dict[str, Effect] = {effect.metric: effect for effect in read if effect.arm == arm}
            varied += [
                Variation(planned.id, arm, other.choice, other.name, effect.relative, effect.reading, call)
                for planned, metric in other.touched
                for effect in (by_id[metric.id],)
            ]
    return varied


def _refused(other: _Alternative, why: str) -> list[Variation]:
    nothing = Estimate(None, None, None, None, why)
    return [
        Variation(planned.id, arm, other.choice, other.name, nothing, "unknown", None)
        for planned, _ in other.touched
        for arm in other.experiment.arms[1:]
    ]
