"""Which part of a Readout a piece of a page shows. Selection only: no number is made here."""

from dataclasses import replace

from analysis.readout import ArmDecision, Check, Effect, Estimate, Look, MetricPlan, Readout, Split

ROLE_ORDER = ("primary", "guardrail", "secondary")
CHECK_ORDER = ("fail", "warn", "unknown", "pass")
CHECK_PLACES = ("sample_ratio", "crossover", "pre_period_balance", "sample_size", "freshness", "logging_gaps")


def until_decided(readout: Readout) -> Readout:
    """The readout up to the look that the decision rests on: what came later is no part of a fixed horizon's answer."""
    return replace(readout, looks=readout.looks[: readout.decision.look + 1 or None])


def plans(readout: Readout) -> dict[str, MetricPlan]:
    """Metrics by id, primary first."""
    ordered = sorted(readout.design.metrics, key=lambda plan: ROLE_ORDER.index(plan.role))
    return {plan.id: plan for plan in ordered}


def primary(readout: Readout) -> MetricPlan:
    """The metric that the decision is about."""
    return next(iter(plans(readout).values()))


def treatments(readout: Readout) -> list[str]:
    """Arms other than control, in the order of the design."""
    return [arm for arm in readout.design.shares if arm != readout.design.control]


def overall(look: Look, arm: str) -> list[Effect]:
    """Effects of an arm on all units together."""
    return [effect for effect in look.effects if effect.arm == arm and effect.segment is None]


def effect_of(look: Look, metric: str, arm: str) -> Effect | None:
    """The effect of an arm on one metric, on all units together."""
    return next((effect for effect in overall(look, arm) if effect.metric == metric), None)


def segments(look: Look, metric: str, arm: str) -> list[Effect]:
    """The effects of an arm on one metric in every segment."""
    return [e for e in look.effects if e.segment and e.metric == metric and e.arm == arm]


def history(readout: Readout, metric: str, arm: str) -> list[tuple[Look, Effect]]:
    """One metric and arm at every look that has it, oldest first."""
    found = ((look, effect_of(look, metric, arm)) for look in readout.looks)
    return [(look, effect) for look, effect in found if effect is not None]


def excludes_zero(estimate: Estimate | None) -> bool:
    """Whether the whole interval lies on one side of zero."""
    if estimate is None:
        return False
    return (estimate.lower is not None and estimate.lower > 0) or (estimate.upper is not None and estimate.upper < 0)


def clear_since(looks: list[tuple[Look, Effect]]) -> int | None:
    """Position of the look from which the interval has excluded zero without a break; None if it does not now.

    A look that is no analysis of a group sequential design is passed over.
    """
    since = None
    for position, (_, effect) in enumerate(looks):
        if effect.interval.kind == "group_sequential" and effect.relative.lower is None:
            continue
        since = (position if since is None else since) if excludes_zero(effect.relative) else None
    return since


def checks(look: Look) -> list[Check]:
    """Health checks, failures first; where the split is tested at every look, that test stands for both."""
    sequential = any(check.name == "sample_ratio_sequential" for check in look.checks)
    shown = [check for check in look.checks if not (sequential and check.name == "sample_ratio")]
    return sorted(shown, key=lambda check: (CHECK_ORDER.index(check.verdict), _place(check)))


def _place(check: Check) -> int:
    """What readers ask first comes first."""
    return next((k for k, name in enumerate(CHECK_PLACES) if check.name.startswith(name)), len(CHECK_PLACES))


def split_p(split: Split) -> float | None:
    """The p-value of a segment's split that decides: the one valid at every look where there is one."""
    return split.p_value if split.sequential is None else split.sequential


def suspicion(split: Split) -> tuple[bool, float]:
    """Sorts segments by their split, those that are or were off first."""
    return split.first_bad is None, -(split.deviation or 0.0)


def decided(readout: Readout, arm: str) -> ArmDecision:
    """The decision on one arm; the whole decision where arms are not told apart."""
    decision = readout.decision
    whole = ArmDecision(arm, decision.verdict, decision.reasons)
    return next((each for each in decision.arms if each.arm == arm), whole)


def lead_arm(readout: Readout) -> str:
    """The arm to show first: of those that the overall decision is about, the one with the best primary lift."""
    arms = treatments(readout)
    agreeing = {each.arm for each in readout.decision.arms if each.verdict == readout.decision.verdict}
    return max([arm for arm in arms if arm in agreeing] or arms, key=lambda arm: _gain(readout, arm))


def _gain(readout: Readout, arm: str) -> float:
    """The best estimate of the primary lift, with better upwards; what is not known comes last."""
    plan = primary(readout)
    effect = effect_of(readout.looks[-1], plan.id, arm)
    if effect is None or effect.relative.estimate is None:
        return float("-inf")
    return effect.relative.estimate if plan.direction == "increase" else -effect.relative.estimate
