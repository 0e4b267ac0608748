"""A server's life: recover, drain, load the engine, serve, drain, stop."""

import gc
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from recsys.engine import MODEL
from recsys.serving.drain import Drain, Drainer, source_of
from recsys.serving.journal import Journal
from recsys.serving.metrics import Metrics
from recsys.serving.rows import observed
from recsys.serving.segment import JournalError, whole
from recsys.serving.service import Recommender, Service
from recsys.serving.window import Window, digest, load
from recsys.settings import ServingSettings
from store import StoreError, Workspace
from store.errors import one_line

FOLDER = "journal"
LOG = logging.getLogger("holdout.serving")
# Facts that an engine reads when it is opened, and that do not come over HTTP.
READ = ("items", "prices")


class Running:
    """One workspace as it is served.

    What a kill left in the journal goes into the lake before the engine reads the lake; only if the lake refuses is it
    replayed to the engine from the journal.
    """

    def __init__(self, workspace: Workspace, opening: Callable[[Workspace], Recommender]) -> None:
        self.workspace = workspace
        self.settings = ServingSettings.read(workspace.settings.serving, workspace.path / "holdout.toml")
        self.metrics = Metrics()
        self._opening = opening
        self._opened_on: tuple[object, ...] = ()
        self._refusal = ""
        self._service: Service | None = None
        self._drainer: Drainer | None = None
        self._ended: Drainer | None = None

    def start(self) -> None:
        """Bring the server up; it answers when this returns.

        Raises:
            EngineError: if the journal or the engine cannot be opened.
        """
        journal = Journal(self.workspace.path / FOLDER)
        try:
            drainer = Drainer(Drain(journal, self.workspace.lake), self.settings.drain_seconds, self._refresh)
            drainer.try_once()
            self._opened_on = self._versions()
            engine = self._opening(self.workspace)
            service = Service(engine, journal, self._window(journal), self.metrics)
            self._replay(journal, service)
        except BaseException:
            journal.close()
            raise
        _settle()
        self._service, self._drainer = service, drainer
        drainer.start()

    def stop(self) -> None:
        """Take no more, drain what there is, and free the journal."""
        service, drainer = self._service, self._drainer
        self._service = self._drainer = None
        if drainer is not None:
            drainer.stop()
            self._ended = drainer
        if service is not None:
            service.journal.close()

    @property
    def busy(self) -> bool:
        """Whether a thread still opens another engine, which nobody waits for after `stop`."""
        return self._ended is not None and self._ended.busy

    def ready(self) -> Service:
        """The service.

        Raises:
            JournalError: before `start` and after `stop`.
        """
        if self._service is None:
            raise JournalError("the server is starting or stopping. Try again later.")
        return self._service

    def health(self) -> dict[str, Any]:
        """What /v1/health says."""
        service, drainer = self._service, self._drainer
        if service is None or drainer is None:
            empty = {"policy": "", "model": "", "journal_bytes": 0, "journal_lag_seconds": 0.0}
            return {"live": True, "ready": False, "reason": "starting or stopping", **empty}
        failure = service.journal.failure
        return {
            "live": True,
            "ready": failure is None,
            "reason": failure
            or service.journal.full
            or drainer.error
            or self._refusal
            or _set_aside(service.journal)
            or _worth_a_look(service.engine.model),
            "policy": service.engine.policy,
            "model": service.engine.model or "",
            "journal_bytes": service.journal.waiting_bytes(),
            "journal_lag_seconds": _lag(service.journal),
        }

    def drained(self) -> tuple[dict[str, int], int]:
        """Rows that went to the lake by table, and how many drains failed."""
        drainer = self._drainer
        return ({}, 0) if drainer is None else (dict(drainer.drain.rows), drainer.failures)

    def _versions(self) -> tuple[object, ...]:
        """What an engine is opened on: another one of these asks for another engine."""
        record, lake = self.workspace.registry.serving_model(MODEL), self.workspace.lake
        return (record and record.version, *(lake.version(table) for table in READ))

    def _refresh(self) -> None:
        """Open the engine anew where another version is to serve or the catalogue changed; until it is there, and where
        it cannot be opened, the one that serves goes on. Called by the drainer, on its thread."""
        service, drainer = self._service, self._drainer
        if service is None or drainer is None or drainer.error or service.changing:
            return
        try:
            versions = self._versions()
            if versions == self._opened_on:
                return
            service.remember()
            drainer.drain.once()
        except Exception as error:
            # Of the registry or the lake, not of a version: it is tried again after the next drain.
            service.stay()
            LOG.error("no other engine was looked for: %s", one_line(error), exc_info=not isinstance(error, StoreError))
            return
        self._opened_on = versions
        try:
            service.change_to(self._opening(self.workspace), drainer.drain.taken)
            self._refusal = ""
        except Exception as error:
            service.stay()
            self._refusal = f"another engine could not be opened: {one_line(error)}. The one of before answers."
            LOG.error(self._refusal, exc_info=not isinstance(error, StoreError))

    def _window(self, journal: Journal) -> Window:
        """Names of events of files beside the journal, and of segments that the drain could not take."""
        files = sorted(journal.folder.glob("*.names"), key=lambda path: int(path.stem))
        window, needless = load(files)
        for file in needless:
            file.unlink()
        for segment in journal.closed():
            for event in observed(whole(segment.read_bytes())[0]):
                if "event_id" in event:
                    window.add(digest(event["event_id"]))
        return window

    def _replay(self, journal: Journal, service: Service) -> None:
        for segment in journal.closed():
            content = segment.read_bytes()
            if self.workspace.lake.landed("events", source_of(content)) is None:
                service.engine.observe(observed(whole(content)[0]))


def _settle() -> None:
    """What is loaded stays, so the collector need not walk it during requests; the room that loading took is free."""
    import ctypes

    import pyarrow

    gc.collect()
    gc.freeze()
    pyarrow.default_memory_pool().release_unused()
    # glibc keeps what was freed between what is in use, of a million items 50 MB; elsewhere there is no such call.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _worth_a_look(model: str | None) -> str:
    return "" if model else "no engine is trained: charts serve everybody alike. Train one: holdout train."


def _set_aside(journal: Journal) -> str:
    damaged = sorted(journal.folder.glob("*.damaged"))
    return f"{damaged[0]} is damaged: its rows are not in the lake. Restore it as .closed." if damaged else ""


def _lag(journal: Journal) -> float:
    """At least so old is the oldest record that is not in the lake."""
    oldest = journal.open_seconds
    for segment in journal.closed():
        with suppress(FileNotFoundError):
            oldest = max(oldest, time.time() - segment.stat().st_mtime)
    return max(oldest, 0.0)
