"""One effect: a metric in one treatment arm against control, with all that is said of it."""

from dataclasses import dataclass
from typing import Literal

from analysis.readout.figures import Arms, Estimate

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
    """The word of the rule that made the intervals, and its level, such as 0.95."""

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
