"""`holdout serve`."""

import logging
import os
from collections.abc import Callable

from recsys.serving.service import Recommender
from store import Workspace

# The pools of numerical libraries cost more than they bring for one request, and they read this when they are loaded
# (measured on a busy machine: 91 s of CPU with two threads for what takes 23 s with one).
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def serve(workspace: Workspace, *, host: str = "127.0.0.1", port: int = 8502) -> None:
    """Answers requests until it is told to stop (SIGTERM, SIGINT), then drains the journal."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    run(workspace, open_engine, host=host, port=port)


def open_engine(workspace: Workspace) -> Recommender:
    """The engine that the registry names."""
    from recsys.engine.engine import Engine

    return Engine.open(workspace)


def run(workspace: Workspace, opening: Callable[[Workspace], Recommender], *, host: str, port: int) -> None:
    """Serves with the engine that `opening` makes."""
    import sys

    import uvicorn

    from recsys.serving.app import Application
    from recsys.serving.running import Running

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    # A drain on another thread gives way to a request after half a millisecond, not five.
    sys.setswitchinterval(0.0005)
    uvicorn.run(
        Application(Running(workspace, opening)),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        # Longer than the 60 s of common proxies, so that they close an idle connection, not we under their feet.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        lifespan="on",
    )
