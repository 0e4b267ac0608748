"""Work that would hold up requests, done on a thread of its own."""

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

LOG = logging.getLogger("holdout.engine")
Result = TypeVar("Result")


class Aside(Generic[Result]):
    """One piece of work at a time; what came of it waits until it is taken."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._result: Result | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None

    def begin(self, work: Callable[[], Result]) -> None:
        """Do `work`, which touches nothing that others change; only while not `busy`."""
        self._thread = threading.Thread(target=self._do, args=(work,), name="aside", daemon=True)
        self._thread.start()

    def take(self) -> Result | None:
        """What came of it, once; None before, and where it failed, which the log then says."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread, result = None, self._result
        self._result = None
        return result

    def _do(self, work: Callable[[], Result]) -> None:
        try:
            self._result = work()
        except Exception:
            LOG.exception("work aside failed; what it should have renewed stays as it was")
