"""Reads effects among friends from what one scan returned, and warns where an effect reaches others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.collected import Collected
from analysis.estimates import Cell, Estimates, number
from analysis.experiment import Experiment
from analysis.figures import Arms
from analysis.intervals import ConfidenceSequence, IntervalRule
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.network.effects import NetworkContrasts, network_contrasts
from analysis.network.exposure import map_exposure
from analysis.network.graph import Neighbours
from analysis.network.result import Network, NetworkContrast, NetworkEffect
from analysis.readout import Check, Verdict
from analysis.rules import Rules

THRESHOLD = 0.5
SPILLOVER = 0.01
# With fewer, sums over communities are too few for a normal limit, which a sequence leans on.
ENOUGH_COMMUNITIES = 40


def read_network(experiment: Experiment, collected: Collected, rules: Rules) -> Network | None:
    """The effects among friends at the last look, by the rule that is valid wherever the experiment is read.

    Returns:
        None where no two units are known to be friends.
    """
    neighbours = collected.neighbours
    if neighbours is None:
        return None
    graph, community = neighbours.graph, neighbours.community
    shares = np.array([experiment.shares[arm] for arm in collected.arms])
    randomised = community if experiment.cluster else np.arange(graph.n)
    sizes = np.bincount(community)
    effects: list[NetworkEffect] = []
    rule = rules.at_any_look(experiment.arms[1])
    for a, arm in enumerate(collected.arms[1:], start=1):
        rule = _per_unit(rules.at_any_look(arm), graph.n / len(sizes) if experiment.cluster else 1.0)
        exposure = map_exposure(graph, neighbours.arm, randomised, shares, a, THRESHOLD)
        for metric in experiment.metrics:
            if metric.additive:
                numerator, denominator = _outcome(metric, neighbours)
                found = network_contrasts(numerator, denominator, exposure, community, by_unit=not experiment.cluster)
                effects += _effects(metric, arm, found, Estimates(found.contrast, rule, experiment.alpha))
    return Network(
        randomised=experiment.randomised,
        rule=rule.kind,
        threshold=THRESHOLD,
        units=graph.n,
        with_friends=int((graph.degree > 0).sum()),
        friendships=len(graph.pairs),
        communities=len(sizes),
        largest=int(sizes.max()),
        share_inside=graph.share_inside(community),
        effects=tuple(effects),
    )


def spillover_check(network: Network) -> Check | None:
    """Whether control units whose friends are treated behave differently; None where that is what was designed for.

    It rests on the slope of every primary metric over the share of friends treated, with Bonferroni's correction, by
    the rule of the network: where the experiment may be read at every look, so may this check.
    """
    if network.randomised != "units":
        return None
    slopes = [e for e in network.effects if e.contrast == "dose_untreated" and e.role == "primary"]
    known = [(e.p_value, e) for e in slopes if e.p_value is not None and e.communities >= ENOUGH_COMMUNITIES]
    if not known:
        reason = "too few control units have friends in the experiment to see whether an effect reaches others"
        return Check("spillover", "unknown", None, None, SPILLOVER, reason)
    p, worst = min(known, key=lambda pair: pair[0])
    corrected, relative = min(1.0, p * len(slopes)), worst.relative.estimate
    verdict: Verdict = "warn" if corrected < SPILLOVER else "pass"
    size = f" by {100 * relative:+.1f}%" if relative is not None else ""
    reason = (
        f"friends of treated units behave differently ({worst.metric} of control units changes{size} from no friend "
        f"treated to all): the lift is not that of treating everyone; randomise by community"
        if verdict == "warn"
        else f"control units behave alike however many of their friends are treated ({network.with_friends:,} units "
        "have friends in the experiment)"
    )
    return Check("spillover", verdict, corrected, relative, SPILLOVER, reason)


def _per_unit(rule: IntervalRule, units: float) -> IntervalRule:
    """The rule by units, where a sequence was tuned to clusters of so many."""
    if isinstance(rule, ConfidenceSequence):
        return replace(rule, planned_units=rule.planned_units * units)
    return rule


def _outcome(metric: Metric, neighbours: Neighbours) -> tuple[Array, Array]:
    over = metric.outcome.denominator
    numerator = neighbours.values[metric.outcome.numerator]
    return numerator, neighbours.values[over] if over else np.ones_like(numerator)


def _effects(metric: Metric, arm: str, found: NetworkContrasts, estimates: Estimates) -> list[NetworkEffect]:
    contrast = found.contrast

    def effect(k: int, name: NetworkContrast) -> NetworkEffect:
        cell: Cell = (0, k)
        return NetworkEffect(
            metric=metric.id,
            role=metric.role,
            arm=arm,
            contrast=name,
            n=Arms(int(contrast.n_control[cell]), int(contrast.n_treatment[cell])),
            means=Arms(number(contrast.control[cell]), number(contrast.treatment[cell])),
            absolute=estimates.absolute(cell),
            relative=estimates.relative(cell),
            p_value=estimates.p_value(cell),
            communities=int(found.communities[k]),
            left_out=int(found.left_out[k]),
        )

    return [effect(k, name) for k, name in enumerate(found.names)]
