"""Direct and spillover effects: contrasts between units that were exposed differently, and the slope over exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.effects import Contrast
from analysis.metrics.metric import Array
from analysis.network.exposure import Exposure
from analysis.network.graph import Ints
from analysis.readout.network import NetworkContrast

Mask = NDArray[np.bool_]
# A unit that gets to a condition more rarely than this would speak for more than a hundred others.
RAREST = 0.01
LOW, HIGH = 0, 1
# Each contrast as the two conditions (own arm, friends) that it compares, the base first.
CONDITIONS: dict[NetworkContrast, tuple[tuple[int, int], tuple[int, int]]] = {
    "direct": ((0, LOW), (1, LOW)),
    "spillover_untreated": ((0, LOW), (0, HIGH)),
    "spillover_treated": ((1, LOW), (1, HIGH)),
    "total": ((0, LOW), (1, HIGH)),
    "without_friends": ((0, LOW), (1, LOW)),
}
# Slopes, by the own arm of the units: only where each unit is randomised by itself does every one of them expect the
# same share of friends treated, whatever its friends and community.
DOSES: dict[NetworkContrast, int] = {"dose_untreated": 0, "dose_treated": 1}


@dataclass(frozen=True, slots=True)
class Side:
    """One value of a contrast: the units that it rests on, their weights, and their influences on it, shape (n,)."""

    value: float
    units: Mask
    weight: Array
    influence: Array


@dataclass(frozen=True, slots=True)
class NetworkContrasts:
    """The contrasts of one outcome.

    Attributes:
        names: of `CONDITIONS`, and of `DOSES` where units were randomised by themselves.
        contrast: cells (1, names), the base as control.
        communities: that the units of each contrast lie in, shape (names,).
        left_out: units that a contrast cannot speak of, because a condition is out of reach for them.
    """

    names: tuple[NetworkContrast, ...]
    contrast: Contrast
    communities: Ints
    left_out: Ints


def network_contrasts(
    numerator: Array, denominator: Array, exposure: Exposure, community: Ints, *, by_unit: bool
) -> NetworkContrasts:
    """Every contrast of an outcome under one treatment arm.

    Args:
        numerator, denominator: of the outcome, shape (n,); the denominator is 1 where the outcome is a mean.
        community: of each unit, shape (n,); outcomes and arms may be alike inside one, and are taken as independent
            between two.
        by_unit: whether each unit was randomised by itself, and not with its community.

    Returns:
        Means weighted by one over the probability of the condition; their linearised covariance by community, each
        community's residual as if it had been left out of the mean; t with one degree less than the effective
        communities of the thinner side.

    Source: Aronow and Samii, Ann. Appl. Stat. 2017, section 4.2 (Hájek estimator, linearised), with sums by community
    in place of the joint probabilities of pairs; the jackknife over clusters as CV3 in MacKinnon, Nielsen and Webb,
    J. Econometrics 2023, section 4.
    """
    outcome, connected = (numerator, denominator), exposure.degree > 0
    pairs, left_out = [], []
    for name, (base, other) in CONDITIONS.items():
        able = ~connected if name == "without_friends" else connected
        reach = np.minimum(exposure.probability[:, *base], exposure.probability[:, *other]) >= RAREST
        pairs.append((_hajek(outcome, exposure, base, able & reach), _hajek(outcome, exposure, other, able & reach)))
        left_out.append(int((able & ~reach).sum()))
    doses = DOSES if by_unit else {}
    pairs += [_dose(outcome, exposure, own) for own in doses.values()]
    spreads = [_spread(base, other, community) for base, other in pairs]
    contrast = Contrast(
        control=np.array([[base.value for base, _ in pairs]]),
        treatment=np.array([[other.value for _, other in pairs]]),
        covariance=np.array([[covariance for covariance, _ in spreads]]),
        n_control=np.array([[float(base.units.sum()) for base, _ in pairs]]),
        n_treatment=np.array([[float(other.units.sum()) for _, other in pairs]]),
        dof=np.array([[dof for _, dof in spreads]]),
        slopes=np.zeros((1, len(pairs), 1, 0)),
    )
    return NetworkContrasts(
        (*CONDITIONS, *doses),
        contrast,
        np.array([len(np.unique(community[base.units | other.units])) for base, other in pairs]),
        np.array(left_out + [0] * len(doses)),
    )


def _hajek(outcome: tuple[Array, Array], exposure: Exposure, condition: tuple[int, int], able: Mask) -> Side:
    """The outcome of the units in `able` if all of them were in one condition."""
    own, high = condition
    units = able & exposure.used & (exposure.own == own) & (exposure.high == high)
    weight = np.divide(1.0, exposure.probability[:, own, high], out=np.zeros(len(units)), where=units)
    return _ratio(outcome, weight, units)


def _ratio(outcome: tuple[Array, Array], weight: Array, units: Mask) -> Side:
    numerator, denominator = outcome
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = np.sum(weight * denominator)
        value = np.sum(weight * numerator) / whole
        return Side(float(value), units, weight * denominator, weight * (numerator - value * denominator) / whole)


def _dose(outcome: tuple[Array, Array], exposure: Exposure, own: int) -> tuple[Side, Side]:
    """The outcome of units of this arm if none, and if all, of their friends were treated: a line over their share."""
    units = exposure.used & (exposure.own == own) & (exposure.degree > 0)
    mean, n = _ratio(outcome, units.astype(float), units), units.sum()
    share = np.where(units, exposure.share, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = share.sum() / n
        centred = np.where(units, share - usual, 0.0)
        spread = np.square(centred).sum()
        # n times the influence on the mean is the outcome of one unit, linearised and centred.
        slope = n * np.sum(centred * mean.influence) / spread
        influence = centred * (n * mean.influence - slope * centred) / spread

    def at(end: int) -> Side:
        reach = end - usual
        return Side(
            float(mean.value + slope * reach),
            units & (exposure.high == bool(end)),
            np.square(centred),
            mean.influence + reach * influence,
        )

    return at(0), at(1)


def _spread(base: Side, other: Side, community: Ints) -> tuple[Array, float]:
    """Covariance of the two values, shape (2, 2), and degrees of freedom; nan with fewer than two communities."""
    shares = np.stack([np.bincount(community, weights=side.weight) for side in (base, other)])
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = shares / shares.sum(axis=1, keepdims=True)
        effective = float((1 / np.square(shares).sum(axis=1)).min())
    if not effective > 1 + 1e-9:
        return np.full((2, 2), np.nan), np.nan
    sums = np.stack([np.bincount(community, weights=side.influence) for side in (base, other)]) / (1 - shares)
    held = np.count_nonzero(shares.any(axis=0))
    return sums @ sums.T * (1 - 1 / held), effective - 1
