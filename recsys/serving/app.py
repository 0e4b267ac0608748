"""The ASGI application: routes to a service, errors to problem+json, everything counted."""

import asyncio
import json
import logging
import resource
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from recsys.errors import RequestError
from recsys.serving.guard import Guard
from recsys.serving.metrics import CONTENT_TYPE, reading
from recsys.serving.operations import Operation, document, operations
from recsys.serving.problem import Problem
from recsys.serving.running import Running
from recsys.serving.schema import Invalid
from recsys.serving.segment import JournalError

LOG = logging.getLogger("holdout.serving")
SYNC_SECONDS = 10.0
JSON = "application/json"


class Application:
    """Answers the operations that are declared; begins and ends `running` with the server's lifespan."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.guard = Guard(running.settings)
        self._document = json.dumps(document(bool(running.settings.api_keys_sha256))).encode()
        self._routes: dict[str, dict[str, Operation]] = {}
        for each in operations():
            self._routes.setdefault(each.path, {})[each.method] = each

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            begun = time.perf_counter()
            route, response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)
            metrics = self.running.metrics
            metrics.requests.add(route, str(response.status_code))
            metrics.seconds.observe(time.perf_counter() - begun, route)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await asyncio.to_thread(self.running.start)
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self.running.stop)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, request: Request) -> tuple[str, Response]:
        """The route's name for the counts, and the answer."""
        methods = self._routes.get(request.scope["path"])
        if methods is None:
            return "none", Problem(404, "there is no such route; /openapi.json lists all.").response()
        operation = methods.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            allowed = ", ".join(methods)
            detail = f"this route takes {allowed}, not {request.method}."
            return "none", Problem(405, detail, headers={"Allow": allowed}).response()
        return operation.name, await self._guarded(operation, request)

    async def _guarded(self, operation: Operation, request: Request) -> Response:
        handler: Callable[[Request], Awaitable[Response]] = getattr(self, f"_{operation.name}")
        try:
            if not operation.guarded:
                return await handler(request)
            self.guard.admit(request)
            self.guard.under_way += 1
            try:
                # Whoever came meanwhile is counted first: under too much load those above the limit are told so at
                # once, and none waits unseen behind the work of the others.
                await asyncio.sleep(0)
                return await handler(request)
            finally:
                self.guard.under_way -= 1
        except Problem as problem:
            return problem.response()
        except Invalid as invalid:
            return Problem(422, str(invalid), pointer=invalid.pointer).response()
        except JournalError as error:
            return Problem(503, str(error)).response()
        except RequestError as error:
            return Problem(422, str(error)).response()
        except Exception:
            LOG.exception("%s failed", operation.name)
            return Problem(500, "the server failed to answer; its log says why.").response()

    async def _recommend(self, request: Request) -> Response:
        body = await self._body(request)
        data, spent = self.running.ready().recommend(body)
        timing = ", ".join(f"{stage};dur={seconds * 1000:.3f}" for stage, seconds in spent.items())
        return Response(data, 200, {"server-timing": timing}, JSON)

    async def _target(self, request: Request) -> Response:
        return _json(self.running.ready().target(await self._body(request)))

    async def _events(self, request: Request) -> Response:
        body = await self._body(request)
        service = self.running.ready()
        taken = service.accept(body)
        # Also where all are duplicates: their first sending may not be on the disk yet.
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(service.journal.sync())), SYNC_SECONDS)
        except TimeoutError:
            raise Problem(503, f"the disk took more than {SYNC_SECONDS:g} s. Send the events again.") from None
        return _json({"accepted": taken.accepted, "duplicates": taken.duplicates}, 202)

    async def _health(self, request: Request) -> Response:
        found = self.running.health()
        return _json(found, 200 if found["ready"] else 503)

    async def _metrics(self, request: Request) -> Response:
        return Response(self.running.metrics.text(self._readings()), 200, media_type=CONTENT_TYPE)

    async def _openapi(self, request: Request) -> Response:
        return Response(self._document, 200, media_type=JSON)

    async def _body(self, request: Request) -> Any:
        try:
            return await self.guard.body(request)
        except RequestError as error:
            raise Problem(400, str(error)) from None

    def _readings(self) -> Iterable[str]:
        found = self.running.health()
        used = resource.getrusage(resource.RUSAGE_SELF)
        model = {"policy": found["policy"], "model": found["model"]}
        yield from reading("holdout_ready", "1 if it can answer.", int(found["ready"]))
        yield from reading("holdout_model_info", "Which versions serve.", 1, model)
        yield from reading("holdout_journal_bytes", "Journalled, not in the lake yet.", found["journal_bytes"])
        yield from reading(
            "holdout_journal_lag_seconds", "At least so old is the oldest of them.", found["journal_lag_seconds"]
        )
        rows, failures = self.running.drained()
        for table, count in rows.items():
            yield from reading(f"holdout_drained_{table}_total", f"Rows that this process moved into {table}.", count)
        yield from reading("holdout_drain_failures_total", "Drains that failed.", failures)
        yield from reading("holdout_requests_under_way", "Requests under way.", self.guard.under_way)
        yield from reading("process_cpu_seconds_total", "CPU time of this process.", used.ru_utime + used.ru_stime)
        yield from reading("holdout_peak_memory_bytes", "Most memory ever held.", used.ru_maxrss * 1024)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content).encode(), status, media_type=JSON)
