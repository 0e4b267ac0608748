"""The units of an experiment where nothing happened to them: some whole days before, or as observed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from analysis.collect.cells import Course
from analysis.collect.events import DAY, Totals, read_events
from analysis.collect.facts import Facts, facts_of
from analysis.collect.files import Files, quote
from analysis.collect.local import EPOCH, course_of, gather, scan
from analysis.collect.readers import whole_numbers
from analysis.collect.units import Labels, Units, read_exposures
from analysis.collected import Collected
from analysis.errors import SourceError
from analysis.experiment import Experiment

if TYPE_CHECKING:
    from store import Workspace

WEEK = 7


@dataclass(frozen=True, slots=True)
class Past:
    """What arms are drawn on: the experiment moved back in time with its units, and how their values moved then.

    Attributes:
        collected: what a scan returns for the arms as they were, of which only what no arm can change may be used.
        clusters: of each unit, where clusters were randomised.
        days_back: how far the units were moved back; 0 where nothing is known of them from before.
        why_observed: why they could not be.
    """

    experiment: Experiment
    collected: Collected
    course: Course
    clusters: Labels | None
    days_back: int
    why_observed: str | None


def read_past(experiment: Experiment, workspace: Workspace | None = None) -> Past:
    """The experiment's own units, entries, windows and looks, on the events of as many whole days before.

    Where nothing is known from so long before, on its outcomes as they are: as if no arm had moved them.

    Raises:
        SourceError: if the source holds no units, or every metric is a quantile.
    """
    if experiment.source.kind == "moments":
        raise SourceError(
            f"{experiment.file}: a moments source has no units whose arms could be drawn again; give a table or events."
        )
    if not any(metric.variables for metric in experiment.metrics):
        raise SourceError(
            f"{experiment.file}: every metric is a quantile, which no drawn arms are counted of; add another."
        )
    experiment = replace(experiment, segments=())
    with Files(workspace) as files:
        facts = facts_of(experiment, workspace, files)
        label, back, why = facts.units.label, 0, "the source has no events from before the experiment"
        moved = _Moved.of(experiment, facts) if facts.events else None
        if moved is None or moved.missing:
            units, totals = scan(experiment, facts, daily=True)
            why = moved.why if moved else why
        else:
            units, totals, back = *moved.scan(experiment, files), moved.back
            if experiment.end is not None:
                experiment = replace(experiment, end=experiment.end - timedelta(back))
    collected = gather(experiment, label, units, totals, daily=True)
    course, _ = course_of(experiment, label, units, totals, daily=True)
    return Past(experiment, collected, course, units.clusters, back, None if back else why)


@dataclass(frozen=True, slots=True)
class _Moved:
    """An experiment of so many `looks` from day `start` on, moved `back` whole days; `first` is that of the events."""

    facts: Facts
    units: Units
    whole: bool
    looks: int
    start: int
    first: int
    memory: int

    @classmethod
    def of(cls, experiment: Experiment, facts: Facts) -> _Moved:
        assert facts.events is not None
        events, clock = facts.events, experiment.source.time or "time"
        whole = all(whole_numbers(rows, experiment.unit) for rows in (facts.units, events))
        events.refuse_holes((), clock)
        units = read_exposures(experiment, facts.units, whole=whole)
        assert units.first is not None and units.latest is not None
        start, when = int(units.first.min()) // DAY, events.instant(clock, "the time")
        looks = max(units.latest, events.latest(clock) or 0) // DAY - start + 1
        first = events.con.execute(f"SELECT min({when}) FROM {quote(events.name)}").fetchall()[0][0] // DAY
        memory = int(np.ceil(max((v.days or 0.0 for v in experiment.scanned if v.pre), default=0.0)))
        return cls(facts, units, whole, looks, start, first, memory)

    @property
    def missing(self) -> int:
        """Days by which the events begin too late."""
        return max(0, self.first - (self.start - self.looks - self.memory))

    @property
    def why(self) -> str:
        covariates = f", and {self.memory} more for what is known before exposure" if self.memory else ""
        return (
            f"it would take the {self.looks} days before the first exposure on {_date(self.start)}{covariates}, but "
            f"the first event is of {_date(self.first)}, {self.missing} day{'' if self.missing == 1 else 's'} too late"
        )

    @property
    def back(self) -> int:
        """Whole weeks, which keep the days of the week, where the events reach that far."""
        weeks = -(-self.looks // WEEK) * WEEK
        return weeks if self.first <= self.start - weeks - self.memory else self.looks

    def scan(self, experiment: Experiment, files: Files) -> tuple[Units, Totals]:
        """The units with first exposures moved back, and what the events said of them until the last look."""
        events, clock, shift = self.facts.events, experiment.source.time or "time", self.back * DAY
        assert events is not None and self.units.first is not None
        end, when = (self.start + self.looks) * DAY - shift, events.instant(clock, "the time")
        files.con.execute(f"CREATE VIEW before AS SELECT * FROM {quote(events.name)} WHERE {when} < {end}")
        units = replace(
            self.units,
            first=self.units.first - shift,
            crossed=tuple(seen - shift for seen in self.units.crossed),
            latest=end - 1,
            last_exposure=None if self.units.last_exposure is None else self.units.last_exposure - shift,
        )
        before = files.view("before", events.label)
        scanned = experiment.scanned
        return units, read_events(before, units, scanned, experiment.unit, clock, whole=self.whole, daily=True)


def _date(day: int) -> str:
    return f"{EPOCH + timedelta(day):%Y-%m-%d}"
