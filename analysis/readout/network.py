"""What a readout says of friends: how much of an effect is direct, and how much reaches units through others."""

from dataclasses import dataclass
from typing import Literal

from analysis.readout.figures import Arms, Estimate

NetworkContrast = Literal[
    "direct", "spillover_untreated", "spillover_treated", "total", "without_friends", "dose_untreated", "dose_treated"
]


@dataclass(frozen=True, slots=True)
class NetworkEffect:
    """One metric under one treatment arm, between two conditions of exposure.

    A condition is a unit's own arm, and whether the share of its friends in the treatment arm is below or at least
    the threshold:

    - "direct": treated against not, few friends treated in both
    - "spillover_untreated", "spillover_treated": many friends treated against few, for units not treated and treated
    - "total": treated among many treated friends against not treated among few
    - "without_friends": treated against not, for units without friends in the experiment
    - "dose_untreated", "dose_treated": all friends treated against none, on a straight line over their share

    Attributes:
        n: units in the two conditions; for a dose, units below the threshold and from it on.
        means: the outcome had all units been in the one condition, or in the other.
        communities: that those units lie in; they are what is taken as independent.
        left_out: units that have friends, or none, as the contrast asks, but can hardly get to one of its conditions.
    """

    metric: str
    role: str
    arm: str
    contrast: NetworkContrast
    n: Arms
    means: Arms
    absolute: Estimate
    relative: Estimate
    p_value: float | None
    communities: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Network:
    """The effects at the last look that take account of friends.

    Attributes:
        randomised: what was assigned to arms, "units" or "clusters".
        rule: the word of the rule that made the intervals, of the level of the readout.
        threshold: share of friends treated from which a unit is highly exposed.
        friendships: between units of the experiment, made before it started.
        with_friends: units that have any.
        communities, largest: how many there are, and the units of the largest.
        share_inside: share of the friendships inside a community.
    """

    randomised: str
    rule: str
    threshold: float
    units: int
    with_friends: int
    friendships: int
    communities: int
    largest: int
    share_inside: float
    effects: tuple[NetworkEffect, ...]
