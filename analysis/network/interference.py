"""What friends do to an estimate: the same treatment randomised by unit and by community, side by side."""

from __future__ import annotations

import math

from scipy import special

from analysis.readout.figures import Estimate


def interference(by_unit: Estimate, by_community: Estimate, alpha: float = 0.05) -> Estimate:
    """The part of a unit-randomised effect that is interference, at one planned look.

    Args:
        by_unit, by_community: the same effect of the same treatment, in two experiments on different people: one
            randomised by unit, one by community. Without interference the two estimate the same.

    Returns:
        by_unit - by_community with a normal interval, in the unit of the estimates; without an interval where either
        has no standard error. Communities that friendships cross keep a part of the interference, so it is the least
        that there is where that part has the same sign.

    Source: Saveski, Pouget-Abadie, Saint-Jacques, Duan, Ghosh, Xu and Airoldi, KDD 2017, section 3; Holtz, Lobel,
    Liskovich and Aral, arXiv 2004.12162.
    """
    if by_unit.estimate is None or by_community.estimate is None:
        return Estimate(None, None, None, None, by_unit.reason or by_community.reason)
    bias = by_unit.estimate - by_community.estimate
    if by_unit.standard_error is None or by_community.standard_error is None:
        return Estimate(bias, None, None, None, by_unit.reason or by_community.reason)
    error = math.hypot(by_unit.standard_error, by_community.standard_error)
    half = -float(special.ndtri(alpha / 2)) * error
    return Estimate(bias, error, bias - half, bias + half)
