"""The Readout: every number of an experiment in one frozen value that survives a trip through JSON."""

from analysis.readout.decision import ArmDecision, Call, Decision
from analysis.readout.design import Design, GroupSequentialPlan, MetricPlan, Prior
from analysis.readout.effect import (
    Adjustment,
    Alternative,
    Effect,
    EffectPair,
    Family,
    Interval,
    Posterior,
    Reading,
    Segment,
    Stopped,
)
from analysis.readout.figures import Arms, Estimate
from analysis.readout.findings import Check, Clustering, Interaction, Learning, Split, Variation, Verdict
from analysis.readout.network import Network
from analysis.readout.readout import Look, Readout

__all__ = [
    "Adjustment",
    "Alternative",
    "ArmDecision",
    "Arms",
    "Call",
    "Check",
    "Clustering",
    "Decision",
    "Design",
    "Effect",
    "EffectPair",
    "Estimate",
    "Family",
    "GroupSequentialPlan",
    "Interaction",
    "Interval",
    "Learning",
    "Look",
    "MetricPlan",
    "Network",
    "Posterior",
    "Prior",
    "Reading",
    "Readout",
    "Segment",
    "Split",
    "Stopped",
    "Variation",
    "Verdict",
]
