"""The same routes inside another server: nothing of the engine is loaded before somebody asks."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Mount, Route

if TYPE_CHECKING:
    from recsys.serving.app import Application
    from recsys.serving.service import Recommender
    from store import Workspace

RETRY_SECONDS = 5.0


class Mounted:
    """Opens the engine of `workspace()` when the first request comes; what keeps it from opening is answered as 503."""

    def __init__(
        self, workspace: "Callable[[], Workspace]", opening: "Callable[[Workspace], Recommender] | None" = None
    ) -> None:
        self._workspace, self._opening = workspace, opening
        self._app: Application | None = None
        self._refusal, self._refused_at = "", float("-inf")
        self._lock: asyncio.Lock | None = None

    @property
    def routes(self) -> list[BaseRoute]:
        return [Mount("/v1", self), Route("/metrics", self), Route("/openapi.json", self)]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from recsys.serving.problem import Problem

        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if self._app is None and time.monotonic() - self._refused_at > RETRY_SECONDS:
                await asyncio.to_thread(self._open)
        if self._app is None:
            await Problem(503, self._refusal).response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _open(self) -> None:
        from recsys.serving.app import Application
        from recsys.serving.process import open_engine
        from recsys.serving.running import Running
        from store import StoreError

        try:
            app = Application(Running(self._workspace(), self._opening or open_engine))
            app.running.start()
        except StoreError as error:
            self._refusal, self._refused_at = str(error), time.monotonic()
        else:
            self._app = app

    def stop(self) -> None:
        """Drain and free the journal, if it was opened."""
        if self._app is not None:
            self._app.running.stop()
            self._app = None
