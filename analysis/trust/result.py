"""What re-randomisation found: counts with binomial bounds, and whether they contradict the promise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from scipy import special

from analysis import frozen_json
from analysis.readout import MetricPlan

Basis = Literal["before", "observed"]
Verdict = Literal["holds", "does not hold", "too few units to say", "too few runs to say", "nothing promised"]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """In `count` of `runs` something happened; `lower` and `upper` are the 95 % Clopper–Pearson bounds of `share`.

    Source: Clopper and Pearson, Biometrika 1934.
    """

    count: int
    runs: int
    share: float
    lower: float
    upper: float

    @classmethod
    def of(cls, count: int, runs: int) -> Rate:
        tail = (1 - CONFIDENCE) / 2
        lower = special.betaincinv(count, runs - count + 1, tail) if count else 0.0
        upper = special.betaincinv(count + 1, runs - count, 1 - tail) if count < runs else 1.0
        return cls(count, runs, count / runs, float(lower), float(upper))

    def __add__(self, other: Rate) -> Rate:
        return Rate.of(self.count + other.count, self.runs + other.runs)


@dataclass(frozen=True, slots=True)
class RuleTrust:
    """How often the intervals of one rule were wrong where the truth is known.

    Attributes:
        rule: the rule's word, as in an experiment file.
        false_positive, false_positive_at_end: an interval left out 0 at any look, or at the last, though nothing but a
            coin made the arms.
        coverage, coverage_at_end: the lift's intervals held the true lift at all looks, or at the last.
        width: mean width of the lift's interval at the last look that has one (0.02 is two per cent of control); None
            where none has bounds.
    """

    rule: str
    false_positive: Rate
    false_positive_at_end: Rate
    coverage: Rate
    coverage_at_end: Rate
    width: float | None

    def __add__(self, other: RuleTrust) -> RuleTrust:
        a, b = self.false_positive.runs, other.false_positive.runs
        widths = [(w, n) for w, n in ((self.width, a), (other.width, b)) if w is not None]
        return RuleTrust(
            self.rule,
            self.false_positive + other.false_positive,
            self.false_positive_at_end + other.false_positive_at_end,
            self.coverage + other.coverage,
            self.coverage_at_end + other.coverage_at_end,
            sum(w * n for w, n in widths) / sum(n for _, n in widths) if widths else None,
        )


@dataclass(frozen=True, slots=True)
class MetricTrust:
    """One metric in one treatment arm: the experiment's own rule first, then the fixed one read at every look.

    Attributes:
        promised: the false-positive rate that the own rule promises, at any look, or at the last for one that is fixed.
        lift: the true lift of the runs that coverage was counted in.
        units, carriers: expected in the smallest arm, and how many of them carry the metric.
    """

    metric: MetricPlan
    arm: str
    promised: float | None
    lift: float
    units: float
    carriers: float
    rules: tuple[RuleTrust, ...]
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Trust:
    """The error rates of an experiment's readout, counted over `runs` draws of its arms.

    Attributes:
        basis: "before": its units as they were `days_back` days before, when there was no experiment; "observed": its
            outcomes as they are, as if no arm had moved any (then `days_back` is 0).
        start: end of the first look, and `end` that of the last, ISO 8601 UTC; None without time.
        units: units, or clusters, of all arms at the last look.
        seed: of the draws; what has the same seed and runs is the same.
        family: a primary metric was claimed to have moved, after the family's correction, at any look; None where there
            are no p-values.
        sample_ratio: the test of the sample ratio alarmed at any look, though the arms were drawn as planned.
        notes: what a reader must know: why nothing from before was used, and which metrics were not counted.
    """

    experiment: str
    name: str
    inference: str
    alpha: float
    basis: Basis
    days_back: int
    looks: int
    start: str | None
    end: str | None
    unit: str
    units: int
    runs: int
    seed: int
    metrics: tuple[MetricTrust, ...]
    family: Rate | None
    sample_ratio: Rate
    sample_ratio_promised: float
    notes: tuple[str, ...]

    def to_json(self, *, indent: int | None = None) -> str:
        return frozen_json.write(self, indent=indent)

    @classmethod
    def from_json(cls, text: str) -> Trust:
        """What `to_json` wrote."""
        found: Trust = frozen_json.build(cls, json.loads(text))
        return found
