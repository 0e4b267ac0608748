"""The Readout: every number of an experiment in one frozen value that survives a trip through JSON."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal

from analysis import frozen_json
from analysis.readout.figures import Arms as Arms
from analysis.readout.figures import Estimate as Estimate
from analysis.readout.network import Network

Verdict = Literal["pass", "warn", "fail", "unknown"]
Call = Literal["ship", "keep_running", "stop", "review", "blocked"]
Reading = Literal["better", "worse", "within_margin", "beyond_margin", "unclear", "unknown"]


@dataclass(frozen=True, slots=True)
class EffectPair:
    """The same effect in the metric's own unit and relative to control (0.02 is +2 %)."""

    absolute: Estimate
    relative: Estimate


@dataclass(frozen=True, slots=True)
class Adjustment:
    """How covariates were used: method ("pooled" slope or "lin"), their names, slopes (control's first for "lin")."""

    method: str
    covariates: tuple[str, ...]
    slopes: tuple[tuple[float | None, ...], ...]
    means: Arms


@dataclass(frozen=True, slots=True)
class Interval:
    """The rule that made the intervals ("fixed" or "confidence_sequence") and its level, such as 0.95."""

    kind: str
    level: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A group of units: those whose `dimension` has this value."""

    dimension: str
    value: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """What another interval rule says of the same data, so that their prices can be compared.

    `kind` is the rule's word; "fixed" is the naive reading, valid at one planned look only.
    """

    kind: str
    relative: Estimate


@dataclass(frozen=True, slots=True)
class Family:
    """An effect among the effects that are judged together.

    `p_value` is adjusted by `method` for the `size` comparisons of the family, and `relative` is the interval that
    matches it: it leaves out 0 exactly when the adjusted p-value is below alpha.
    """

    name: str
    method: str
    size: int
    p_value: float | None
    relative: Estimate


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the data and the prior of the design say of the lift, as a normal posterior.

    `chance` is the posterior probability that the lift is good for the metric; the losses are expected lifts forgone
    by shipping and by keeping control.
    """

    mean: float
    standard_deviation: float
    lower: float
    upper: float
    chance: float
    loss_ship: float
    loss_keep: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The answer of a group sequential design once it has stopped, by the stage-wise ordering.

    `relative.estimate` is median-unbiased; the estimate at the stop leans towards the side of the crossing.
    """

    look: int
    crossed: bool
    relative: Estimate
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric, one treatment arm against control, overall or in one segment, at one look.

    `absolute` and `relative` use covariates where there are any, `unadjusted` never; `means` are as observed.
    `covariance` is (control, treatment, both) of the two values that `absolute` is the difference of, and `dof` the
    degrees of freedom (None for a normal pivot): enough to apply any rule again.
    Overall effects have `alternatives`, a `family` where one was declared, and a `posterior`; effects of segments have
    `simultaneous`, the relative interval widened so that all segments of this metric hold together.
    """

    metric: str
    role: str
    arm: str
    control: str
    segment: Segment | None
    n: Arms
    means: Arms
    adjustment: Adjustment | None
    absolute: Estimate
    relative: Estimate
    unadjusted: EffectPair
    p_value: float | None
    interval: Interval
    variance_reduction: float | None
    reading: Reading
    covariance: tuple[float, ...] | None = None
    dof: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    family: Family | None = None
    posterior: Posterior | None = None
    stopped: Stopped | None = None
    futile: bool = False
    simultaneous: Estimate | None = None
    reason: str | None = None

    def by_rule(self, kind: str) -> Estimate | None:
        """The relative interval that the rule `kind` gives; None where it was not asked."""
        if kind == self.interval.kind:
            return self.relative
        return next((other.relative for other in self.alternatives if other.kind == kind), None)


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
class Look:
    """All that is known at one time.

    `time` is ISO 8601 UTC, "day 1.5" where only the days since the start are known, None without a time column.
    """

    time: str | None
    units: dict[str, int]
    checks: tuple[Check, ...]
    effects: tuple[Effect, ...]
    splits: tuple[Split, ...] = ()
    interactions: tuple[Interaction, ...] = ()

    def without_segments(self) -> "Look":
        """The look with what is known of all units together only."""
        overall = tuple(effect for effect in self.effects if effect.segment is None)
        return dataclasses.replace(self, effects=overall, splits=(), interactions=())


@dataclass(frozen=True, slots=True)
class ArmDecision:
    """What the rule says of one treatment arm, why, and what would change it."""

    arm: str
    verdict: Call
    reasons: tuple[str, ...]
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, by the stated rule, and why.

    `look` is the position of the look that it rests on: the last, or for a fixed horizon the first with the planned
    units. `notes` are the last of the reasons: what a reader must know besides.
    """

    verdict: Call
    reasons: tuple[str, ...]
    arms: tuple[ArmDecision, ...] = ()
    rule: str = ""
    look: int = -1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """What a page needs to know of a metric; `unit` and `scale` are for display."""

    id: str
    name: str
    kind: str
    role: str
    direction: str
    margin: float | None
    unit: str
    scale: float
    covariates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupSequentialPlan:
    """The plan of a group sequential design: analyses at these shares of the planned units; empty for every day."""

    spending: str
    parameter: float | None
    looks: tuple[float, ...]
    futility_power: float | None = None


@dataclass(frozen=True, slots=True)
class Prior:
    """A normal prior on every lift."""

    mean: float
    standard_deviation: float


@dataclass(frozen=True, slots=True)
class Design:
    """The plan that the readout was made under."""

    name: str
    unit: str
    control: str
    shares: dict[str, float]
    alpha: float
    inference: str
    planned_units: int | None
    segments: tuple[str, ...]
    metrics: tuple[MetricPlan, ...]
    owner: str | None
    description: str | None
    source: str
    group_sequential: GroupSequentialPlan | None = None
    prior: Prior | None = None


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


@dataclass(frozen=True, slots=True)
class Readout:
    """All effects, intervals, checks and the decision, look by look (oldest first)."""

    experiment: str
    design: Design
    looks: tuple[Look, ...]
    decision: Decision
    variations: tuple[Variation, ...] = ()
    learning: tuple[Learning, ...] = ()
    network: Network | None = None
    clusters: tuple[Clustering, ...] = ()

    @property
    def decided(self) -> Look:
        """The look that the decision rests on."""
        return self.looks[self.decision.look]

    def to_json(self, *, indent: int | None = None) -> str:
        """The whole readout as JSON; infinities and nan cannot occur."""
        return frozen_json.write(self, indent=indent)

    def split(self) -> tuple[str, str | None]:
        """The readout as JSON in two parts, so that a page opens one without reading all.

        The first has every look, but segments only in the decided and the last; the second has the other looks whole,
        and is None where they have no segments.
        """
        short = tuple(
            look if look in (self.decided, self.looks[-1]) else look.without_segments() for look in self.looks
        )
        history = [None if look == part else look for look, part in zip(self.looks, short, strict=True)]
        return dataclasses.replace(self, looks=short).to_json(), frozen_json.write(history) if any(history) else None

    @classmethod
    def from_json(cls, text: str, history: str | None = None) -> "Readout":
        """The readout that `to_json` wrote, or `split`; without its second part, earlier looks lack their segments."""
        plain = json.loads(text)
        if history:
            whole = json.loads(history)
            plain["looks"] = [old or look for old, look in zip(whole, plain["looks"], strict=True)]
        built: Readout = frozen_json.build(cls, plain)
        return built
