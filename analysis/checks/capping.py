"""Capping: a cap that cuts more in one arm than in another takes away part of the effect."""

from __future__ import annotations

import numpy as np

from analysis.checks.subject import Subject, p_text
from analysis.readout import Check
from analysis.sample_ratio import fixed_p_value

LIMIT = 0.001


def check(subject: Subject) -> list[Check | None]:
    """At the last look, are as many units of each arm at the cap? Silent without caps."""
    worst: tuple[float, str] = (1.0, "")
    collected, capped = subject.collected, subject.collected.capped
    units = subject.units[-1] if collected.inside is None else collected.inside.n
    for name, cut in capped.items():
        # Those at the cap are so few that they split like a sample with replacement.
        p = float(np.nan_to_num(fixed_p_value(cut, units), nan=1.0)) * len(capped)
        shares = ", ".join(f"{arm} {100 * c / n:.2g}%" for arm, c, n in zip(collected.arms, cut, units, strict=True))
        if not worst[1] or p < worst[0]:
            worst = min(1.0, p), f"{name}: at the cap are {shares} ({p_text(min(1.0, p))})"
    if not capped:
        return subject.at_last(None)
    p, reason = worst
    harm = "; the cap hides a part of the effect, so read the metric uncapped as well" if p < LIMIT else ""
    return subject.at_last(Check("capping", "warn" if p < LIMIT else "pass", p, None, LIMIT, reason + harm))
