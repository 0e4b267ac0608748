"""Sensitivity: the same lift under other choices of the analysis, and whether the call depends on them."""

from analysis.readout import Call, Readout, Variation
from dashboard.parts import picks, words
from dashboard.parts.compare import Line, table


def sentence(readout: Readout, arm: str) -> str:
    """Whether any other choice changes the call, and which readings it changes."""
    found = _found(readout, arm)
    if not found:
        return "No other choice of the analysis was computed for this look."
    planned = picks.decided(readout, arm).verdict
    calls = {_named(each): each.call for each in found if each.call}
    other = [f"{words.CALLS[call].text} ({name})" for name, call in calls.items() if call != planned]
    choices, call = words.count(len(calls), "other choice"), words.CALLS[planned].text
    if other:
        return f"The call depends on the analysis: it is {call} as planned, but would be {words.listed(other)}."
    effects, plans = {e.metric: e for e in picks.overall(readout.looks[-1], arm)}, picks.plans(readout)
    moved = [
        f"{plans[each.metric].name} reads “{words.READINGS[each.reading].text}” with {_named(each)}"
        for each in found
        if each.call and each.reading != effects[each.metric].reading
    ]
    also = f" Readings that change: {'; '.join(moved)}." if moved else " Every metric reads the same."
    return f"The call does not depend on it: {call} as planned, and under each of {choices}.{also}"


def strip(readout: Readout, arm: str) -> str:
    """One axis: the plan's own analysis of each metric, and below it every other choice; empty without any."""
    plans, call, groups = picks.plans(readout), picks.decided(readout, arm).verdict, dict[str, list[Line]]()
    for effect in picks.overall(readout.looks[-1], arm):
        varied = [each for each in _found(readout, arm) if each.metric == effect.metric]
        if varied:
            planned = Line("As planned", effect.relative, word=words.READINGS[effect.reading])
            groups[plans[effect.metric].name] = [planned, *(_line(each, call) for each in varied)]
    if not groups:
        return ""
    first = picks.effect_of(readout.looks[-1], picks.primary(readout).id, arm)
    focus = [first.relative] if first else []
    return table(("Analysis", "Question", "Lift, same interval", "Reading"), groups, focus=focus)


def _found(readout: Readout, arm: str) -> list[Variation]:
    """The variations of an arm that the look has the metric of."""
    known = {effect.metric for effect in picks.overall(readout.looks[-1], arm)}
    return [each for each in readout.variations if each.arm == arm and each.metric in known]


def _line(each: Variation, planned: Call) -> Line:
    other = f"the call: {words.CALLS[each.call].text}" if each.call and each.call != planned else ""
    name, word = words.sentence_case(each.name), words.READINGS[each.reading]
    return Line(name, each.relative, beside=words.plain(each.choice), word=word, after=other)


def _named(each: Variation) -> str:
    return f"{each.choice.replace('_', ' ')}: {each.name}"
