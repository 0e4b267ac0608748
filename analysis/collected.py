"""What one scan of an experiment's facts returns: Moments in cells, and the counts that the checks need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.network.graph import Neighbours
from analysis.quantiles import QuantileCells
from analysis.readout import Segment
from analysis.variables import Variable

# The last days of a run, in which those that came in the days before them, and those exposed for long, are compared.
WINDOW, OLD = timedelta(days=7), timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Cohorts:
    """What units did in the days from `begin` to `end` (exclusive), by when they were first exposed.

    `moments` are of totals within these days, cells (2, arms): the units first exposed `OLD` or more before `begin`,
    then those first exposed in the `WINDOW` before it.
    """

    begin: datetime
    end: datetime
    moments: Moments


@dataclass(frozen=True, slots=True)
class Collected:
    """The facts of one experiment, look by look.

    Attributes:
        arms: control first; the last axis of the cells.
        segments: None (all units) first, then each value of each dimension; the middle axis.
        looks: end of each UTC day with facts (exclusive), oldest first; (None,) for a table without time; time since
            start for summaries that say only that. First axis.
        moments: cells (looks, segments, arms); running totals of every unit exposed before the look. Where clusters
            were randomised they stand for units, with the sums of their units as values.
        crossed: units or clusters first exposed before the look that are ever seen in another arm, excluded from
            everything unless crossovers stay in their first arm; by that arm, shape (looks, arms).
        left_out: units or clusters of arms that the experiment does not list, by arm.
        last_exposure, last_event: latest times in the data; None where there is no time.
        caps: the cap that each capped variable got, by the variable's name.
        quantiles: what each quantile metric's rows say, by the metric's id.
        inside: where clusters were randomised, Moments of the units in them at the last look, shape (arms,).
        neighbours: the units of the last look and their friends, where the source knows of any.
        nonnegative: the variables of which no unit has a value below 0, as far as the source can tell.
        active: units with an event of a running total on the day of the look, shape (looks, arms); None without.
        capped: units whose final value is at the cap, shape (arms,), by the name of the outcome.
        cohorts: what old and new units did in the last days of the run; None where that cannot be told.
    """

    arms: tuple[str, ...]
    segments: tuple[Segment | None, ...]
    looks: tuple[datetime | timedelta | None, ...]
    moments: Moments
    crossed: Array
    left_out: dict[str, int]
    last_exposure: datetime | None
    last_event: datetime | None
    caps: dict[str, float]
    inside: Moments | None = None
    nonnegative: frozenset[Variable] = frozenset()
    quantiles: Mapping[str, QuantileCells] = field(default_factory=dict)
    neighbours: Neighbours | None = None
    active: Array | None = None
    capped: Mapping[str, Array] = field(default_factory=dict)
    cohorts: Cohorts | None = None

    @property
    def labels(self) -> tuple[str | None, ...]:
        """Each look's time as ISO 8601 UTC, or such as "day 0.5" after the start."""
        return tuple(map(_label, self.looks))


def _label(look: datetime | timedelta | None) -> str | None:
    if isinstance(look, timedelta):
        return f"day {look / timedelta(days=1):g}"
    return None if look is None else look.strftime("%Y-%m-%dT%H:%M:%SZ")
