"""Sensitivity: the same lift under other choices of the analysis, and whether the reading depends on them."""

from analysis.readout import Readout
from dashboard.parts import picks, words
from dashboard.parts.compare import Line, table


def sentence(readout: Readout, arm: str) -> str:
    """Whether any choice changes how a metric reads, and which."""
    plans, effects = picks.plans(readout), {e.metric: e for e in picks.overall(readout.looks[-1], arm)}
    found = [each for each in readout.variations if each.arm == arm and each.metric in effects]
    if not found:
        return "No other choice of the analysis was computed for this look."
    other = [each for each in found if each.reading != effects[each.metric].reading]
    choices = words.count(len(found), "other choice")
    if not other:
        return f"The readings do not depend on it: {choices} of the analysis, and every metric reads the same."
    said = [
        f"{plans[each.metric].name} would read “{words.READINGS[each.reading].text}” with {each.name}" for each in other
    ]
    return f"It depends on the analysis: {words.listed(said)}. The other {len(found) - len(other)} of {choices} agree."


def strip(readout: Readout, arm: str) -> str:
    """One axis: the plan's own analysis of each metric, and below it every other choice."""
    plans, groups = picks.plans(readout), {}
    for effect in picks.overall(readout.looks[-1], arm):
        varied = [each for each in readout.variations if (each.metric, each.arm) == (effect.metric, arm)]
        if varied:
            groups[plans[effect.metric].name] = [
                Line("As planned", effect.relative, word=words.READINGS[effect.reading]),
                *(
                    Line(
                        words.sentence_case(each.name),
                        each.relative,
                        beside=words.sentence_case(each.choice),
                        word=words.READINGS[each.reading],
                        after="" if each.reading == effect.reading else "differs",
                    )
                    for each in varied
                ),
            ]
    return table(("Analysis", "Choice", "Lift, same interval", "Reading"), groups) if groups else ""
