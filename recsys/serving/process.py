"""The server as a process of its own: its address, its threads, its end."""

import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from recsys.errors import EngineError
from recsys.serving.service import Recommender
from store import Workspace

# The pools of numerical libraries cost more than they bring for one request, and they read this when they are loaded
# (measured on a busy machine: 91 s of CPU with two threads for what takes 23 s with one).
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# File descriptors that are not connections: files, threads, and connections that are refused.
DESCRIPTORS = 300
# An answer that the caller's system does not take for so long is not waited for.
UNREAD_SECONDS = 30
# What uvicorn itself ends with when it cannot start.
FAILED_TO_START = 3


def serve(workspace: Workspace, *, host: str = "127.0.0.1", port: int = 8502) -> None:
    """Answers requests until it is told to stop (SIGTERM, SIGINT), then drains the journal."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    run(workspace, open_engine, host=host, port=port)


def open_engine(workspace: Workspace) -> Recommender:
    """The engine that the registry names, as a server needs it."""
    from recsys.engine.aside import Aside
    from recsys.engine.engine import Engine

    engine = Engine.open(workspace)
    engine.aside = Aside()
    return engine


def run(workspace: Workspace, opening: Callable[[Workspace], Recommender], *, host: str, port: int) -> None:
    """Serves with the engine that `opening` makes.

    Raises:
        EngineError: if the address cannot be had.
    """
    import sys

    import uvicorn

    from recsys.serving.app import Application
    from recsys.serving.connection import Limits, limited
    from recsys.serving.running import Running
    from recsys.serving.server import Server

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    # A drain on another thread gives way to a request after half a millisecond, not five.
    sys.setswitchinterval(0.0005)
    # Taken before the engine is loaded, which may last: nobody waits for an error that could be told at once.
    taken = bound(host, port)
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"http://{shown}:{port} answers once the engine is loaded; Ctrl-C stops it.\n")
    running = Running(workspace, opening)
    settings = running.settings
    limits = Limits(settings.head_seconds, settings.body_seconds, with_descriptors(settings.connections))
    config = uvicorn.Config(
        Application(running),
        http=limited(limits, running.metrics.refused),
        ws="none",
        access_log=False,
        # Its warnings are of what callers did wrong, a line each: those are counted and not written.
        log_level="error",
        server_header=False,
        # Longer than the 60 s of common proxies, so that they close an idle connection, not we under their feet.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        lifespan="on",
    )
    server = Server(config)
    with ending_in_order():
        server.run(sockets=[taken])
    if not server.started:
        # What kept it from starting was told by the server itself.
        sys.exit(FAILED_TO_START)
    if running.busy:
        # Another engine is being opened, on a thread that cannot be stopped; all that was to be kept is.
        os._exit(0)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """SIGTERM ends what uvicorn runs inside as Ctrl-C does: with 0, when all is done.

    It listens to both while it serves, and sends itself the signal again when it has ended.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield
    # What was frozen for the time of serving is taken apart like all else: left, it is called leaked, on pages of text.
    gc.unfreeze()


def with_descriptors(connections: int) -> int:
    """So many connections, or as many as the system has file descriptors for, beside those of the lake and the journal.

    A process may take more than it begins with, up to its hard limit.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = connections + DESCRIPTORS
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == unlimited else max(min(connections, soft - DESCRIPTORS), 1)


def bound(host: str, port: int) -> socket.socket:
    """A socket at the address that does not listen yet, so that a caller is refused and not kept waiting.

    Raises:
        EngineError: if another process has the port, or the host is not one of this machine.
    """
    # TCP said by its number: asyncio leaves Nagle's delay on for other sockets, and an answer on a kept connection
    # then waits 40 ms for the caller to acknowledge its head.
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Of Linux: each connection that is accepted takes it over.
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise EngineError(
            f"port {port} of {host} cannot be taken: {error.strerror or error}. Stop what holds it, or name another "
            "with --port or --host."
        ) from None
    return taken
