"""Sample ratio by chi-square: blocks only where there is one look; with more, the sequential test decides."""

from __future__ import annotations

import numpy as np

from analysis.checks.sample_ratio_sequential import judged, located
from analysis.checks.splits import SAMPLE_RATIO_FIXED
from analysis.checks.subject import Subject, p_text, split_text
from analysis.readout import Check, Verdict

NOTICE = 0.01


def check(subject: Subject) -> list[Check | None]:
    """Did the arms get their planned shares?"""
    splits, once = subject.splits, len(subject.units) == 1
    checks: list[Check | None] = []
    for counts, p in zip(subject.units, splits.fixed[:, 0], strict=True):
        if np.isnan(p):
            checks.append(Check("sample_ratio", "unknown", None, None, SAMPLE_RATIO_FIXED, "no units yet"))
            continue
        verdict: Verdict = judged(splits, 0) if once else "warn" if p < SAMPLE_RATIO_FIXED else "pass"
        verdict = "warn" if verdict == "pass" and p < NOTICE else verdict
        reason = f"planned {split_text(splits.shares)}, arrived {split_text(counts)} ({p_text(float(p))})"
        reason += located(splits, 0) if once else "; valid at one look, so the sequential test decides"
        checks.append(Check("sample_ratio", verdict, float(p), None, SAMPLE_RATIO_FIXED, reason))
    return checks
