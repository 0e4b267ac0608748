"""Balance before exposure: the covariate that differs most between arms, corrected for how many were compared."""

from __future__ import annotations

import numpy as np

from analysis.checks.subject import Subject, p_text
from analysis.effects import covariates_of, unadjusted_contrast
from analysis.metrics import KINDS
from analysis.readout import Check, Verdict

FAIL, WARN = 0.001, 0.01


def check(subject: Subject) -> list[Check | None]:
    """Did the arms differ before exposure, which no treatment can have done?"""
    collected = subject.collected
    covariates = {
        quantity: metric
        for metric in subject.experiment.metrics
        for quantity in covariates_of(metric, collected.moments)
    }
    zs, ps, names = [], [], []
    for quantity, metric in covariates.items():
        first = quantity.numerator
        name = f"{metric.name} before exposure" if first.pre else first.name
        before = KINDS["mean"](id=name, name=name, outcome=quantity, role="secondary", direction="increase")
        for a, arm in enumerate(collected.arms[1:], start=1):
            contrast = unadjusted_contrast(before, collected.moments[:, 0, 0], collected.moments[:, 0, a])
            with np.errstate(divide="ignore", invalid="ignore"):
                z = contrast.difference / contrast.standard_error
            zs.append(z)
            units = contrast.n_control + contrast.n_treatment
            ps.append(subject.rules.at_any_look(arm).p_value(z, units, contrast.dof))
            names.append(name)
    if not zs:
        return [None] * len(collected.looks)
    checks: list[Check | None] = []
    for z, p in zip(np.array(zs).T, np.array(ps).T, strict=True):
        if not np.isfinite(p).any():
            checks.append(Check("pre_period_balance", "unknown", None, None, FAIL, "too few units to compare"))
            continue
        worst = int(np.nanargmax(np.abs(z)))
        corrected = min(1.0, float(np.nanmin(p)) * len(p))
        verdict: Verdict = "fail" if corrected < FAIL else "warn" if corrected < WARN else "pass"
        reason = (
            f"largest gap: {names[worst]}, |z| = {abs(z[worst]):.1f} "
            f"({p_text(corrected)} after correction for {len(p)})"
        )
        checks.append(Check("pre_period_balance", verdict, corrected, float(abs(z[worst])), FAIL, reason))
    return checks
