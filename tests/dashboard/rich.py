"""A sample readout with everything that a look can hold, and its two cousins: one that stopped, one with a prior."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from analysis.readout import (
    Alternative,
    Arms,
    Clustering,
    Effect,
    Estimate,
    Family,
    Interaction,
    Interval,
    Learning,
    Look,
    Posterior,
    Prior,
    Readout,
    Segment,
    Split,
    Stopped,
    Variation,
)
from analysis.readout.network import Network, NetworkEffect
from analysis.trust import MetricTrust, Rate, RuleTrust, Trust
from store import Workspace
from tests.dashboard import sample


def whole() -> Readout:
    """The first sample, with families, planned analyses, tests of segments, splits, variations and cohorts."""
    made = sample.readout(sample.STORIES[0])
    looks = tuple(_look(look, k) for k, look in enumerate(made.looks))
    first = looks[-1].effects[0]
    moved = Estimate(0.01, 0.009, -0.012, 0.032)
    variations = (
        Variation("revenue", "v7", "cap", "no cap", first.relative, "better", "ship"),
        Variation("revenue", "v7", "covariates", "not used", moved, "unclear", "keep_running"),
        Variation("load", "v7", "cap", "no cap", looks[-1].effects[10].relative, "within_margin", "ship"),
        Variation("load", "v7", "window", "half", Estimate(None, None, None, None, "no window"), "unknown", None),
    )
    cohorts = (
        Learning(
            "revenue", "v7", "8 Nov to 14 Nov 2025", 1200, 3400, _around(0.05), _around(0.02), _around(-0.03), 0.004, "novelty"
        ),
        Learning("clicks", "v7", "", 0, 0, *([NOTHING] * 3), None, "unknown", "needs 100 units"),
    )  # fmt: skip
    costs = (Clustering("revenue", 120, 5200, 0.031, 2.4), Clustering("load", 120, 5200, None, None))
    return replace(made, looks=looks, variations=variations, learning=cohorts, clusters=costs, network=friends("units"))


def friends(randomised: str) -> Network:
    """Effects among friends: what reaches control is clear along the dose, and else not."""
    lifts = {
        "direct": _around(0.02),
        "spillover_untreated": _around(0.01),
        "spillover_treated": Estimate(None, None, None, None, "fewer than two communities"),
        "total": _around(0.05),
        "without_friends": Estimate(0.02, 0.008, None, None, "the control value is not clearly different from 0"),
    } | ({"dose_untreated": _around(0.03), "dose_treated": _around(-0.02)} if randomised == "units" else {})
    effects = tuple(
        NetworkEffect(
            metric, role, "v7", name, Arms(1200, 1100), Arms(300.0, 306.0), lift, lift, None if lift.lower is None else 0.01,
            90, 420 if name == "direct" else 0,
        )
        for metric, role in (("revenue", "primary"), ("load", "guardrail"))
        for name, lift in lifts.items()
    )  # fmt: skip
    return Network(randomised, "confidence_sequence", 0.5, 5200, 4100, 6300, 120, 80, 0.75, effects)


def stopped() -> Readout:
    """A group sequential design that has crossed its boundary."""
    made = whole()
    answer = Stopped(18, True, _around(0.03), 0.002)

    def planned(effect: Effect) -> Effect:
        own = next((other for other in effect.alternatives if other.kind == "group_sequential"), None)
        others = tuple(other for other in effect.alternatives if other is not own)
        if own is None:
            return effect
        others += (Alternative("confidence_sequence", effect.relative),)
        interval = Interval("group_sequential", 0.95)
        return replace(effect, relative=own.relative, alternatives=others, interval=interval, stopped=answer)

    looks = tuple(replace(look, effects=tuple(map(planned, look.effects))) for look in made.looks)
    return replace(made, looks=looks, design=replace(made.design, inference="group_sequential"))


def bayesian() -> Readout:
    """The same with a prior: posteriors, and no p-value."""
    made = whole()

    def believed(effect: Effect) -> Effect:
        lift = effect.relative.estimate or 0.0
        belief = (
            Posterior(lift, 0.01, lift - 0.02, lift + 0.02, 0.96, 0.0004, 0.031) if effect.segment is None else None
        )
        return replace(effect, interval=Interval("bayesian", 0.95), posterior=belief, p_value=None, family=None)

    looks = tuple(replace(look, effects=tuple(map(believed, look.effects)), interactions=()) for look in made.looks)
    return replace(made, looks=looks, design=replace(made.design, inference="bayesian", prior=Prior(0.0, 0.1)))


BAD = Split(
    Segment("country", "GB"), {"v6": 1000, "v7": 800}, 0.0004, 0.0004, 0.05, "2025-11-03T06:10:00Z", "2025-11-02T06:10:00Z"
)  # fmt: skip
NOTHING = Estimate(None, None, None, None, "needs 100 units")


def _split(segment: Segment) -> Split:
    return Split(segment, {"v6": 1000, "v7": 1004}, 0.7, 0.7, 0.001)


def _around(lift: float) -> Estimate:
    return Estimate(lift, 0.008, lift - 0.016, lift + 0.016)


def _look(look: Look, position: int) -> Look:
    effects = tuple(_effect(effect, position) for effect in look.effects)
    tests = tuple(
        Interaction(metric, "v7", dimension, p, adjusted)
        for metric in ("revenue", "load")
        for dimension, p, adjusted in (("device", 0.004, 0.012), ("country", 0.3, 0.6), ("visitor", None, None))
    )
    groups = dict.fromkeys(effect.segment for effect in effects if effect.segment)
    splits = tuple(BAD if segment == BAD.segment else _split(segment) for segment in groups)
    return replace(look, effects=effects, interactions=tests, splits=splits)


def _effect(effect: Effect, position: int) -> Effect:
    if effect.segment is not None:
        value, error = effect.means.control or 0.0, effect.relative.standard_error or 0.0
        variance = (value * error) ** 2 / 2
        return replace(effect, covariance=(variance, variance, 0.0))
    estimate, error = effect.relative.estimate or 0.0, effect.relative.standard_error or 0.0
    at_analysis = position % 7 == 6
    planned = Estimate(estimate, error, estimate - 2.1 * error, estimate + 2.1 * error)
    never = Estimate(estimate, error, None, None, "no analysis is planned at this look")
    family = None
    if effect.role == "secondary":
        p = min(1.0, 3 * (effect.p_value or 0.0))
        family = Family("secondary", "benjamini_hochberg", 3, p, replace(planned, lower=estimate - 2.4 * error))
    return replace(
        effect,
        alternatives=(*effect.alternatives, Alternative("group_sequential", planned if at_analysis else never)),
        family=family,
    )


def fill(path: Path) -> Workspace:
    """The samples' workspace, with these three as well: one of them proven, decided twice, and its plan edited."""
    workspace = sample.fill(path)
    registry = workspace.registry
    for id, made in (("whole", whole()), ("stopped", stopped()), ("bayesian", bayesian())):
        registry.save_experiment(PLAN, id=id, name=f"Everything, {id}", owner="L. Okafor")
        text, history = replace(made, experiment=id, design=replace(made.design, name=f"Everything, {id}")).split()
        registry.save_look(id, readout=text, segment_history=history, verdict="ship", lake_versions={}, taken_at=AT)
    registry.save_experiment(PLAN.replace("0.03", "0.02"), id="whole", name="Everything, whole", owner="L. Okafor")
    look = registry.looks("whole")[0].id
    first = registry.decide("whole", look, "review", reason="Look at the page load first.", decided_by="R. Mehta")
    registry.record_outcome(first.id, "It was the image size.", recorded_by="T. Ahmed", look_id=look)
    registry.decide("whole", look, "ship", reason="Revenue is clearly up.", decided_by="L. Okafor")
    registry.save_trust("whole", proof().to_json(), lake_versions={})
    return workspace


def proof(verdict: str = "holds") -> Trust:
    """A proof of the primary metric."""
    rate = Rate.of(41, 1000)
    rules = tuple(RuleTrust(kind, rate, rate, rate, rate, 0.1) for kind in ("confidence_sequence", "fixed"))
    found = MetricTrust(sample.REVENUE, "v7", 0.05, 0.1, 1000, 900, rules, verdict, "why")
    return Trust(
        "whole", "Everything", "confidence_sequence", 0.05, "before", 28, 28, None, None, "visitor_id", 2000, 1000, 7,
        (found,), rate, rate, 0.01, (),
    )  # fmt: skip


AT = datetime(2025, 11, 17, 9, 30, tzinfo=UTC)
PLAN = """[experiment]
id = "whole"

[[metrics]]
id = "revenue"
kind = "mean"
covariates = { window_days = 14 }

[[metrics]]
id = "load"
margin = 0.03
"""
