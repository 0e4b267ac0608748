"""Segments: who gains beyond noise, with the interval that holds for all of them together."""

from dataclasses import replace
from itertools import groupby

from analysis.readout import Effect, Estimate, Look, MetricPlan, Readout, Segment
from dashboard.parts import axis, compare, html, numbers, picks, words
from dashboard.parts.axis import Axis
from dashboard.parts.forest import lift_cell
from dashboard.parts.words import Word

HOLDS_UP = Word("up", "better, holds", "good")
HOLDS_DOWN = Word("down", "worse, holds", "bad")
ALONE = Word("dot", "clear alone, not after correction")
UNCLEAR = Word("dot", "can’t tell yet")
UNKNOWN = Word("none", "not known")


def sentence(effects: list[Effect]) -> str:
    """How many segments, how many hold after correction, and why that matters."""
    total, groups = len(effects), len({e.segment.dimension for e in effects if e.segment})
    holding = sum(picks.excludes_zero(effect.simultaneous) for effect in effects)
    hold = "None holds" if not holding else "1 holds" if holding == 1 else f"{holding} hold"
    where = "" if groups == 1 else f" in {groups} groupings"
    return (
        f"{words.count(total, 'segment')}{where}. {hold} after correction for looking at {total}. "
        "The best of many segments looks large by luck alone, so read the thin line."
    )


def differs(look: Look, metric: str, arm: str, alpha: float) -> str:
    """Whether the effect differs between the segments of each dimension at all; empty where nothing was tested."""
    clear: list[str] = []
    open_ones: list[str] = []
    tests = [test for test in look.interactions if (test.metric, test.arm) == (metric, arm)]
    for test in tests:
        tested = "too little to test" if test.adjusted is None else numbers.p_value(test.adjusted)
        differing = test.adjusted is not None and test.adjusted <= alpha
        (clear if differing else open_ones).append(f"{words.plain(test.dimension).lower()} ({tested})")
    many = f" p-values allow for {len(tests)} groupings." if len(tests) > 1 else ""
    said = f"The effect differs by {words.listed(clear)}. " if clear else ""
    unclear = (
        f"Can’t tell whether {'it' if clear else 'the effect'} differs by {words.listed(open_ones)}."
        if open_ones
        else ""
    )
    return f"{said}{unclear}{many}".strip() if tests else ""


def label(segment: Segment) -> str:
    """A segment in words: "Device: Phone"."""
    return f"{words.plain(segment.dimension)}: {words.plain(segment.value)}"


def picked(found: list[tuple[Effect, Estimate]], plan: MetricPlan, units: str) -> str:
    """The segments that a reader picked, with the intervals that allow for the picking."""
    lines = [
        compare.Line(
            label(effect.segment),
            estimate,
            beside=f"{effect.n.total:,.0f}",
            word=word(replace(effect, simultaneous=estimate, relative=estimate), plan),
        )
        for effect, estimate in found
        if effect.segment
    ]
    heads = ("Picked segment", words.sentence_case(units), "Lift, interval for picked", "After picking")
    return compare.table(heads, {"": lines})


def table(readout: Readout, metric: str, arm: str, *, muted: bool = False) -> str:
    """All segments of one metric and arm, grouped by dimension."""
    look, plan = readout.looks[-1], picks.plans(readout)[metric]
    effects = picks.segments(look, metric, arm)
    shared = axis.fit([e for effect in effects for e in (effect.relative, effect.simultaneous)])
    body = ""
    for dimension, members in groupby(effects, key=lambda effect: effect.segment.dimension if effect.segment else ""):
        label = words.plain(dimension)
        body += f'<tr class="group"><th scope="colgroup" colspan="5">{html.text(label)}</th></tr>'
        body += "".join(
            _row(effect, plan, shared) for effect in sorted(members, key=lambda effect: effect.n.total, reverse=True)
        )
    level, units = words.level(effects[0]), words.sentence_case(words.units(readout.design))
    heads = ("Segment", units, f"Lift, {level} interval", "After correction")
    return (
        compare.frame(body, shared, heads, "forest segments", muted=muted)
        + f'<p class="legend">Thick: each segment on its own. Thin: all {len(effects)} segments together, {level}.</p>'
    )


def word(effect: Effect, plan: MetricPlan) -> Word:
    """What a segment shows once all segments are allowed for."""
    if effect.relative.lower is None and effect.relative.upper is None:
        return UNKNOWN
    if picks.excludes_zero(effect.simultaneous):
        up = (effect.relative.estimate or 0.0) > 0
        return HOLDS_UP if up == (plan.direction == "increase") else HOLDS_DOWN
    return ALONE if picks.excludes_zero(effect.relative) else UNCLEAR


def _row(effect: Effect, plan: MetricPlan, shared: Axis) -> str:
    shown, value, drawn = word(effect, plan), words.plain(effect.segment.value) if effect.segment else "", ""
    if shown is not UNKNOWN:
        drawn = axis.rule(shared)
        if effect.simultaneous:
            drawn += axis.bar(shared, effect.simultaneous, shown.tone, y=18, thick=1.8, hollow=False)
        drawn += axis.bar(shared, effect.relative, shown.tone, y=18, thick=6)
        drawn = axis.drawing(drawn, html.text(f"{value}: {words.in_words(effect, plan)}"))
    return (
        f'<tr><th scope="row">{html.text(value)}</th><td class="means num">{effect.n.total:,.0f}</td>'
        f'<td class="plot">{drawn}</td><td class="num">{lift_cell(effect)}</td>'
        f'<td class="reading">{html.marked(shown)}</td></tr>'
    )
