"""The Readout: looks, the decision, and the trip through JSON."""

import dataclasses
import json
from dataclasses import dataclass

from analysis import frozen_json
from analysis.readout.decision import Decision
from analysis.readout.design import Design
from analysis.readout.effect import Effect
from analysis.readout.findings import Check, Clustering, Interaction, Learning, Split, Variation
from analysis.readout.network import Network


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
