"""Freshness: are the facts as late as they should be?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from analysis.checks.subject import Subject
from analysis.readout import Check, Verdict

STALE = timedelta(hours=48)


def check(subject: Subject) -> list[Check | None]:
    """Hours between the latest fact and the time it should reach: the end, now, or else the last exposure."""
    return subject.at_last(_freshness(subject))


def _freshness(subject: Subject) -> Check:
    experiment, collected, now = subject.experiment, subject.collected, subject.now
    limit = STALE / timedelta(hours=1)
    times = [time for time in (collected.last_exposure, collected.last_event) if time is not None]
    if not times:
        return Check("freshness", "unknown", None, None, limit, "the source has no times")
    if now is None and collected.last_event is None:
        return Check("freshness", "pass", None, 0.0, limit, f"units up to {times[0]:%d %b %Y %H:%M} UTC")
    end = experiment.end and datetime(experiment.end.year, experiment.end.month, experiment.end.day, tzinfo=UTC)
    due = min(time for time in (now or collected.last_exposure, end) if time is not None)
    latest = collected.last_event or max(times)
    age = max(0.0, (due - latest) / timedelta(hours=1))
    verdict: Verdict = "warn" if age > limit else "pass"
    reason = f"facts up to {latest:%d %b %Y %H:%M} UTC, {age:,.0f} h behind {_due(now, end, due)}"
    return Check("freshness", verdict, None, age, limit, reason)


def _due(now: datetime | None, end: date | None, due: date) -> str:
    """What the facts are held against."""
    return "the end of the experiment" if due == end else f"{due:%d %b %Y %H:%M} UTC" if now else "the last exposure"
