"""A policy report in words, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from recsys.offpolicy.estimate import Estimate
from recsys.offpolicy.estimator import known_estimators
from recsys.offpolicy.evaluation import PolicyReport
from recsys.offpolicy.interval import Interval


def as_text(report: PolicyReport) -> str:
    """The report as lines of text: what was asked, what was earned, and each estimator's answer or refusal."""
    lines = [
        f"{report.policy}",
        f"  {report.surface}, {report.unit}, on {report.slates:,} slates of {report.people:,} people, "
        f"{report.begin:%d %b %Y} to {report.end:%d %b %Y}, chosen by {report.logged_policy}",
        f"  as logged: {_amount(report.logged)}",
    ]
    if report.open:
        lines.append(f"  {report.open:,} slates are too new to count")
    if report.refused:
        return "\n".join([*lines, f"  Not evaluable: {report.refused}"])
    for found, change in zip(report.estimates, report.lifts, strict=True):
        lines.append(f"  {known_estimators()[found.estimator].title:<25} {_line(found, change)}")
    if report.caveat:
        lines.append(f"  {report.caveat}")
    return "\n".join(lines)


def as_json(reports: Sequence[PolicyReport]) -> str:
    """All reports with every figure."""

    def plain(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    return json.dumps([asdict(report) for report in reports], indent=2, default=plain)


def _line(found: Estimate, change: Interval | None) -> str:
    if found.value is None:
        return found.refused
    moved = "" if change is None else f"; lift {change.lower:+.1%} to {change.upper:+.1%}"
    counted = f"effective sample {found.support.ratio:.0%}, largest weight {found.support.largest:.3g}"
    return f"{_amount(found)}{moved}; {counted}"


def _amount(found: Estimate) -> str:
    """The value with its interval, or why there is none."""
    if found.value is None or (ends := found.interval) is None:
        return found.refused
    return f"{found.value:.4g} ({ends.lower:.4g} to {ends.upper:.4g}, 95 %, {ends.rule})"
