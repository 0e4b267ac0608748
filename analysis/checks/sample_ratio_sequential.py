"""Sample ratio, valid at every look, with where the fault is and since when."""

from __future__ import annotations

from analysis.checks.splits import SAMPLE_RATIO_SEQUENTIAL, Splits
from analysis.checks.subject import Subject, day_text, p_text, split_text
from analysis.readout import Check, Verdict

# With millions of units a test finds faults that move no result: below this share of an arm's units one only looks.
SMALL = 0.002


def check(subject: Subject) -> list[Check | None]:
    """Did the arms get their planned shares, overall and in every segment?"""
    if len(subject.units) == 1:
        return [None]
    splits, checks = subject.splits, list[Check | None]()
    for k, counts in enumerate(subject.units):
        p = float(splits.sequential[k, 0])
        reason = f"planned {split_text(splits.shares)}, arrived {split_text(counts)} ({p_text(p)} over all looks)"
        reason += located(splits, k)
        checks.append(Check("sample_ratio_sequential", judged(splits, k), p, None, SAMPLE_RATIO_SEQUENTIAL, reason))
    return checks


def judged(splits: Splits, k: int) -> Verdict:
    """Fails where all units are off by more than a little, warns where they are off at all, or a segment is."""
    if splits.alarmed[k, 0] and splits.missing[k, 0] >= SMALL:
        return "fail"
    off = splits.alarmed[k] & ((splits.missing[k] >= SMALL) | splits.alarmed[k, 0])
    return "warn" if off.any() else "pass"


def located(splits: Splits, k: int) -> str:
    """Since when and where the split of look `k` is not as planned; empty where it is."""
    if not splits.alarmed[k].any():
        return ""
    said, worst = "", splits.worst(k)
    if splits.alarmed[k, 0]:
        said += _dated(splits, k, 0)
        if splits.missing[k, 0] < SMALL:
            said += (
                f"; off by less than {100 * SMALL:g}% of an arm, which moves no result unless those missing are special"
            )
    if worst is not None:
        segment = splits.collected.segments[worst]
        assert segment is not None
        name = f"{segment.dimension} = {segment.value}"
        said += f"; {name} has {split_text(splits.counts[k, worst])}{_dated(splits, k, worst)}"
        if splits.alarmed[k, 0]:
            mended = splits.mended_without(k, worst)
            said += f"; without {name} the split is {'as planned' if mended else 'still not as planned'}"
    return said


def _dated(splits: Splits, k: int, group: int) -> str:
    first = splits.first_bad(k, group)
    if first is None or len(splits.counts) == 1:
        return ""
    looks = splits.collected.looks
    return f", since {day_text(looks[splits.since(k)[group]])}, clear from {day_text(looks[first])} on"
