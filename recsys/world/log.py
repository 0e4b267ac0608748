"""What happened on some days, gathered as arrays and turned into fact tables."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recsys.slate import OUTCOMES
from recsys.world.calendar import Calendar
from recsys.world.draws import Floats, Ints
from recsys.world.offers import POLICIES
from recsys.world.policy import SURFACES, Requests, ShownSlates

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = (
    "session", "page_load", "view", "wishlist", "cart", "purchase", "full_price", "gift", "refund", "group_open",
    "group_join",
)  # fmt: skip
# A purchase at the list price has a "full_price" event beside it; the value of "page_load" is milliseconds.
VALUED = ("page_load", "purchase", "full_price", "gift", "refund")
# A refund of a gift names who had got it.
GIVEN, GROUPED = ("gift", "refund"), ("group_open", "group_join")
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Names:
    """How people, items and campaigns are called in facts."""

    calendar: Calendar
    people: "pa.Array"
    items: "pa.Array"
    campaigns: tuple[str, ...]
    experiments: tuple[str, ...] = ()
    arms: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Log:
    """Rows of some days in the order in which they were added."""

    names: Names
    events: list[tuple[Ints, ...]] = field(default_factory=list)
    slates: list[tuple[Requests, ShownSlates, Ints]] = field(default_factory=list)
    offers: list[tuple[Ints | Floats, ...]] = field(default_factory=list)
    exposures: list[tuple[Ints, ...]] = field(default_factory=list)

    def event(
        self,
        kind: str,
        person: Ints,
        second: Ints,
        item: Ints | None = None,
        *,
        value: Ints | None = None,
        slate: Ints | None = None,
        list_price: Ints | None = None,
        campaign: Ints | None = None,
        other: Ints | None = None,
    ) -> None:
        """Add acts, one entry each; -1 stands for nothing. `other` is who got a gift, or a group's number."""
        none = np.full(len(person), NOTHING)
        zero = np.zeros(len(person), np.int64)
        optional = (item, slate, list_price, campaign, other)
        columns = [none if column is None else column for column in optional]
        self.events.append((none * 0 + KINDS.index(kind), person, second, zero if value is None else value, *columns))

    def slate(self, ask: Requests, shown: ShownSlates) -> Ints:
        """Add slates; returns their numbers, shape (requests,)."""
        people = len(self.names.people)
        number = (ask.day * len(SURFACES) + SURFACES.index(ask.surface)) * people + ask.person
        self.slates.append((ask, shown, number))
        return number

    def offer(
        self, person: Ints, campaign: Ints, second: Ints, depth: Floats, chance: Floats, item: Ints, ends: Ints
    ) -> None:
        """Add decisions; `ends` is a second of the calendar."""
        self.offers.append((person, campaign, second, depth, chance, item, ends))

    def tables(self) -> dict[str, "pa.Table"]:
        """The fact tables that have rows, in order of time."""
        found = {
            "events": self._events(),
            "recommendations": self._recommendations(),
            "offers": self._offers(),
            "exposures": self._exposures(),
        }
        return {name: table for name, table in found.items() if table is not None and len(table)}

    def _events(self) -> "pa.Table | None":
        import pyarrow as pa

        if not self.events:
            return None
        columns = [np.concatenate(column) for column in zip(*self.events, strict=True)]
        order = np.argsort(columns[2], kind="stable")
        kind, person, second, value, item, slate, list_price, campaign, other = (column[order] for column in columns)
        valued = np.isin(kind, [KINDS.index(each) for each in VALUED])
        gift, group = (np.isin(kind, [KINDS.index(each) for each in kinds]) for kinds in (GIVEN, GROUPED))
        return pa.table(
            {
                "unit_id": self.names.people.take(pa.array(person)),
                "time": self._times(second),
                "kind": pa.array(KINDS).take(kind),
                "item_id": _taken(self.names.items, item),
                "value": pa.array(value, mask=~valued),
                "quantity": pa.array(np.ones(len(kind), np.int32), mask=item < 0),
                "slate_id": self._slate_ids(slate),
                "list_price": pa.array(list_price, mask=list_price < 0),
                "campaign_id": _taken(pa.array(self.names.campaigns, pa.string()), campaign),
                "recipient_id": _taken(self.names.people, np.where(gift, other, NOTHING)),
                "event_id": _group_names(np.where(group, other, NOTHING), person),
            }
        )

    def _recommendations(self) -> "pa.Table | None":
        import pyarrow as pa

        parts = [self._shown(*each) for each in self.slates]
        return pa.concat_tables(parts, promote_options="default") if parts else None

    def _shown(self, ask: Requests, shown: ShownSlates, number: Ints) -> "pa.Table":
        import pyarrow as pa

        row, place = np.nonzero(shown.item >= 0)
        rows = pa.array(row)
        columns = {
            "slate_id": self._slate_ids(number).take(rows),
            "position": pa.array((place + 1).astype(np.int32)),
            "user_id": self.names.people.take(pa.array(ask.person)).take(rows),
            "time": self._times(ask.second).take(rows),
            "surface": _constant(ask.surface, len(row)),
            "item_id": self.names.items.take(pa.array(shown.item[row, place])),
            "propensity": shown.propensity[row, place],
            "policy": _constant(shown.policy, len(row)),
            "candidates": shown.candidates[row, place].astype(np.int32),
        }
        if shown.score is not None:
            score = shown.score[row, place]
            columns["score"] = pa.array(score, mask=~np.isfinite(score))
        if shown.model is not None:
            columns["model"] = _constant(shown.model, len(row))
        if shown.chances is not None:
            for k, outcome in enumerate(OUTCOMES):
                chance = shown.chances[row, place, k]
                columns[f"p_{outcome}"] = pa.array(chance, mask=~np.isfinite(chance))
        if shown.reason is not None:
            reasons = shown.reason[row, place]
            columns["reason"] = pa.array(reasons, pa.string(), mask=reasons == "")
        return pa.table(columns)

    def _offers(self) -> "pa.Table | None":
        import pyarrow as pa

        if not self.offers:
            return None
        person, campaign, second, depth, chance, item, ends = (
            np.concatenate(column) for column in zip(*self.offers, strict=True)
        )
        policy = np.zeros(len(person), np.int64)
        for number, name in ((1, "group_buy"), (2, "deep_drop")):
            policy[campaign == self.names.campaigns.index(name)] = number
        return pa.table(
            {
                "user_id": self.names.people.take(pa.array(person)),
                "campaign_id": pa.array(self.names.campaigns, pa.string()).take(pa.array(campaign)),
                "time": self._times(second),
                "depth": depth,
                "propensity": chance,
                "policy": pa.array(POLICIES).take(pa.array(policy)),
                "item_id": _taken(self.names.items, item),
                "starts": self._times(second),
                "ends": self._times(ends),
            }
        )

    def _exposures(self) -> "pa.Table | None":
        import pyarrow as pa

        if not self.exposures:
            return None
        columns = [np.concatenate(column) for column in zip(*self.exposures, strict=True)]
        experiment, person, second, arm = (column[np.argsort(columns[2], kind="stable")] for column in columns)
        arms = pa.array([name for pair in self.names.arms for name in pair])
        return pa.table(
            {
                "experiment_id": pa.array(self.names.experiments).take(pa.array(experiment)),
                "unit_id": self.names.people.take(pa.array(person)),
                "arm": arms.take(pa.array(2 * experiment + arm)),
                "time": self._times(second),
            }
        )

    def _times(self, second: Ints) -> "pa.Array":
        import pyarrow as pa

        return pa.array(self.names.calendar.timestamps(second), pa.timestamp("us", "UTC"))

    def _slate_ids(self, number: Ints) -> "pa.Array":
        import pyarrow as pa

        unique, back = np.unique(number, return_inverse=True)
        people = len(self.names.people)
        visit, person = unique // people, unique % people
        day, surface = visit // len(SURFACES), visit % len(SURFACES)
        ids = [
            f"s{d}{SURFACES[s][0]}{p}" for d, s, p in zip(day.tolist(), surface.tolist(), person.tolist(), strict=True)
        ]
        return pa.array(ids, pa.string()).take(pa.array(back, mask=number < 0))


def _taken(names: "pa.Array", places: Ints) -> "pa.Array":
    """The names, null where a place is negative."""
    import pyarrow as pa

    return names.take(pa.array(places, mask=places < 0))


def _constant(text: str, rows: int) -> "pa.Array":
    import pyarrow as pa

    return pa.array([text]).take(pa.array(np.zeros(rows, np.int64)))


def _group_names(group: Ints, person: Ints) -> "pa.Array":
    """A name for each act in a group, which says the group; null for other acts."""
    import pyarrow as pa

    there = np.flatnonzero(group >= 0)
    names = pa.array([f"g{group[k]}-{person[k]}" for k in there], pa.string())
    place = np.full(len(group), NOTHING)
    place[there] = np.arange(len(there))
    return _taken(names, place)
