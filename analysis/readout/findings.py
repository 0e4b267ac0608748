"""What a readout finds beside its effects: checks, splits, interactions, other choices, learning, clusters."""

from dataclasses import dataclass
from typing import Literal

from analysis.readout.decision import Call
from analysis.readout.effect import Reading, Segment
from analysis.readout.figures import Estimate

Verdict = Literal["pass", "warn", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """One health check. `p_value` or `value` is judged against `limit`; `reason` says it in words."""

    name: str
    verdict: Verdict
    p_value: float | None
    value: float | None
    limit: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Split:
    """Units by arm inside one segment, against the planned shares.

    `p_value` is valid at one look and `sequential` at every look, both corrected for the number of segments;
    `deviation` is the largest distance of an arm's share from its plan (0.01 is one point). Where the test that decides
    fails, `first_bad` is the time of the first look at which it did, and `since` that of the look whose new units were
    the first to depart, most likely.
    """

    segment: Segment
    units: dict[str, int]
    p_value: float | None
    sequential: float | None = None
    deviation: float | None = None
    first_bad: str | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Interaction:
    """Whether the effect of one arm on one metric differs between the segments of a dimension.

    `adjusted` is the p-value corrected for the number of dimensions of the metric.
    """

    metric: str
    arm: str
    dimension: str
    p_value: float | None
    adjusted: float | None


@dataclass(frozen=True, slots=True)
class Variation:
    """The lift at the deciding look had one choice of the analysis been another, for every metric that it touches.

    `choice` is the question ("cap") and `name` this answer to it, such as "no cap" or "half the window"; the effect
    itself is the plan's own. `call` is what the rule says of the arm then; None where the facts do not allow it.
    """

    metric: str
    arm: str
    choice: str
    name: str
    relative: Estimate
    reading: Reading
    call: Call | None


@dataclass(frozen=True, slots=True)
class Learning:
    """How the lift of those who have been exposed for long differs from that of the newly exposed, in the same days.

    `difference` is the lift of the old cohort minus that of the new, in shares of control: where more of the metric is
    good, below 0 if the effect wears off (novelty), above 0 if it grows (primacy). `window` names the days.
    """

    metric: str
    arm: str
    window: str
    units_new: int
    units_old: int
    new: Estimate
    old: Estimate
    difference: Estimate
    p_value: float | None
    reading: Literal["novelty", "primacy", "steady", "unknown"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Clustering:
    """What randomising clusters costs a metric: `icc` is how alike the units of one cluster are.

    `design_effect` is the variance over what it would be had units been randomised one by one.
    """

    metric: str
    clusters: int
    units: int
    icc: float | None
    design_effect: float | None
