"""The decision: one stated rule that turns the last look into a call and its reasons.

Ship if a primary metric is clearly better, none clearly worse, every guardrail within its margin and no check
failed; stop if a primary metric is clearly worse or a guardrail clearly beyond its margin. "Clearly" is at
alpha divided by the number of primary comparisons, so that several arms or metrics do not win by their number.
"""

from __future__ import annotations

from analysis.experiment import Experiment
from analysis.metrics import Metric
from analysis.readout import ArmDecision, Call, Decision, Effect, Estimate, Look, Reading

RULE = (
    "Ship when a primary metric is clearly better, none is clearly worse, every guardrail is within its margin "
    "and no check failed."
)
WORDS: dict[Reading, str] = {
    "better": "better",
    "worse": "worse",
    "unclear": "cannot tell yet",
    "within_margin": "within its margin",
    "beyond_margin": "beyond its margin",
    "unknown": "cannot be read",
}
URGENCY: tuple[Call, ...] = ("ship", "review", "keep_running", "stop")


def read_effect(metric: Metric, absolute: Estimate, relative: Estimate) -> Reading:
    """What an interval says of a metric, in the direction that is good for it."""
    lower, upper = _good_way_up(metric, relative)
    if metric.role == "guardrail" and metric.margin is not None:
        if lower is None or upper is None:
            return "unknown"
        if lower > -metric.margin:
            return "within_margin"
        if upper < -metric.margin:
            return "beyond_margin"
        return "worse" if upper < 0 else "unclear"
    lower, upper = _good_way_up(metric, absolute)
    if lower is None or upper is None:
        return "unknown"
    return "better" if lower > 0 else "worse" if upper < 0 else "unclear"


def _good_way_up(metric: Metric, estimate: Estimate) -> tuple[float | None, float | None]:
    """The interval's ends with better above 0, whichever direction is better."""
    if estimate.lower is None or estimate.upper is None:
        return None, None
    return (estimate.lower, estimate.upper) if metric.direction == "increase" else (-estimate.upper, -estimate.lower)


def decide(experiment: Experiment, look: Look) -> Decision:
    """The call at one look, for each treatment arm and overall."""
    failed = [check for check in look.checks if check.verdict == "fail"]
    if failed:
        reasons = tuple(f"{_title(check.name)}: {check.reason}." for check in failed)
        arms = tuple(ArmDecision(arm, "blocked", reasons) for arm in experiment.arms[1:])
        return Decision("blocked", reasons, arms, RULE)
    arms = tuple(_decide_arm(experiment, look, arm) for arm in experiment.arms[1:])
    best = min(arms, key=lambda decision: URGENCY.index(decision.verdict))
    several = len(arms) > 1
    reasons = tuple(
        f"{decision.arm}: {reason}" if several else reason for decision in arms for reason in decision.reasons
    )
    warned = tuple(
        f"Check {_title(check.name).lower()}: {check.reason}." for check in look.checks if check.verdict == "warn"
    )
    return Decision(best.verdict, reasons + warned, arms, RULE)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _decide_arm(experiment: Experiment, look: Look, arm: str) -> ArmDecision:
    effects = {effect.metric: effect for effect in look.effects if effect.arm == arm and effect.segment is None}
    by_role = {
        role: [(metric, effects[metric.id]) for metric in experiment.metrics if metric.role == role]
        for role in ("primary", "guardrail")
    }
    comparisons = max(1, len(by_role["primary"]) * (len(experiment.arms) - 1))
    clear = [(metric, effect, _clear(effect, experiment.alpha / comparisons)) for metric, effect in by_role["primary"]]
    reasons = [
        _sentence(metric, effect, _words(effect.reading, reading, comparisons)) for metric, effect, reading in clear
    ]
    reasons += [_sentence(metric, effect, WORDS[effect.reading]) for metric, effect in by_role["guardrail"]]
    primary = [reading for *_, reading in clear]
    guardrails = [effect.reading for _, effect in by_role["guardrail"]]
    waiting = _open(experiment, look)
    call: Call
    why: str | None
    if waiting and experiment.inference == "fixed":
        call, why = "keep_running", f"A fixed horizon is read once, at the planned units: {waiting}"
    else:
        call, why = _call(primary, guardrails, waiting)
    return ArmDecision(arm, call, (*([why] if why else []), *reasons))


def _clear(effect: Effect, alpha: float) -> Reading:
    """The effect's reading at the stricter level of several comparisons."""
    if effect.reading in ("better", "worse") and (effect.p_value is None or effect.p_value > alpha):
        return "unclear"
    return effect.reading


def _open(experiment: Experiment, look: Look) -> str | None:
    """Why more units may still come and change the call; None once the planned units are in."""
    units = sum(look.units.values())
    if experiment.planned_units is None or units >= experiment.planned_units:
        return None
    return f"{units:,} of {experiment.planned_units:,} planned units are in."


def _call(primary: list[Reading], guardrails: list[Reading], waiting: str | None) -> tuple[Call, str | None]:
    if not primary:
        return "review", "No metric has the role primary, so no rule can decide."
    won = "better" in primary
    if "worse" in primary:
        return ("review", "One primary metric is better and another worse.") if won else ("stop", None)
    if "beyond_margin" in guardrails:
        return ("review", "It wins, but a guardrail is beyond its margin.") if won else ("stop", None)
    if won and "worse" in guardrails:
        return "review", "It wins, but a guardrail is worse and may be beyond its margin."
    if won and all(reading == "within_margin" for reading in guardrails):
        return "ship", None
    if waiting:
        return "keep_running", waiting
    if "unknown" in primary:
        return "review", "A primary metric cannot be read."
    if won:
        return "review", "It wins, but a guardrail cannot be shown to be within its margin at the planned units."
    return "stop", "The planned units are in, and no primary metric is clearly better."


def _words(alone: Reading, reading: Reading, comparisons: int) -> str:
    return (
        WORDS[reading]
        if alone == reading
        else f"{WORDS[alone]} on its own, but not clearly among {comparisons} comparisons"
    )


def _sentence(metric: Metric, effect: Effect, words: str) -> str:
    """One metric with its interval, after `words` that say how to read it."""
    relative = effect.relative
    if relative.estimate is None:
        return f"{metric.name}: no lift can be given, {relative.reason}."
    level = f"{100 * effect.interval.level:g}% interval"
    fits = (
        f"{level} {percent(relative.lower)} to {percent(relative.upper)}"
        if relative.lower is not None
        else relative.reason
    )
    margin = f" of {percent(metric.margin).lstrip('+')}" if metric.margin is not None and "margin" in words else ""
    return f"{metric.name}: {words}{margin}, {percent(relative.estimate)} ({fits})."


def percent(share: float | None) -> str:
    """A relative change for people: a sign, one decimal, more only where it would read 0."""
    if share is None:
        return "unbounded"
    digits = 1 if abs(share) >= 0.001 or share == 0 else 3
    return f"{100 * share:+.{digits}f}%".replace("-", "−")
