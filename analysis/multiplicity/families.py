"""Families: effects that are judged together, with adjusted p-values and the intervals that match them.

Primary metrics (in every arm) are one family, by Holm in both directions; secondary ones another, by
Benjamini–Hochberg. Guardrails need none: a ship needs all of them within their margins, so no one wins by their number.
"""

from __future__ import annotations

import numpy as np

from analysis.inference.estimates import Estimates, number
from analysis.inference.series import Series
from analysis.metrics.metric import Array
from analysis.multiplicity.corrections import DirectionalHolm, benjamini_hochberg, directional_holm, fcr_alpha
from analysis.readout import Estimate, Family


def families(series: list[Series]) -> dict[int, list[Family]]:
    """By position in `series`, its family look by look; series without p-values have none."""
    found: dict[int, list[Family]] = {}
    for role, judge in (("primary", _holm), ("secondary", _benjamini_hochberg)):
        places = [k for k, one in enumerate(series) if one.metric.role == role and one.kind != "bayesian"]
        if places:
            for place, member in zip(places, judge([series[k].tested for k in places]), strict=True):
                found[place] = member
    return found


def primary_claims(p: Array, difference: Array, alpha: float) -> DirectionalHolm:
    """Holm's claims of the primary metrics from p-values (nan where there is none) and differences, shape (..., m)."""
    # A comparison that cannot be read yet counts: else the family would grow while one looks.
    return directional_holm(np.nan_to_num(p, nan=1.0), np.nan_to_num(difference), alpha)


def _holm(tested: list[Estimates]) -> list[list[Family]]:
    p, alpha = _p_values(tested), tested[0].alpha
    claims = primary_claims(p, _differences(tested), alpha)
    judged = []
    for k, one in enumerate(tested):
        lower, upper = claims.member(k).ends(one.lift_ends)
        judged.append(_members("primary", "holm", one, len(tested), claims.adjusted[:, k], p[:, k], lower, upper))
    return judged


def _benjamini_hochberg(tested: list[Estimates]) -> list[list[Family]]:
    p, alpha = _p_values(tested), tested[0].alpha
    counted = np.nan_to_num(p, nan=1.0)
    adjusted, levels = benjamini_hochberg(counted), fcr_alpha(counted, alpha)
    judged = []
    for k, one in enumerate(tested):
        ends = np.full((2, len(levels)), np.nan)
        for level in np.unique(levels):
            ends = np.where(levels == level, np.stack(one.lift_ends(float(level))), ends)
        judged.append(_members("secondary", "benjamini_hochberg", one, len(tested), adjusted[:, k], p[:, k], *ends))
    return judged


def _p_values(tested: list[Estimates]) -> Array:
    return np.stack([one.p[:, 0] for one in tested], axis=-1)


def _differences(tested: list[Estimates]) -> Array:
    return np.stack([one.difference[:, 0] for one in tested], axis=-1)


def _members(
    name: str, method: str, one: Estimates, size: int, adjusted: Array, p: Array, lower: Array, upper: Array
) -> list[Family]:
    """The family look by look; nothing is claimed where the effect has no p-value of its own."""
    members = []
    for k in range(len(adjusted)):
        alone = one.relative((k, 0))
        ends = (None, None) if np.isnan(p[k]) else (number(lower[k]), number(upper[k]))
        matched = Estimate(alone.estimate, alone.standard_error, *ends, alone.reason)
        members.append(Family(name, method, size, None if np.isnan(p[k]) else number(adjusted[k]), matched))
    return members
