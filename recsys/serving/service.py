"""What the routes do, free of HTTP: ask the engine, keep the answer, keep events and let the engine see them."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

from recsys.serving import declarations
from recsys.serving.journal import Journal
from recsys.serving.metrics import Metrics
from recsys.serving.rows import EVENTS, SLATE, answer, lines
from recsys.serving.schema import Invalid, compiled, time_of
from recsys.serving.window import Window, digest
from recsys.slate import Request, Slate
from store.contract import load_contract

LOG = logging.getLogger("holdout.serving")
# Clocks differ; an event from further in the future would sit in every window until then.
AHEAD = timedelta(minutes=5)


class Recommender(Protocol):
    """What the service needs of an engine."""

    @property
    def policy(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    def recommend(self, request: Request) -> Slate: ...
    def observe(self, events: Sequence[Mapping[str, Any]]) -> None: ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of events: `accepted` are new, `duplicates` were known by their event_id."""

    accepted: int
    duplicates: int


class Service:
    """One engine with its journal. All methods belong to one thread, unless they say otherwise."""

    def __init__(self, engine: Recommender, journal: Journal, window: Window, metrics: Metrics | None = None) -> None:
        self.journal, self.window = journal, window
        self._engine = engine
        self._next: tuple[Recommender, int] | None = None
        self._later: list[tuple[int, list[dict[str, Any]]]] | None = None
        self.metrics = metrics or Metrics()
        self._check_recommend = compiled(declarations.recommend())
        self._check_target = compiled(declarations.TARGET)
        self._check_events = compiled(declarations.events())
        self._whole = {c.name for c in load_contract("events").columns if c.type in declarations.RANGES}

    @property
    def engine(self) -> Recommender:
        """The engine that answers now."""
        if self._next is not None:
            # `changing` until all is taken over: no other engine is opened and remembered for in between.
            self._engine, drained = self._next
            later, self._later = self._later or [], None
            self._next = None
            for segment, rows in later:
                if segment > drained:
                    self._observe(self._engine, rows)
        return self._engine

    @property
    def changing(self) -> bool:
        """True while another engine waits for the next request; may be read on any thread."""
        return self._next is not None

    def remember(self) -> None:
        """From now on keep events for an engine that is being opened; may be called on any thread."""
        self._later = []

    def stay(self) -> None:
        """No other engine comes after all; may be called on any thread."""
        self._later = None

    def change_to(self, engine: Recommender, drained: int) -> None:
        """Let this engine answer from the next request on; may be called on any thread.

        Args:
            drained: the last segment whose events it has read in the lake; it observes what came after.
        """
        self._next = engine, drained

    def recommend(self, body: Any) -> tuple[bytes, dict[str, float]]:
        """A slate as JSON, with the operating system before it is returned, and seconds by stage.

        Raises:
            RequestError: if the body or what it asks for is wrong.
            JournalError: if the slate could not be kept; then it must not be shown.
        """
        clock = [time.perf_counter()]
        self._check_recommend(body, "")
        size, seed = body.get("size"), body.get("seed")
        request = Request(
            body["user_id"],
            body["surface"],
            datetime.now(UTC),
            tuple(body.get("items", ())),
            None if size is None else int(size),
            None if seed is None else int(seed),
        )
        clock.append(time.perf_counter())
        slate = self.engine.recommend(request)
        clock.append(time.perf_counter())
        data = answer(slate)
        clock.append(time.perf_counter())
        self.journal.write(SLATE, data)
        clock.append(time.perf_counter())
        self.metrics.slates.add(request.surface)
        spent = dict(zip(("validate", "engine", "encode", "journal"), _gaps(clock), strict=True))
        for stage, seconds in spent.items():
            self.metrics.stages.observe(seconds, stage)
        return data, spent

    def target(self, body: Any) -> dict[str, Any]:
        """The offer for a person: none, until there are campaigns.

        Raises:
            RequestError: if the body is wrong.
        """
        self._check_target(body, "")
        return {"user_id": body["user_id"], "offered": False, "reason": "No campaign is running in this workspace."}

    def accept(self, body: Any) -> Taken:
        """Keep events that are new, and let the engine see them. They are durable once `journal.sync()` is done.

        Raises:
            RequestError: if one of them is wrong; then none is kept.
            JournalError: if they could not be kept; then none counts as known.
        """
        self._check_events(body, "")
        # Before they are written: an engine that comes in between has them in the lake.
        engine = self.engine
        now = datetime.now(UTC)
        rows = [self._row(event, now, f"/events/{place}") for place, event in enumerate(body["events"])]
        new, names = self._new(rows)
        if new:
            try:
                segment = self.journal.write(EVENTS, lines(new))
            except Exception:
                self.window.forget(names)
                raise
            self._observe(engine, new)
            # Another thread may end it between a look and a use.
            if (later := self._later) is not None:
                later.append((segment, new))
        taken = Taken(len(new), len(rows) - len(new))
        self.metrics.events.add(by=taken.accepted)
        self.metrics.duplicates.add(by=taken.duplicates)
        return taken

    def _new(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[bytes]]:
        """Rows whose name was not seen, also not earlier in `rows`, and the names that are now remembered."""
        new, names = [], []
        for row in rows:
            if "event_id" in row:
                name = digest(row["event_id"])
                if not self.window.add(name):
                    continue
                names.append(name)
            new.append(row)
        return new, names

    def _row(self, event: dict[str, Any], now: datetime, pointer: str) -> dict[str, Any]:
        row = {name: int(value) if name in self._whole else value for name, value in event.items()}
        when = time_of(event["time"], f"{pointer}/time") if "time" in event else now
        if when > now + AHEAD:
            raise Invalid(f"{pointer}/time", f"at most {AHEAD} after now, {now.isoformat()}", event["time"])
        return {**row, "time": when}

    def _observe(self, engine: Recommender, rows: list[dict[str, Any]]) -> None:
        """The events are kept already: what the engine makes of them cannot turn them away any more."""
        try:
            engine.observe(rows)
        except Exception:
            self.metrics.unobserved.add(by=len(rows))
            LOG.exception("the engine did not take in %d events; they are in the journal", len(rows))


def _gaps(clock: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(clock)]
