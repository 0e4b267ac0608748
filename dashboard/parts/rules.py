"""The same data under every rule of the interval: what each costs, and when each was first clear of zero."""

from dataclasses import replace

from analysis.readout import Alternative, Effect, Estimate, Interval, Look, MetricPlan, Reading
from dashboard.parts import numbers, picks, words
from dashboard.parts.compare import Line, table

Points = list[tuple[Look, Effect]]
NAMES = {
    "fixed": "Read once",
    "confidence_sequence": "Confidence sequence",
    "group_sequential": "Group sequential",
    "bayesian": "Bayesian",
}
HOLDS = {
    "fixed": "valid at one look, planned in advance",
    "confidence_sequence": "valid at every look",
    "group_sequential": "valid at its analyses",
    "bayesian": "given the prior",
}

METHODS = {"holm": "Holm", "benjamini_hochberg": "Benjamini–Hochberg"}


def kinds(points: Points) -> list[str]:
    """The rules that the readout has an answer of, the plan's own first."""
    effect = points[-1][1]
    return [effect.interval.kind, *(other.kind for other in effect.alternatives)]


def under(points: Points, kind: str, plan: MetricPlan) -> Points:
    """The looks as the rule `kind` reads them; a group sequential design has its analyses only, once it has any."""
    own = kind == points[-1][1].interval.kind
    read = points if own else [(look, _read(effect, kind, plan)) for look, effect in points]
    analyses = [(look, effect) for look, effect in read if kind == "group_sequential" and _bounded(effect.relative)]
    return analyses or read


def comparison(points: Points, plan: MetricPlan) -> str:
    """Every rule in one row, at the last look that it has an answer for; and the answer among its family."""
    effect = points[-1][1]
    lines, family = [_line(points, kind, plan) for kind in kinds(points)], effect.family
    if family and family.size > 1:
        hint = f"{METHODS[family.method]}, all {family.name} comparisons"
        lines.append(
            Line(f"Among {family.size}", family.relative, hint, word=words.among(effect), after=_tested(family.p_value))
        )
    if effect.stopped:
        lines.append(
            Line(
                "After stopping",
                effect.stopped.relative,
                "stage-wise, median-unbiased",
                after=_tested(effect.stopped.p_value),
            )
        )
    return table(("Rule", "Relative width", f"Lift, {words.level(effect)} interval", "Reading"), {"": lines})


def _line(points: Points, kind: str, plan: MetricPlan) -> Line:
    own, read = points[-1][1], under(points, kind, plan)
    hint = HOLDS[kind] + (" · the plan’s rule" if kind == own.interval.kind else "")
    last = next((effect for _, effect in reversed(read) if _bounded(effect.relative)), None)
    if last is None:
        missing = own.by_rule(kind)
        return Line(NAMES[kind], Estimate(None, None, None, None, missing.reason if missing else None), hint)
    wide = times_as_wide(points, kind)
    beside = f"× {wide:.2g}" if wide else ""
    return Line(NAMES[kind], last.relative, hint, beside, words.READINGS[last.reading], _first_clear(read, points))


def price(points: Points, kind: str) -> str:
    """What the rule costs against one planned look, or what reading it daily would have done; in one sentence."""
    if kind == "fixed":
        clear = sum(picks.excludes_zero(effect.by_rule("fixed")) for _, effect in points)
        return (
            f"Valid at one look that was planned in advance. Read at each of {words.count(len(points), 'look')}, it is "
            f"wrong far more often than it says; here it is clear of zero at {clear}."
        )
    name, wide = NAMES[kind], times_as_wide(points, kind)
    said = f"{name}: {HOLDS[kind]}."
    if not wide or kind == "bayesian":
        return said
    return f"{said} Its price: {wide:.2g} times as wide as an interval that is read once."


def times_as_wide(points: Points, kind: str) -> float | None:
    """Width of the rule's interval over that of one read once, at the last look that has both."""
    for _, effect in reversed(points):
        wide, once = _width(effect.by_rule(kind)), _width(effect.by_rule("fixed"))
        if wide and once:
            return wide / once
    return None


def stopped(effect: Effect, looks: tuple[Look, ...]) -> str:
    """The answer of a group sequential design that has stopped; empty while it runs, and for other rules."""
    if effect.stopped is None:
        return ""
    answer, look = effect.stopped.relative, looks[effect.stopped.look]
    how = "crossed its boundary" if effect.stopped.crossed else "ended without crossing"
    when = f" ({numbers.day(look.time)})" if look.time else ""
    said = f"The design {how} at look {effect.stopped.look + 1}{when}."
    if answer.estimate is None:
        return said
    decimals = numbers.lift_decimals(answer)
    return (
        f"{said} Allowing for the stop: median-unbiased lift {numbers.lift(answer.estimate, decimals)}, stage-wise "
        f"interval {numbers.lift_span(answer, decimals)}. The estimate at the stop itself leans towards the crossing."
    )


def _read(effect: Effect, kind: str, plan: MetricPlan) -> Effect:
    relative = effect.by_rule(kind) or Estimate(effect.relative.estimate, None, None, None, "not read under this rule")
    reading: Reading = "unclear" if _bounded(relative) else "unknown"
    if picks.excludes_zero(relative):
        reading = "better" if ((relative.estimate or 0.0) > 0) == (plan.direction == "increase") else "worse"
    own = Alternative(effect.interval.kind, effect.relative)
    interval = Interval(kind, effect.interval.level)
    return replace(
        effect, relative=relative, reading=reading, interval=interval, alternatives=(own, *effect.alternatives)
    )


def _first_clear(read: Points, points: Points) -> str:
    first = next((look for look, effect in read if picks.excludes_zero(effect.relative)), None)
    if first is None:
        return "never clear of zero"
    place = next(k for k, (look, _) in enumerate(points) if look is first)
    return f"first clear at look {place + 1} of {len(points)}"


def _tested(p_value: float | None) -> str:
    return "" if p_value is None else numbers.p_value(p_value)


def _bounded(estimate: Estimate) -> bool:
    return estimate.lower is not None or estimate.upper is not None


def _width(estimate: Estimate | None) -> float | None:
    if estimate is None or estimate.lower is None or estimate.upper is None:
        return None
    return estimate.upper - estimate.lower
