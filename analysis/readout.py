"""The Readout: every number of an experiment in one frozen value that survives a trip through JSON."""

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

Verdict = Literal["pass", "warn", "fail", "unknown"]
Call = Literal["ship", "keep_running", "stop", "review", "blocked"]
Reading = Literal["better", "worse", "within_margin", "beyond_margin", "unclear", "unknown"]


@dataclass(frozen=True, slots=True)
class Arms:
    """A number for each side of a comparison."""

    control: float | None
    treatment: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """An effect with its interval; what cannot be computed is None and `reason` says why."""

    estimate: float | None
    standard_error: float | None
    lower: float | None
    upper: float | None
    reason: str | None = None


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
class Effect:
    """One metric, one treatment arm against control, overall or in one segment, at one look.

    `absolute` and `relative` use covariates where there are any, `unadjusted` never; `means` are as observed.
    `fixed_horizon` is the relative interval that would be valid at one planned look only, for contrast;
    `simultaneous` is the relative interval widened so that all segments of this metric hold together.
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
    fixed_horizon: Estimate | None = None
    simultaneous: Estimate | None = None
    reason: str | None = None


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
    """Units by arm inside one segment; `p_value` against the planned shares, corrected for the number of segments."""

    segment: Segment
    units: dict[str, int]
    p_value: float | None


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


@dataclass(frozen=True, slots=True)
class ArmDecision:
    """What the rule says of one treatment arm."""

    arm: str
    verdict: Call
    reasons: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class Readout:
    """All effects, intervals, checks and the decision, look by look (oldest first)."""

    experiment: str
    design: Design
    looks: tuple[Look, ...]
    decision: Decision

    @property
    def decided(self) -> Look:
        """The look that the decision rests on."""
        return self.looks[self.decision.look]

    def to_json(self, *, indent: int | None = None) -> str:
        """The whole readout as JSON; infinities and nan cannot occur."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False, ensure_ascii=False, indent=indent)

    @classmethod
    def from_json(cls, text: str) -> "Readout":
        """The readout that `to_json` wrote."""
        built: Readout = _build(cls, json.loads(text))
        return built


def _build(kind: Any, value: Any) -> Any:
    """`value` from JSON as the annotated type `kind`."""
    if value is None:
        return None
    if dataclasses.is_dataclass(kind):
        fields = _fields(kind)
        return typing.cast(Any, kind)(
            **{name: _build(fields[name], item) for name, item in value.items() if name in fields}
        )
    if get_origin(kind) in (typing.Union, types.UnionType):
        return _build(next(arg for arg in get_args(kind) if arg is not type(None)), value)
    if get_origin(kind) is tuple:
        return tuple(_build(get_args(kind)[0], item) for item in value)
    return value


_HINTS: dict[Any, dict[str, Any]] = {}


def _fields(kind: Any) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]
