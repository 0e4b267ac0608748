"""The decision: one stated rule that turns the last look into a call and its reasons.

Ship if a primary metric is clearly better, none clearly worse, every guardrail within its margin and no check
failed; stop if a primary metric is clearly worse or a guardrail clearly beyond its margin. "Clearly" is at
alpha divided by the number of primary comparisons, so that several arms or metrics do not win by their number.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from analysis.collected import Collected
from analysis.experiment import Experiment
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.readout import ArmDecision, Call, Decision, Effect, Look, Reading

# Where the windows of most units are still open, an early order is easily taken for one more order.
MOSTLY_OPEN = 0.5

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


def decide(experiment: Experiment, collected: Collected, looks: tuple[Look, ...]) -> Decision:
    """The call, for each treatment arm and overall.

    It rests on the last look; with a fixed horizon on the first look that holds the planned units.
    """
    k = _deciding_look(experiment, collected)
    checks = dict.fromkeys((*looks[k].checks, *looks[-1].checks))
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        reasons = tuple(f"{_title(check.name)}: {check.reason}." for check in failed)
        arms = tuple(ArmDecision(arm, "blocked", reasons) for arm in experiment.arms[1:])
        return Decision("blocked", reasons, arms, RULE, len(looks) - 1)
    waiting, notes = _units_to_come(experiment, collected, k), _notes(experiment, looks, k)
    hold = _windows_to_end(experiment, collected, k)
    if hold is None and waiting and experiment.inference == "fixed":
        hold = f"A fixed horizon is read once, when all is in: {waiting}"
    arms = tuple(_decide_arm(experiment, looks[k], arm, hold, waiting) for arm in experiment.arms[1:])
    best = min(arms, key=lambda decision: URGENCY.index(decision.verdict))
    several = len(arms) > 1
    reasons = tuple(
        f"{decision.arm}: {reason}" if several else reason for decision in arms for reason in decision.reasons
    )
    return Decision(best.verdict, reasons + notes, arms, RULE, k, notes)


def _enrolled(collected: Collected) -> Array:
    """Units that came by each look, those seen in two arms included, shape (looks,)."""
    return np.asarray((collected.moments.n[:, 0, :] + collected.crossed).sum(axis=-1))


def _deciding_look(experiment: Experiment, collected: Collected) -> int:
    enough = np.flatnonzero(_enrolled(collected) >= (experiment.planned_units or np.inf))
    return int(enough[0]) if experiment.inference == "fixed" and len(enough) else len(collected.looks) - 1


def _units_to_come(experiment: Experiment, collected: Collected, k: int) -> str | None:
    """That more units are to come, which may change the call; None when all are in."""
    units, time = int(_enrolled(collected)[k]), collected.looks[k]
    ended = experiment.end is not None and isinstance(time, datetime) and time.date() >= experiment.end
    if experiment.planned_units is None or units >= experiment.planned_units or ended:
        return None
    crossed = int(collected.crossed[k].sum())
    seen = f" ({crossed:,} of them seen in two arms)" if crossed else ""
    return f"{units:,} of {experiment.planned_units:,} planned units are in{seen}."


def _windows_to_end(experiment: Experiment, collected: Collected, k: int) -> str | None:
    """That the longest window of a deciding metric is open for most units: an early order is no additional order."""
    metrics = [metric for metric in experiment.metrics if metric.role != "secondary"]
    days = max((v.days or 0.0 for metric in metrics for v in metric.outcome.variables), default=0.0)
    time: Any = collected.looks[k]
    if not days or time is None:
        return None
    units = collected.moments.n[:, 0, :].sum(axis=-1)
    window: Any = timedelta(days)
    ended = [n for n, look in zip(units, collected.looks, strict=True) if look + window <= time]
    share = 1 - (ended[-1] / units[k] if ended else 0.0)
    return (
        f"The {days:g}-day window is still open for {100 * share:.0f}% of the units." if share > MOSTLY_OPEN else None
    )


def _notes(experiment: Experiment, looks: tuple[Look, ...], k: int) -> tuple[str, ...]:
    """What a reader of the call must know besides."""
    notes = [
        f"Check {_title(check.name).lower()}: {check.reason}." for check in looks[k].checks if check.verdict == "warn"
    ]
    if experiment.inference == "fixed":
        if experiment.planned_units is None:
            notes.append("No planned units are stated: this holds only if the test was meant to be read now, and once.")
        elif k < len(looks) - 1:
            notes.append(
                f"A fixed horizon is read once: this is the look of {looks[k].time}, the first with the planned units."
            )
    return tuple(notes)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _decide_arm(experiment: Experiment, look: Look, arm: str, hold: str | None, waiting: str | None) -> ArmDecision:
    """The call for one arm: `hold` forbids any yet, `waiting` says that an open question may still close."""
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
    call, why = ("keep_running", hold) if hold else _call(primary, guardrails, waiting)
    return ArmDecision(arm, call, (*([why] if why else []), *reasons))


def _clear(effect: Effect, alpha: float) -> Reading:
    """The effect's reading at the stricter level of several comparisons."""
    if effect.reading in ("better", "worse") and (effect.p_value is None or effect.p_value > alpha):
        return "unclear"
    return effect.reading


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
    return "stop", "No primary metric is clearly better, and no more units are planned."


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
