"""The dashboard as one ASGI application: pages, /api/health, the engine's routes, compression and a warm start."""

import asyncio
import gc
import importlib
import logging
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from streamlit.runtime.pages_manager import PagesManager

from dashboard import static_files
from dashboard.parts.palette import options
from recsys.serving.mounted import Mounted
from store import StoreError, Workspace

SCRIPT = Path(__file__).with_name("app.py")
WORKSPACE = "HOLDOUT_WORKSPACE"
# Streamlit takes a folder "pages" beside a script for its old kind of menu until the script has run once; ours is not
# of that kind, and the first visitor may come by a link to a readout.
PagesManager.uses_pages_directory = False

LOG = logging.getLogger("holdout.dashboard")

# Whatever a page needs, before the first visitor comes: a page must never wait for an import.
WARM = (
    "pandas",
    "plotly.graph_objects",
    "plotly.tools",
    "deltalake",
    "duckdb",
    "pyarrow.parquet",
    "scipy.optimize",
    "analysis.readout",
    "store.lake",
    "store.workspace",
    "store.registry",
    "dashboard.source",
    "dashboard.pages_list",
    "dashboard.parts.summary",
    "dashboard.decide",
    "dashboard.evaluating",
    "dashboard.methods",
    "dashboard.outcome",
    "dashboard.parts.curve",
    "dashboard.parts.log",
    "dashboard.parts.model",
    "dashboard.parts.peeking",
    "dashboard.parts.plan",
    "dashboard.parts.policy",
    "dashboard.parts.slate",
    "dashboard.parts.stated",
    "dashboard.planning",
    "dashboard.recommending",
    "dashboard.share",
    "dashboard.tabs.health",
    "dashboard.tabs.history",
    "dashboard.tabs.results",
    "dashboard.tabs.segments",
    "dashboard.tabs.sensitivity",
)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
    ),
}


class SecurityHeaders:
    """Adds HEADERS to every HTTP response; the last one keeps the page from asking any other host."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


@asynccontextmanager
async def warm(app: Any) -> AsyncIterator[None]:
    """Imports everything, then freezes it.

    Streamlit collects all garbage after each rerun; frozen modules are not walked again, and a rerun of a trivial
    page takes 11 ms instead of 361 ms.
    """
    for module in WARM:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    loop = asyncio.get_running_loop()
    meanwhile = [loop.run_in_executor(None, work) for work in (static_files.warm, _open_latest_looks)]
    yield
    await asyncio.gather(*meanwhile)
    await asyncio.to_thread(ENGINE.stop)


def _open_latest_looks() -> None:
    """The list of experiments shows all of them: the first visitor should not wait until they are read."""
    from dashboard import source

    with suppress(StoreError):
        source.glances()


def _workspace() -> Workspace:
    from dashboard import source

    return source.workspace()


ENGINE = Mounted(_workspace)


async def health(request: Request) -> JSONResponse:
    """Whether the workspace can be read, and what it holds."""
    from dashboard import source

    try:
        workspace = source.workspace()
        count = len(workspace.registry.experiments())
    except Exception as error:
        return JSONResponse({"status": "error", "error": str(error)}, status_code=503)
    return JSONResponse({"status": "ok", "workspace": workspace.name, "experiments": count})


def on_script_error(error: Exception) -> bool:
    """Tells the reader what to do, and the log what happened, under one number."""
    number = uuid.uuid4().hex[:8]
    LOG.error("page failed, error %s", number, exc_info=error)
    st.error(
        f"This page could not be drawn (error {number}). Reload it; if it fails again, look for {number} in the log."
    )
    st.page_link("pages/experiments.py", label="Back to all experiments")
    return True


app = st.App(
    SCRIPT,
    lifespan=warm,
    routes=[Route("/api/health", health), *ENGINE.routes],
    middleware=[
        Middleware(SecurityHeaders),
        Middleware(static_files.StaticFiles),
        Middleware(GZipMiddleware, minimum_size=1024),
    ],
    on_script_error=on_script_error,
)


def run(workspace: str | Path, port: int = 8501, *, host: str = "127.0.0.1") -> None:
    """Serves the dashboard of a workspace until it is stopped.

    Raises:
        store.WorkspaceError: if the folder is not a workspace.
        recsys.errors.EngineError: if the address cannot be had.
    """
    from uvicorn.config import HTTP_PROTOCOLS

    from recsys.serving.process import bound, ending_in_order

    os.environ[WORKSPACE] = str(Workspace.open(workspace).path)
    # Said here with what to do about it; Streamlit takes the address a moment later.
    bound(host, port).close()
    # The one that Streamlit's server takes; it cannot be told otherwise.
    HTTP_PROTOCOLS["auto"] = "recsys.serving.connection:Connection"
    with ending_in_order():
        app.run(config={**options(), "server.port": port, "server.address": host})


if __name__ == "__main__":
    import sys

    run(sys.argv[1], int(sys.argv[2]))
