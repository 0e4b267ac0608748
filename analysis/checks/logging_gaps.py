"""Logging gaps: days on which exposures or events are missing, for all arms or for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.checks.subject import Subject, day_text
from analysis.metrics.metric import Array
from analysis.readout import Check, Verdict

DAY = timedelta(days=1)
WEEK = 7
# A day is a gap below this share of what its neighbours, and the same weekday before it, make one expect ...
SHARE = 0.5
# ... by this many standard deviations of a square root, whose own is 1/2 for Poisson counts.
DEVIATIONS = 7.0
# Days whose scatter tells how much more than Poisson the counts vary.
ENOUGH_DAYS = 5
# An arm without a single one is missing where chance would do that less often than this.
IMPOSSIBLE = 1e-6
# An arm falls out of step where, beside the others', its count is below this share of what it was, and no chance.
OUT_OF_STEP, LIMIT = 0.8, 0.01
MOST_SAID = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """A day with missing facts, as known from the look `known` on."""

    known: int
    day: int
    verdict: Verdict
    text: str


def check(subject: Subject) -> list[Check | None]:
    """Are there exposures and events of every arm on every day? Silent without daily looks."""
    days = subject.collected.looks
    if len(days) < 2 or not all(
        isinstance(a, datetime) and isinstance(b, datetime) and b - a == DAY for a, b in pairwise(days)
    ):
        return [None] * len(days)
    units = subject.units
    gaps = list(_gaps(subject, "exposures", np.diff(units, axis=0, prepend=0.0), subject.splits.planned))
    active = subject.collected.active
    if active is not None:
        with np.errstate(invalid="ignore"):
            gaps += _gaps(subject, "events", active, units / units.sum(axis=-1, keepdims=True))
        gaps += _out_of_step(subject, active)
    return [_said([gap for gap in gaps if gap.known <= k]) for k in range(len(days))]


def _said(gaps: list[Gap]) -> Check:
    worst: Verdict = "fail" if any(gap.verdict == "fail" for gap in gaps) else "warn" if gaps else "pass"
    gaps = sorted(gaps, key=lambda gap: (gap.verdict != "fail", gap.day))
    more = f"; and {len(gaps) - MOST_SAID} more" if len(gaps) > MOST_SAID else ""
    reason = "; ".join(gap.text for gap in gaps[:MOST_SAID]) + more if gaps else "facts of every arm on every day"
    return Check("logging_gaps", worst, None, float(len({gap.day for gap in gaps})), 0.0, reason)


def _gaps(subject: Subject, what: str, counts: Array, shares: Array) -> Iterator[Gap]:
    """Days with hardly any in all arms, and days on which one arm has none; `shares` are what arms should have."""
    days, whole = subject.collected.looks, counts.sum(axis=-1)
    for known, day, expected in dips(whole.tolist()):
        text = f"{day_text(days[day])} has {whole[day]:,.0f} {_of(what)} where about {expected:,.0f} were due"
        yield Gap(known, day, "warn", text)
    with np.errstate(invalid="ignore"):
        chance = (1 - shares) ** whole[:, None]
    for day, a in zip(*np.nonzero((counts == 0) & (chance < IMPOSSIBLE)), strict=True):
        arm = subject.collected.arms[a]
        text = f"{day_text(days[day])} has no {what} of {arm}, and {whole[day]:,.0f} {_of(what)} of the others"
        yield Gap(int(day), int(day), "fail", text)


def _of(what: str) -> str:
    return "units with events" if what == "events" else "new units"


def dips(counts: list[float]) -> Iterator[tuple[int, int, float]]:
    """Days whose count is far below both the days before and the day after them that is normal again.

    A count that stays low is no gap but a new level; one that the same weekday had a week ago is none either, and in
    the first week, when nobody knows, only a day without any is one.

    Returns:
        For each (day on which it is known, day, count that was due).
    """
    usual: list[float] = []
    scatter: list[float] = []
    low: list[tuple[int, float]] = []
    for day, count in enumerate(counts):
        due = median(usual[-3:]) if usual else 0.0
        if day >= WEEK:
            due = min(due, counts[day - WEEK])
        spread = max(1.0, 1.4826 * median(scatter)) if len(scatter) >= ENOUGH_DAYS else 1.0
        gone = count < SHARE * due if day >= WEEK else count == 0
        if gone and 2 * (due**0.5 - count**0.5) >= DEVIATIONS * spread and len(low) < WEEK:
            low.append((day, due))
            continue
        if low and count >= SHARE * low[-1][1]:
            yield from ((day, gap, expected) for gap, expected in low)
        low = []
        usual.append(count)
        if len(usual) > 2:
            # Twice a square root varies by 1: here beside its neighbours, so that growth is no scatter, or a week ago.
            before, middle, after = (2 * n**0.5 for n in usual[-3:])
            off = abs(middle - (before + after) / 2) / 1.5**0.5
            week = abs(after - 2 * counts[day - WEEK] ** 0.5) / 2**0.5 if day >= WEEK else off
            scatter.append(min(off, week))


def _out_of_step(subject: Subject, active: Array) -> Iterator[Gap]:
    """Days on which one arm's units with events are far fewer, beside the other arms', than until then."""
    days = subject.collected.looks
    p, kept = out_of_step(active)
    for day, a in zip(*np.nonzero((p < LIMIT) & (kept < OUT_OF_STEP) & (active > 0)), strict=True):
        lost = f"{100 * (1 - kept[day, a]):.0f}% fewer units with events, beside the others, than until then"
        yield Gap(int(day), int(day), "warn", f"on {day_text(days[day])} {subject.collected.arms[a]} has {lost}")


def out_of_step(counts: Array) -> tuple[Array, NDArray[np.float64]]:
    """Whether each day's split over the arms is that of the days before it; may be read every day.

    Given the day's total and all before, an arm's count is binomial with its share until then. Day d spends
    6 / (π d)² of the level, so that all days together spend 1, divided by the arms.

    Args:
        counts: by day and arm, shape (days, arms).

    Returns:
        p-values that an arm's count is not too low, corrected for all days and arms, and its ratio to the other arms'
        over that ratio until then; both of shape (days, arms), 1 and nan where nothing is known.
    """
    before = np.cumsum(counts, axis=0) - counts
    known, total = before.sum(axis=-1, keepdims=True), counts.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = total * before / known
        # With the share of all days, as in a test of two proportions: that until then can be 1, and its error 0.
        pooled = (before + counts) / (known + total)
        z = (counts - expected) / np.sqrt(total * pooled * (1 - pooled) * (1 + total / known))
        spent = 6 / np.square(np.pi * np.arange(1, len(counts) + 1))[:, None]
        p = np.nan_to_num(special.ndtr(z) * counts.shape[-1] / spent, nan=1.0)
        return np.minimum(p, 1.0), counts / (total - counts) / (before / (known - before))
