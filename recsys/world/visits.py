"""When people come, which arm they meet, and from which visit on it acts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.world.calendar import DAY, Calendar
from recsys.world.designs import Design
from recsys.world.people import PLATFORMS, People

if TYPE_CHECKING:
    import pyarrow as pa

WEEK = np.array([0.92, 0.9, 0.92, 0.96, 1.12, 1.22, 1.1])
CROSSOVERS = 0.003
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits in order of person and time, shape (visits,); two visits of a person never overlap."""

    person: NDArray[np.int64]
    time: NDArray[np.int64]

    def keep(self, rows: NDArray[np.bool_]) -> "Visits":
        return Visits(self.person[rows], self.time[rows])


@dataclass(frozen=True, slots=True)
class Assignment:
    """Each person's experiment (its place in the list) and arm, drawn blindly; shape (people,)."""

    experiment: NDArray[np.int64]
    treated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Exposures:
    """One row an exposure; `first` is each person's first one (NEVER without), `crossed` who is logged in both arms."""

    person: NDArray[np.int64]
    time: NDArray[np.int64]
    treated: NDArray[np.bool_]
    first: NDArray[np.int64]
    crossed: NDArray[np.bool_]


def draw_visits(people: People, calendar: Calendar, rng: np.random.Generator) -> Visits:
    """Poisson visits by activity, more in the evening and at weekends; newcomers come when they are first seen."""
    hours = calendar.end // 3600
    weekday = (np.arange(hours) // 24 + calendar.begin.weekday()) % 7
    weight = WEEK[weekday] * (1.2 - np.cos(2 * np.pi * (np.arange(hours) % 24 - 8) / 24))
    passed = np.concatenate([[0.0], np.cumsum(weight) / weight.sum()])
    joined = np.maximum(people.first_seen // 3600, 0)
    left = 1 - passed[joined]
    person = np.repeat(np.arange(len(joined)), rng.poisson(people.activity * left * hours / 24))
    u = 1 - left[person] * (1 - rng.random(len(person)))
    slot = np.clip(np.searchsorted(passed, u, side="right") - 1, joined[person], hours - 1)
    new = np.flatnonzero(people.first_seen >= 0)
    visit = np.unique(np.concatenate([person * hours + slot, new * hours + joined[new]]))
    # A visit lasts minutes and starts in the first half hour: an hour holds one visit of a person.
    return Visits(visit // hours, visit % hours * 3600 + rng.integers(0, 1800, len(visit)))


def assign(people: People, designs: tuple[Design, ...], rng: np.random.Generator) -> Assignment:
    """Disjoint experiments by their shares, each of whole circles; arms half and half, of people or of circles."""
    circle, size = people.circle, np.bincount(people.circle)
    edges = np.cumsum([design.share for design in designs])
    # Circles are drawn blindly, so that one after another is as good as in any order.
    experiment = np.searchsorted(edges / edges[-1], (np.cumsum(size) - size / 2) / len(circle))[circle]
    by_circle = np.array([design.by_circle for design in designs])[experiment]
    alone, together = rng.random(len(circle)) < 0.5, rng.random(len(size)) < 0.5
    return Assignment(experiment, np.where(by_circle, together[circle], alone))


def expose(
    visits: Visits,
    assignment: Assignment,
    calendar: Calendar,
    designs: tuple[Design, ...],
    rng: np.random.Generator,
) -> Exposures:
    """The visits that meet an experiment; a few people with repeated exposures are logged once in the other arm.

    Nobody of a circle that was randomised as a whole: one such person would count against all of it.
    """
    reach = np.array([design.reach for design in designs])[assignment.experiment]
    met = (visits.time >= calendar.opening) & (rng.random(len(visits.person)) < reach[visits.person])
    person, time = visits.person[met], visits.time[met]
    n = len(assignment.treated)
    first = np.full(n, NEVER)
    np.minimum.at(first, person, time)
    by_circle = np.array([design.by_circle for design in designs])[assignment.experiment]
    crossed = (np.bincount(person, minlength=n) > 1) & (rng.random(n) < CROSSOVERS) & ~by_circle
    last = np.append(person[1:] != person[:-1], True)
    return Exposures(person, time, assignment.treated[person] ^ (last & crossed[person]), first, crossed)


def lost_people(
    people: People, assignment: Assignment, exposures: Exposures, calendar: Calendar, designs: tuple[Design, ...]
) -> NDArray[np.bool_]:
    """Who leaves at the first exposure, before it is logged, because the treatment is broken there."""
    lost = np.zeros(len(assignment.treated), bool)
    for k, design in enumerate(designs):
        if design.loss is not None:
            there = people.platform == list(PLATFORMS).index(design.loss.platform)
            late = (exposures.first >= calendar.opening + design.loss.day * DAY) & (exposures.first != NEVER)
            lost |= (assignment.experiment == k) & assignment.treated & there & late
    return lost


def exposures_table(
    exposures: Exposures, assignment: Assignment, ids: "pa.Array", calendar: Calendar, designs: tuple[Design, ...]
) -> "pa.Table":
    """The fact table exposures, in order of time."""
    import pyarrow as pa

    order = np.argsort(exposures.time, kind="stable")
    person = exposures.person[order]
    experiment = assignment.experiment[person]
    arms = pa.array([arm for design in designs for arm in (design.control, design.treatment)])
    return pa.table(
        {
            "experiment_id": pa.array([design.id for design in designs]).take(experiment),
            "unit_id": ids.take(person),
            "arm": arms.take(2 * experiment + exposures.treated[order]),
            "time": pa.array(calendar.timestamps(exposures.time[order]), pa.timestamp("us", "UTC")),
        }
    )
