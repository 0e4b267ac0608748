"""The dashboard's wording, in one place, so that the same thing has the same name on every page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.readout import Call, Check, Design, Effect, Look, MetricPlan, Reading, Readout, Verdict
from dashboard.parts import numbers

PER = re.compile(r"\bper (customer|visitor|user|player|buyer|member|household|session|person)\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z")
Tone = Literal["good", "bad", "open"]


@dataclass(frozen=True, slots=True)
class Word:
    """A status in its three channels: icon, word, and a tone for the colour."""

    icon: str
    text: str
    tone: Tone = "open"


READINGS: dict[Reading, Word] = {
    "better": Word("up", "better", "good"),
    "worse": Word("down", "worse", "bad"),
    "within_margin": Word("tick", "within margin"),
    "beyond_margin": Word("down", "beyond margin", "bad"),
    "unclear": Word("dot", "can’t tell yet"),
    "unknown": Word("none", "not known"),
}

CALLS: dict[Call, Word] = {
    "ship": Word("ship", "Ship", "good"),
    "keep_running": Word("wait", "Keep running"),
    "stop": Word("stop", "Stop"),
    "review": Word("scale", "Your call"),
    "blocked": Word("blocked", "Don’t use these results yet", "bad"),
}

CHECKS: dict[Verdict, Word] = {
    "fail": Word("fail", "Fail", "bad"),
    "warn": Word("alert", "Look at this"),
    "unknown": Word("unknown", "Not checked"),
    "pass": Word("pass", "Pass"),
}

CHECK_NAMES = {
    "sample_ratio": ("Split between arms", "Did each arm get the share of {units} that was planned?"),
    "sample_ratio_sequential": (
        "Split between arms",
        "Did each arm get the share of {units} that was planned, at any look?",
    ),
    "crossover": (
        "Seen in two arms",
        "{units} that met more than one arm are left out; many of them spoil the comparison.",
    ),
    "pre_period_balance": (
        "Alike before the start",
        "Did the arms differ before the experiment could change anything?",
    ),
    "sample_size": ("Enough {units}", "Intervals need enough {units} in every arm to be trusted."),
    "freshness": ("Freshness", "How far the newest data lags behind what should be there."),
    "spillover": ("Effects on friends", "Do {units} change with how many of their friends are treated?"),
    "logging_gaps": ("Facts on every day", "Are there exposures and events of every arm on every day?"),
    "surprise": ("Size of the lifts", "Is a lift so large that a logging fault is more likely?"),
    "covariates": ("Covariates", "Do metrics move with what was known before as one expects?"),
    "capping": ("Capping", "Does the cap cut off as many {units} in each arm?"),
    "other_arms": ("Other arms", "{units} in arms that this comparison does not use."),
}

# Checks whose value is a number of things, none of which is good.
COUNTED = {"logging_gaps": "missing day", "covariates": "doubt"}

DECIDED: tuple[Reading, ...] = ("better", "worse", "beyond_margin")

ROLES = {"primary": "Primary", "guardrail": "Guardrail", "secondary": "Secondary"}

INFERENCES = {
    "confidence_sequence": "Intervals are a confidence sequence: they hold at all looks, so looking early is safe.",
    "group_sequential": "Intervals are group sequential: they hold at all planned analyses together.",
    "fixed": "Intervals are fixed-horizon: they hold at one look that was planned in advance, not at repeated looks.",
    "bayesian": "Intervals are credible: they say what to believe of a lift given the prior, and repair no peeking.",
}


def name_of(check: Check, design: Design) -> tuple[str, str]:
    """A check's name and the question that it answers."""
    name, question = CHECK_NAMES.get(check.name, (sentence_case(check.name.replace("_", " ")), ""))
    noun = units(design)
    return name.format(units=noun), sentence_case(question.format(units=noun))


def reason_of(check: Check, design: Design) -> str:
    """What a check found, as a sentence without its end; clusters have the name that they have on the page."""
    return sentence_case(named(check.reason, design))


def named(sentence: str, design: Design) -> str:
    """A sentence of the analysis, in which clusters and times are called what they are on the page."""
    return TIME.sub(lambda time: numbers.minute(time[0]), re.sub(r"\bclusters\b", units(design), sentence))


def units(design: Design) -> str:
    """What is randomised, in the plural: "customer_id" gives "customers"."""
    return _plural(unit(design))


def unit(design: Design) -> str:
    """What is randomised, in the singular; a column that does not say is named by the metrics ("per visitor")."""
    return unit_of(design.unit, [plan.name for plan in design.metrics])


def member(readout: Readout) -> str:
    """What a mean is per, in the singular: the unit, or where clusters of them were randomised, one inside."""
    design = readout.design
    return unit_of("" if readout.clusters else design.unit, [plan.name for plan in design.metrics])


def unit_of(column: str, metrics: Sequence[str]) -> str:
    """What is randomised, from its column and the names of the metrics."""
    name = column.lower().removesuffix("_id").replace("_", " ").strip()
    name = name.removesuffix("id") if len(name) > len("uuid") else name
    if name not in ("", "unit", "id", "uid", "uuid", "rownames"):
        return name
    said = next((match for metric in metrics if (match := PER.search(metric))), None)
    return said[1] if said else "unit"


def count(many: int, noun: str) -> str:
    """ "1 segment", "24 segments"."""
    return f"{many:,} {noun if many == 1 else _plural(noun)}"


def listed(items: list[str]) -> str:
    """ "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def plain(value: str) -> str:
    """A value from the data as people write it: "full_price" gives "Full price"; what has capitals stays."""
    return sentence_case(value.replace("_", " ")) if value.islower() else value


def sentence_case(text: str) -> str:
    """First letter large, the rest untouched."""
    return text[:1].upper() + text[1:]


def call(verdict: Call, arm: str, control: str) -> str:
    """The verdict as a heading; shipping and stopping name what stays."""
    stays = "control" if control.lower() == "control" else f"control ({control})"
    return CALLS[verdict].text + {"ship": f" {arm}", "stop": f", keep {stays}"}.get(verdict, "")


def check_numbers(check: Check, design: Design) -> tuple[str, str]:
    """What a check measured, and the limit it is held to."""
    value, limit = check.value, check.limit
    if check.name == "crossover" and value is not None:
        return numbers.percent(value, 2), f"limit {100 * (limit or 0):g}%"
    if check.name == "freshness" and value is not None:
        return f"{numbers.number(value)} h behind", f"limit {numbers.number(limit or 0)} h"
    if check.name in ("sample_size", "other_arms") and value is not None:
        least = f"{numbers.number(value)} {units(design)}"
        return (least, f"{numbers.number(limit)} or more wanted") if limit else (least, "")
    if check.name in COUNTED and value is not None:
        return count(int(value), COUNTED[check.name]) if value else "", ""
    if check.name == "surprise" and value is not None:
        return f"largest lift {numbers.percent(value)}", ""
    if check.p_value is not None:
        return numbers.p_value(check.p_value), f"fails below {limit:g}" if limit else ""
    return ("", "") if value is None else (f"{value:.3g}", f"limit {limit:g}" if limit is not None else "")


def split(shares: list[float]) -> str:
    """Shares of the arms as "51.9 / 48.1", whole where they are."""
    total = sum(shares) or 1.0
    parts = [100 * share / total for share in shares]
    decimals = 0 if all(abs(part - round(part)) < 1e-9 for part in parts) else 1
    return " / ".join(numbers.number(part, decimals) for part in parts)


def level(effect: Effect) -> str:
    """The interval's level: "95%"."""
    return f"{100 * effect.interval.level:g}%"


def in_words(effect: Effect, plan: MetricPlan) -> str:
    """One sentence with the lift and its interval, for whom no number needs explaining."""
    estimate = effect.relative
    if estimate.estimate is None:
        return f"{plan.name}: no lift can be given, {why_none(effect)}."
    decimals = numbers.lift_decimals(estimate)
    between = f"{level(effect)} interval {numbers.lift_span(estimate, decimals)}"
    if estimate.lower is None:
        return f"{plan.name}: no interval can be given, {why_none(effect)}."
    if effect.reading in DECIDED:
        way = "up" if estimate.estimate > 0 else "down"
        return f"{plan.name} is {way} {numbers.percent(abs(estimate.estimate), decimals)} ({between})."
    best = numbers.lift(estimate.estimate, decimals)
    if effect.reading in ("within_margin", "beyond_margin"):
        said = READINGS[effect.reading].text
        return f"{plan.name} is {said}. The best estimate is {best} ({between})."
    return f"{plan.name}: can’t tell yet. The best estimate is {best} ({between})."


def among(effect: Effect) -> Word:
    """An effect's reading, and that it is not clear among the comparisons that it is judged together with."""
    family = effect.family
    if (
        effect.reading in ("better", "worse")
        and family
        and (family.p_value or 0.0) > round(1 - effect.interval.level, 9)
    ):
        return Word("dot", f"{effect.reading} alone, not clear among {family.size}")
    return READINGS[effect.reading]


def why_none(effect: Effect) -> str:
    """Why an effect has no lift, or no interval."""
    return effect.reason or effect.relative.reason or "the reason is not recorded"


def guardrails(effects: list[Effect]) -> str:
    """One sentence on all guardrails; empty without any."""
    total = len(effects)
    inside = sum(effect.reading in ("within_margin", "better") for effect in effects)
    beyond = sum(effect.reading == "beyond_margin" for effect in effects)
    if not total:
        return ""
    if total == 1:
        stands = "is beyond" if beyond else "is inside" if inside else "could still be beyond"
        return f"The guardrail {stands} its agreed margin."
    if beyond:
        return f"{beyond} of {total} guardrails {'is' if beyond == 1 else 'are'} beyond the agreed margin."
    if inside < total:
        return f"{total - inside} of {total} guardrails could still be beyond the agreed margin."
    return f"{'Both' if total == 2 else f'All {total}'} guardrails are inside their agreed margin."


def progress(look: Look, looks: tuple[Look, ...], design: Design) -> str:
    """How far along: "Day 28, 98% of plan"."""
    parts = []
    first, last = numbers.moment(looks[0].time), numbers.moment(look.time)
    if look.time:
        whole = f"Day {(last.date() - first.date()).days + 1}" if first and last else sentence_case(look.time)
        parts.append(whole)
    done = sum(look.units.values())
    if design.planned_units:
        share = done / design.planned_units
        parts.append(f"{numbers.percent(share, 0)} of plan" if share < 1 else "plan reached")
    return ", ".join(parts if look.time else ["One look", *parts])


def arrived(look: Look, design: Design) -> str:
    """How many units are in, and of how many: "515,216 of 520,000 visitors"."""
    done = sum(look.units.values())
    return (
        f"{done:,} of {design.planned_units:,} {units(design)}" if design.planned_units else count(done, unit(design))
    )


def methods(readout: Readout) -> list[str]:
    """How the numbers were made, one sentence each."""
    design = readout.design
    effects = [effect for look in readout.looks[-1:] for effect in look.effects]
    kinds = dict.fromkeys(effect.interval.kind for effect in effects)
    lines = [INFERENCES[kind] for kind in kinds]
    frequentist = design.inference != "bayesian"
    if frequentist:
        lines.append(
            f"Each interval is wrong in at most {100 * design.alpha:g}% of experiments (alpha = {design.alpha:g})."
        )
    if design.planned_units:
        lines.append(f"Planned for {design.planned_units:,} {units(design)}, fixed before the start.")
    for covariates in dict.fromkeys(effect.adjustment.covariates for effect in effects if effect.adjustment):
        lines.append(f"Adjusted for {listed(list(covariates))}, known before exposure.")
    if design.segments:
        lines.append("Thin lines of segments are widened so that all segments of a metric hold together.")
    fieller = "; their intervals follow Fieller, so they agree with the p-value" if frequentist else ""
    lines.append(f"Lifts are relative to control{fieller}.")
    lines.append(f"Source: {design.source}.")
    return lines


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun if noun.endswith("s") else f"{noun}s"
