"""The journal: what the server was told and what it answered, on disk before anybody is told that it is.

Two promises, and a kill keeps both:

- `write` returns when the record is with the operating system: it survives the end of this process.
- the future of `sync` is done when all that was written before it is on the disk: it survives a power cut. One fsync
  serves all who wait for it (group commit), on a thread of its own.

Records go to `N.open`; `rotate` makes of it `N.closed`, which never changes again and which the drain may take.
A journal whose disk failed takes nothing more: what an fsync left behind after an error is not known. Where there is
only no room, what was begun is cut off again, and the next record is taken if there is room by then.
"""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recsys.serving.segment import HEADER, JournalError, Record, frame, mend, new_header
from store.disk import sync_folder

# A segment that has grown so long is closed before the drain asks: one is read whole, and Arrow takes 2 GB at most.
LARGEST = 256 * 1024 * 1024
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class Segment:
    """The file that is written to."""

    number: int
    path: Path
    descriptor: int
    size: int
    begun: float


class Journal:
    """The one writer of a folder of segments; another process that opens the folder is refused."""

    def __init__(self, folder: Path) -> None:
        """Opens the folder, mends and closes what a kill left open, and begins a new segment.

        Raises:
            JournalError: if another process writes this journal, or the folder cannot be written.
        """
        self.folder = folder
        self.mended = 0
        self._failure: str | None = None
        self._full: str | None = None
        self._write = threading.Lock()
        self._work = threading.Condition(threading.Lock())
        self._waiting: Future[None] | None = None
        self._rotation: Future[None] | None = None
        self._ending = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
            self._recover()
            self._segment = self._begin(self._last_number() + 1)
        except OSError as error:
            raise JournalError(f"the journal {folder} cannot be opened: {error}.") from error
        self._thread = threading.Thread(target=self._commit_forever, name="journal", daemon=True)
        self._thread.start()

    def write(self, kind: bytes, payload: bytes) -> int:
        """Hand a record to the operating system; the number of the segment that it is in.

        Raises:
            JournalError: if the disk refused it, now or before.
        """
        data = frame(Record(kind, payload))
        with self._write:
            self._refuse_after_failure()
            segment = self._segment
            try:
                _write_all(segment.descriptor, data)
            except OSError as error:
                raise self._not_written(segment, error) from error
            if segment.size == HEADER:
                segment.begun = time.monotonic()
            segment.size += len(data)
            self._full = None
        if segment.size >= LARGEST:
            self._ask_to_rotate()
        return segment.number

    def sync(self) -> "Future[None]":
        """Done when everything written so far is on the disk; raises JournalError where that failed."""
        with self._work:
            if self._waiting is None:
                self._waiting = Future()
                self._work.notify()
            return self._waiting

    def rotate(self) -> None:
        """Close the segment that is written to, unless it is empty, and begin the next. Waits for the disk."""
        if (done := self._ask_to_rotate()) is not None:
            done.result()

    def closed(self) -> list[Path]:
        """Segments that will not change any more, in order."""
        return sorted(self.folder.glob("*.closed"), key=lambda path: int(path.stem))

    def close(self) -> None:
        """Close the last segment and give the folder free; an empty one leaves no trace."""
        with suppress(JournalError):
            self.rotate()
        with self._work:
            self._ending = True
            self._work.notify()
        self._thread.join()
        os.close(self._segment.descriptor)
        if self._segment.size == HEADER:
            self._segment.path.unlink()
        os.close(self._lock)

    @property
    def failure(self) -> str | None:
        """Why it takes nothing more, None while it does."""
        return self._failure

    @property
    def full(self) -> str | None:
        """Why the last record was not taken where that was for want of room, None where it was taken."""
        return self._full

    @property
    def open_bytes(self) -> int:
        """How much was written to the segment that is not closed yet."""
        return self._segment.size - HEADER

    @property
    def open_seconds(self) -> float:
        """For how long records may have waited in the segment that is not closed yet; 0 if there are none."""
        return time.monotonic() - self._segment.begun if self.open_bytes else 0.0

    def waiting_bytes(self) -> int:
        """How much is in the journal that the drain has not taken."""
        sizes = []
        for path in self.closed():
            with suppress(FileNotFoundError):
                sizes.append(path.stat().st_size)
        return sum(sizes) + self.open_bytes

    def _recover(self) -> None:
        for path in sorted(self.folder.glob("*.open"), key=lambda path: int(path.stem)):
            self.mended += mend(path)
            if path.stat().st_size <= HEADER:
                path.unlink()
            else:
                path.rename(path.with_suffix(".closed"))
        sync_folder(self.folder)

    def _last_number(self) -> int:
        return max((int(path.stem) for path in self.folder.iterdir() if path.stem.isdigit()), default=0)

    def _begin(self, number: int) -> Segment:
        path = self.folder / f"{number:010}.open"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            _write_all(descriptor, new_header())
            os.fsync(descriptor)
            sync_folder(self.folder)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        return Segment(number, path, descriptor, HEADER, time.monotonic())

    def _commit_forever(self) -> None:
        while True:
            with self._work:
                self._work.wait_for(lambda: self._waiting or self._rotation or self._ending)
                waiting, self._waiting = self._waiting, None
                rotation, self._rotation = self._rotation, None
                ending = self._ending
            self._commit(waiting, rotation)
            if ending:
                return

    def _commit(self, waiting: "Future[None] | None", rotation: "Future[None] | None") -> None:
        """What was written before `waiting` was made is in the segment of now, or in one that is closed here."""
        refused = None if rotation is None else self._refused(self._rotate)
        if waiting is not None:
            # Where no other segment could be begun it is in the one of before: sent again it would be there twice.
            open_still = rotation is None or refused is not None
            _end(waiting, self._refused(self._force) if open_still else None)
        if rotation is not None:
            _end(rotation, refused)

    def _refused(self, work: Callable[[], None]) -> JournalError | None:
        """Why the disk did not do this, None if it did."""
        try:
            self._refuse_after_failure()
            work()
        except JournalError as error:
            return error
        except OSError as error:
            return self._failed(error)
        return None

    def _force(self) -> None:
        os.fsync(self._segment.descriptor)

    def _rotate(self) -> None:
        try:
            new = self._begin(self._segment.number + 1)
        except OSError as error:
            # The segment of before is as it was, and goes on.
            raise (self._lacking(error) if error.errno in NO_ROOM else self._failed(error)) from error
        with self._write:
            old, self._segment = self._segment, new
        os.fsync(old.descriptor)
        os.close(old.descriptor)
        old.path.rename(old.path.with_suffix(".closed"))
        sync_folder(self.folder)
        # Whoever waits may have written to the new segment just after the change.
        os.fsync(new.descriptor)

    def _ask_to_rotate(self) -> "Future[None] | None":
        """None where nothing is written yet, or the journal ends."""
        with self._work:
            if self._ending or self._segment.size == HEADER:
                return None
            if self._rotation is None:
                self._rotation = Future()
                self._work.notify()
            return self._rotation

    def _refuse_after_failure(self) -> None:
        if self._failure:
            raise JournalError(self._failure)

    def _not_written(self, segment: Segment, error: OSError) -> JournalError:
        """The error to raise; where only room was lacking, the segment is again what it was."""
        if error.errno not in NO_ROOM:
            return self._failed(error)
        try:
            os.ftruncate(segment.descriptor, segment.size)
        except OSError as worse:
            return self._failed(worse)
        return self._lacking(error)

    def _lacking(self, error: OSError) -> JournalError:
        self._full = (
            f"the journal {self.folder} has no room: {error}. Make room on that disk, and what is sent again is taken."
        )
        return JournalError(self._full)

    def _failed(self, error: OSError) -> JournalError:
        self._failure = (
            f"the journal {self.folder} could not be written: {error}. Mend the disk, then restart the server."
        )
        return JournalError(self._failure)


def _end(future: "Future[None]", failure: JournalError | None) -> None:
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock; the system frees it when this process ends, however it does."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise JournalError(
            f"process {holder} serves this workspace and writes {folder}. Ask that server, or stop it first."
        ) from None
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock
