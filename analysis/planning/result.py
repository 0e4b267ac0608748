"""The Plan: what an experiment can show before it starts, in one frozen value that survives a trip through JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

from analysis import frozen_json
from analysis.readout import MetricPlan


@dataclass(frozen=True, slots=True)
class Answer:
    """What one inference can do for a metric; lifts are sizes, in the direction that the metric is tested in.

    Attributes:
        inference: as in experiment files; a Bayesian answer and a fixed one are read once, the others every day.
        lift: least lift that the planned units detect with the plan's power; for a guardrail the least margin that
            can be shown to hold where nothing changes.
        power: of the stated effect, or of a guardrail's margin, with the planned units; None without an effect.
        units: what that effect needs, in all arms together.
        days: whole weeks of all traffic until they are in; None where the longest plan is too short.
    """

    inference: str
    lift: float | None
    power: float | None
    units: int | None
    days: int | None


@dataclass(frozen=True, slots=True)
class Reach:
    """What the traffic of some weeks can detect: the least lift by inference, as in `Answer`."""

    days: int
    units: int
    extrapolated: bool
    lifts: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Forecast:
    """One metric as the past shows it.

    Attributes:
        alpha: level of its interval, of which primary comparisons get an equal part each.
        effect: the lift, or margin, that powers and days are for; None without one.
        value: at the planned end.
        deviation: standard deviation of one unit's part in it, after covariates.
        variance_reduction: what covariates save.
        skewness: of one unit. `enough_units`: 355 x its square, that an arm needs; None for proportions.
        capped: share of the units that the cap cuts.
        answers: the experiment's own inference first.
        reason: why nothing can be said; None where something is.
    """

    metric: MetricPlan
    alpha: float
    effect: float | None
    value: float | None
    deviation: float | None
    variance_reduction: float | None
    skewness: float | None
    enough_units: int | None
    capped: float | None
    answers: tuple[Answer, ...]
    curve: tuple[Reach, ...]
    warnings: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Units that have come by the end of a day; beyond the past's days, as many a day as in its last week."""

    day: int
    units: int
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class Price:
    """What a way to read the same units costs, where daily looks are taken.

    Attributes:
        rule: such as "fixed, read once".
        valid: whether it keeps its level at all of its looks.
        looks: how often it is read.
        false_positives: how often it concludes where there is no effect.
        power: of the effect that an interval read once detects with the plan's power.
        width: of the last interval, relative to one that is read once.
        expected_units: mean share of the planned units when it stops, where the effect is there.
        needed_units: units for the same power, relative to an interval that is read once.
    """

    rule: str
    valid: bool
    looks: int
    false_positives: float
    power: float
    width: float
    expected_units: float
    needed_units: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """A running experiment that may meet the same units. `share` of the past's units are in it.

    Experiments in one `layer` never share a unit, but they share the traffic.
    """

    experiment: str
    name: str
    share: float
    layer: str | None
    same_layer: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment before its start, from the workspace's own past.

    Attributes:
        power: that the answers promise. `effect`: the stated lift, None where only margins are planned for.
        start, days_of_past: the window of the past; None for a table, which has no days.
        planned_units: in all arms together, as the file says or, without, all that come in the past's days.
        lift: least lift of the first primary metric at the planned units under the experiment's own inference.
        days: as asked for, or until the planned units are in, in whole weeks of the traffic; None where the longest
            plan is too short.
        share: of the traffic of those days that the planned units are; at most 1.
        suggested_units, suggested_days: for the stated effect in every primary metric and every guardrail's margin.
    """

    experiment: str
    name: str
    inference: str
    power: float
    effect: float | None
    start: str | None
    days_of_past: int | None
    planned_units: int
    lift: float | None
    days: int | None
    share: float | None
    suggested_units: int | None
    suggested_days: int | None
    metrics: tuple[Forecast, ...]
    traffic: tuple[Traffic, ...]
    price: tuple[Price, ...]
    overlaps: tuple[Overlap, ...]
    warnings: tuple[str, ...]

    def to_json(self, *, indent: int | None = None) -> str:
        """The whole plan as JSON; infinities and nan cannot occur."""
        return frozen_json.write(self, indent=indent)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote."""
        built: Plan = frozen_json.build(cls, json.loads(text))
        return built
