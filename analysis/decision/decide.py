"""The decision: stated rules that turn the last look into a call and its reasons.

Ship if a primary metric is clearly better, none clearly worse, every guardrail within its margin and no check
failed; stop if a primary metric is clearly worse or a guardrail clearly beyond its margin. "Clearly" is among all
primary comparisons, by Holm, so that several arms or metrics do not win by their number. The rules themselves are data,
in rules.toml.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from analysis.collected import Collected
from analysis.decision.changes import MEND, what_would_change
from analysis.experiment import Experiment
from analysis.inference.rules import DAILY
from analysis.inference.schedule import all_in, by_days, enrolled, longest_window, spending_time
from analysis.metrics import Metric
from analysis.readout import ArmDecision, Call, Decision, Effect, Look, Reading
from analysis.words import percent

# Where the windows of most units are still open, an early order is easily taken for one more order.
MOSTLY_OPEN = 0.5


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its call, the facts that must hold and must not, and what it says."""

    call: Call
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    reason: str = ""

    def fits(self, facts: dict[str, bool]) -> bool:
        """Whether the rule decides, given which facts hold."""
        return all(facts[name] for name in self.when) and not any(facts[name] for name in self.unless)


RULES = tuple(
    Rule(rule["call"], tuple(rule.get("when", ())), tuple(rule.get("unless", ())), rule.get("reason", ""))
    for rule in tomllib.loads(Path(__file__).with_name("rules.toml").read_text("utf-8"))["rule"]
)
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
    k, hold, waiting = circumstances(experiment, collected)
    checks = dict.fromkeys((*looks[k].checks, *looks[-1].checks))
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        reasons = tuple(f"{_title(check.name)}: {check.reason}." for check in failed)
        arms = tuple(ArmDecision(arm, "blocked", reasons, (MEND,)) for arm in experiment.arms[1:])
        return Decision("blocked", reasons, arms, RULE, len(looks) - 1)
    notes = _notes(experiment, looks, k)
    called = [decide_arm(experiment, looks[k], arm, hold, waiting) for arm in experiment.arms[1:]]
    arms = tuple(
        replace(each, changes=what_would_change(experiment, looks[k], each.arm, each.verdict)) for each in called
    )
    best = min(arms, key=lambda decision: URGENCY.index(decision.verdict))
    several = len(arms) > 1
    reasons = tuple(
        f"{decision.arm}: {reason}" if several else reason for decision in arms for reason in decision.reasons
    )
    return Decision(best.verdict, reasons + notes, arms, RULE, k, notes)


def circumstances(experiment: Experiment, collected: Collected) -> tuple[int, str | None, str | None]:
    """What a call depends on beside the effects: its look, what forbids any yet, and that more units are to come."""
    k = _deciding_look(experiment, collected)
    waiting, hold = _to_come(experiment, collected, k), _windows_to_end(experiment, collected, k)
    if hold is None and waiting and experiment.inference == "fixed":
        hold = f"A fixed horizon is read once, when all is in: {waiting}"
    if hold is None and k < 0:
        hold = f"No analysis of this group sequential design is due yet: {waiting}"
    return k % len(collected.looks), hold, waiting


def _deciding_look(experiment: Experiment, collected: Collected) -> int:
    """The look that the call rests on; -1 where a group sequential design has had no analysis yet."""
    if experiment.inference == "group_sequential":
        plan = experiment.group_sequential or DAILY
        analysed = np.flatnonzero(~np.isnan(spending_time(experiment, collected, plan)))
        return int(analysed[-1]) if len(analysed) else -1
    enough = np.flatnonzero(all_in(experiment, collected))
    return int(enough[0]) if experiment.inference == "fixed" and len(enough) else len(collected.looks) - 1


def _to_come(experiment: Experiment, collected: Collected, k: int) -> str | None:
    """That more is to come, which may change the call; None when all is in."""
    if experiment.planned_units is None or all_in(experiment, collected)[k]:
        return None
    units, time, end = int(enrolled(experiment, collected)[k]), collected.looks[k], experiment.end
    ended = end is not None and isinstance(time, datetime) and time.date() >= end
    if not ended and by_days(experiment, collected):
        return f"{end} is the end, and until then units go on to come to the clusters."
    if ended or units >= experiment.planned_units:
        return f"{longest_window(experiment):g}-day windows of the last {experiment.randomised} have not ended."
    crossed = int(collected.crossed[k].sum())
    seen = f" ({crossed:,} of them seen in two arms)" if crossed else ""
    return f"{units:,} of {experiment.planned_units:,} planned {experiment.randomised} are in{seen}."


def _windows_to_end(experiment: Experiment, collected: Collected, k: int) -> str | None:
    """That the longest window of a deciding metric is open for most units: an early order is no additional order."""
    days = longest_window(experiment)
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
    notes += [f"Left out: {column} = {' or '.join(values)}." for column, values in experiment.source.exclude]
    if experiment.inference == "fixed":
        if experiment.planned_units is None:
            notes.append("No planned units are stated: this holds only if the test was meant to be read now, and once.")
        elif k < len(looks) - 1:
            notes.append(
                f"A fixed horizon is read once: this is the look of {looks[k].time}, the first at which all was in."
            )
    return tuple(notes)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def decide_arm(experiment: Experiment, look: Look, arm: str, hold: str | None, waiting: str | None) -> ArmDecision:
    """The call for one arm: `hold` forbids any yet, `waiting` says that an open question may still close."""
    effects = {effect.metric: effect for effect in look.effects if effect.arm == arm and effect.segment is None}
    by_role = {
        role: [(metric, effects[metric.id]) for metric in experiment.metrics if metric.role == role]
        for role in ("primary", "guardrail")
    }
    clear = [(metric, effect, _clear(effect, experiment.alpha)) for metric, effect in by_role["primary"]]
    reasons = [_sentence(metric, effect, _words(effect, reading)) for metric, effect, reading in clear]
    reasons += [_sentence(metric, effect, WORDS[effect.reading]) for metric, effect in by_role["guardrail"]]
    primary = {reading for *_, reading in clear}
    guardrails = {effect.reading for _, effect in by_role["guardrail"]}
    facts = {
        "has_primary": bool(primary),
        "must_hold": hold is not None,
        "primary_better": "better" in primary,
        "primary_worse": "worse" in primary,
        "primary_unreadable": "unknown" in primary,
        "guardrail_beyond": "beyond_margin" in guardrails,
        "guardrail_worse": "worse" in guardrails,
        "guardrails_within": guardrails <= {"within_margin"},
        "futile": all(effect.futile for _, effect in by_role["primary"]),
        "units_to_come": waiting is not None,
    }
    rule = next(rule for rule in RULES if rule.fits(facts))
    why = rule.reason.format(hold=hold, waiting=waiting)
    return ArmDecision(arm, rule.call, (*([why] if why else []), *reasons))


def _clear(effect: Effect, alpha: float) -> Reading:
    """The effect's reading among the effects that it is judged together with."""
    family = effect.family
    if effect.reading in ("better", "worse") and family and (family.p_value is None or family.p_value > alpha):
        return "unclear"
    return effect.reading


def _words(effect: Effect, reading: Reading) -> str:
    if effect.reading == reading or effect.family is None:
        return WORDS[reading]
    return f"{WORDS[effect.reading]} on its own, but not clearly among {effect.family.size} comparisons"


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
