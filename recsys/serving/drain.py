"""Moves closed segments of the journal into the lake, each exactly once, and remembers the names of their events.

A segment's digest is the source of its rows, so a segment that a kill left behind half-way is moved again without
doubling anything. It is deleted only when its rows are on the disk.
"""

import logging
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.serving.durable import Durable
from recsys.serving.journal import Journal
from recsys.serving.rows import TABLES, tables
from recsys.serving.segment import JournalError, whole
from recsys.serving.window import digest, save
from store.disk import sync_file, sync_folder
from store.errors import StoreError, one_line

if TYPE_CHECKING:
    import pyarrow as pa

    from store.lake import Lake

LOG = logging.getLogger("holdout.serving")


def source_of(content: bytes) -> str:
    """The name under which a segment's rows are in the lake."""
    return f"journal {sha256(content).hexdigest()}"


class Drain:
    """Takes what `journal` has closed to `lake`; `rows` and `taken` say how many by table, and up to which segment."""

    def __init__(self, journal: Journal, lake: "Lake") -> None:
        self.journal, self.lake = journal, lake
        self.rows: dict[str, int] = {}
        self.taken = 0
        self._durable = Durable(lake, TABLES.values())
        self._lock, self._ended = threading.Lock(), False

    def once(self) -> int:
        """Close the segment that is written to and move all that are closed; how many rows that were.

        Raises:
            StoreError: if the lake or the journal refused; what was not moved stays where it is.
        """
        with self._lock:
            return 0 if self._ended else self._move_all()

    def end(self) -> None:
        """From now on move nothing: the journal may be another process's. Waits for what is being moved."""
        with self._lock:
            self._ended = True

    def _move_all(self) -> int:
        self.journal.rotate()
        moved = sum(self._move(segment) for segment in self.journal.closed())
        if moved:
            self._tidy()
        return moved

    def _tidy(self) -> None:
        """A drain leaves a file a table, of few rows."""
        for table in TABLES.values():
            try:
                if self.lake.join_small(table):
                    self._durable.sync(table)
            except StoreError as error:
                # All rows are in, and the next drain tries again: nobody who is asked how things are need know.
                LOG.warning("%s", one_line(error))
        _give_back()

    def _move(self, segment: Path) -> int:
        content = segment.read_bytes()
        records, kept = whole(content)
        if kept < len(content):
            # Only a disk does this: a closed segment was whole. What follows the damage cannot be told apart.
            aside = segment.rename(segment.with_suffix(".damaged"))
            raise JournalError(f"{aside} is damaged at byte {kept:,}. Its rows are not in the lake; restore the file.")
        found, moved = tables(records), 0
        for name, rows in found.items():
            moved += self._append(name, rows, source_of(content))
        if "events" in found and (names := _names(found["events"])):
            save(segment.with_suffix(".names"), names)
            sync_file(segment.with_suffix(".names"))
            sync_folder(segment.parent)
        for name in found:
            self._durable.sync(name)
        segment.unlink()
        self.taken = int(segment.stem)
        return moved

    def _append(self, table: str, rows: "pa.Table", source: str) -> int:
        moved = self.lake.append(table, rows, source=source)
        self.rows[table] = self.rows.get(table, 0) + moved
        return moved


def _give_back() -> None:
    """What reading and writing tables took: Arrow keeps up to 100 MB of it for the next time."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _names(events: "pa.Table") -> list[bytes]:
    return [digest(each) for each in events["event_id"].to_pylist() if each is not None]


class Drainer:
    """Drains every so many seconds on a thread of its own, and once more, on the caller's, when it is stopped."""

    def __init__(self, drain: Drain, seconds: float, after: Callable[[], None] = lambda: None) -> None:
        """`after` is called on the same thread when a drain is done; it must not raise."""
        self.drain, self.seconds, self.after = drain, seconds, after
        self.error, self.failures = "", 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """A last drain. What comes after one, which may be long, is not waited for."""
        self._stop.set()
        if self._thread.is_alive():
            self._drain()
        self.drain.end()

    @property
    def busy(self) -> bool:
        """Whether its thread is still at work, also after `stop`."""
        return self._thread.is_alive()

    def try_once(self) -> None:
        """Drain; what goes wrong is kept in `error`, and tried again the next time."""
        self._drain()
        self.after()

    def _drain(self) -> None:
        try:
            self.drain.once()
            self.error = ""
        except Exception as error:
            self.failures += 1
            self.error = one_line(error)
            LOG.error("the journal was not drained: %s", self.error, exc_info=not isinstance(error, StoreError))

    def _run(self) -> None:
        while not self._stop.wait(self.seconds):
            self.try_once()
