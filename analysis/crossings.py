"""Crossings: which series of a workspace would have been called clear at some look, by each way to read them.

A series is one metric of one treatment arm of one experiment, on all units together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.inference.intervals import PEEKING
from analysis.readout import Effect, Estimate, Readout


@dataclass(frozen=True, slots=True)
class Crossing:
    """Whether one series left zero out under each way to read it; None where it could not be read that way.

    Attributes:
        naive: the interval that holds once, at some look.
        once: the same interval, at the look that the decision rests on only.
        confidence_sequence, group_sequential: at some look; a rule needs planned units.
        family: under the experiment's own rule and after the correction for its family, where that rule holds at all
            looks at some look, otherwise at the deciding one.
    """

    metric: str
    arm: str
    naive: bool | None
    once: bool | None
    confidence_sequence: bool | None
    group_sequential: bool | None
    family: bool | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many of the series that can be read in one way crossed."""

    crossed: int
    series: int


def crossings(readout: Readout) -> tuple[Crossing, ...]:
    """Every series of a readout that has all its looks."""
    by_series: dict[tuple[str, str], list[Effect | None]] = {}
    for k, look in enumerate(readout.looks):
        for effect in look.effects:
            if effect.segment is None:
                seen = by_series.setdefault((effect.metric, effect.arm), [None] * len(readout.looks))
                seen[k] = effect
    found = []
    for (metric, arm), course in by_series.items():
        effects, last = [effect for effect in course if effect], course[readout.decision.look]
        peeking = effects[-1].interval.kind in PEEKING
        judged = effects if peeking else [last] if last else []
        found.append(
            Crossing(
                metric,
                arm,
                naive=_some(effect.by_rule("fixed") for effect in effects),
                once=_some([last.by_rule("fixed")] if last else []),
                confidence_sequence=_some(effect.by_rule("confidence_sequence") for effect in effects),
                group_sequential=_some(effect.by_rule("group_sequential") for effect in effects),
                family=_some(effect.family.relative if effect.family else None for effect in judged),
            )
        )
    return tuple(found)


def count(series: Iterable[Crossing]) -> dict[str, Count]:
    """By the way to read, how many crossed of how many that can be read so, in the order of `Crossing`."""
    every = tuple(series)
    ways = ("naive", "once", *PEEKING, "family")
    answers = {way: [getattr(one, way) for one in every] for way in ways}
    return {
        way: Count(sum(answer is True for answer in given), sum(answer is not None for answer in given))
        for way, given in answers.items()
    }


def _some(intervals: Iterable[Estimate | None]) -> bool | None:
    """Whether one of the intervals lies on one side of 0; None where none has a bound."""
    known = [each for each in intervals if each and (each.lower, each.upper) != (None, None)]
    return any(_clear(each) for each in known) if known else None


def _clear(interval: Estimate) -> bool:
    low, high = interval.lower, interval.upper
    # A family's interval that ends at 0 leaves 0 out: a claim was made, and how far is not said.
    return (low is not None and low >= 0) or (high is not None and high <= 0)
