"""Reads effects among friends from what one scan returned."""

from __future__ import annotations

import numpy as np

from analysis.collected import Collected
from analysis.experiment import Experiment
from analysis.inference.estimates import Cell, Estimates, number
from analysis.inference.rules import Rules
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.network.effects import NetworkContrasts, network_contrasts
from analysis.network.exposure import map_exposure
from analysis.network.graph import Neighbours
from analysis.readout.figures import Arms
from analysis.readout.network import Network, NetworkContrast, NetworkEffect

THRESHOLD = 0.5


def read_network(experiment: Experiment, collected: Collected, rules: Rules) -> Network | None:
    """The effects among friends at the last look, by the rule that is valid wherever the experiment is read.

    Returns:
        None where no two units are known to be friends, or their communities are not known.
    """
    neighbours = collected.neighbours
    if neighbours is None or neighbours.community is None:
        return None
    graph, community = neighbours.graph, neighbours.community
    shares = np.array([experiment.shares[arm] for arm in collected.arms])
    randomised = community if experiment.cluster else np.arange(graph.n)
    sizes = np.bincount(community)
    effects: list[NetworkEffect] = []
    for a, arm in enumerate(collected.arms[1:], start=1):
        exposure = map_exposure(graph, neighbours.arm, randomised, shares, a, THRESHOLD)
        for metric in experiment.metrics:
            if metric.additive:
                numerator, denominator = _outcome(metric, neighbours)
                found = network_contrasts(numerator, denominator, exposure, community, by_unit=not experiment.cluster)
                # However few have friends, information grows with all that was randomised, which a sequence counts.
                whole = float(len(np.unique(randomised[exposure.used])))
                estimates = Estimates(found.contrast, rules.at_any_look(arm), experiment.alpha, units=whole)
                effects += _effects(metric, arm, found, estimates)
    return Network(
        randomised=experiment.randomised,
        rule=rules.at_any_look(experiment.arms[1]).kind,
        threshold=THRESHOLD,
        units=graph.n,
        with_friends=int((graph.degree > 0).sum()),
        friendships=len(graph.pairs),
        communities=len(sizes),
        largest=int(sizes.max()),
        share_inside=graph.share_inside(community),
        effects=tuple(effects),
    )


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
