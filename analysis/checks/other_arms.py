"""Units in arms that the experiment does not list."""

from __future__ import annotations

from analysis.checks.subject import Subject
from analysis.readout import Check


def check(subject: Subject) -> list[Check | None]:
    """How many there are; they are in no comparison."""
    left_out = subject.collected.left_out
    arms = ", ".join(f"{arm} ({n:,})" for arm, n in left_out.items())
    reason = f"{subject.experiment.randomised} of arms outside this comparison: {arms}"
    found = Check("other_arms", "pass", None, float(sum(left_out.values())), None, reason) if left_out else None
    return subject.at_last(found)
