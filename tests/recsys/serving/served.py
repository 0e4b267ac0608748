"""A server in a process of its own, as people run it: `python served.py WORKSPACE PORT`, and how tests talk to it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


# How long a busy machine may take for what takes a moment; nothing that is waited for is a claim on time.
PATIENCE = 180.0


def free_port() -> int:
    with held_port() as held:
        return int(held.getsockname()[1])


def held_port() -> socket.socket:
    """A socket that has a port and does not listen: a server may listen there, and nobody else is given the port."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


class Served:
    """One running server."""

    def __init__(self, workspace: Path) -> None:
        # Held as long as this is: also while the server is killed and comes again.
        self._held = held_port()
        self.port = int(self._held.getsockname()[1])
        self._command = [sys.executable, *self.command(workspace)]
        self._begin()

    def command(self, workspace: Path) -> list[str]:
        return [str(Path(__file__).resolve()), str(workspace), str(self.port)]

    def _begin(self) -> None:
        self.process = subprocess.Popen(self._command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def wait(self, seconds: float = PATIENCE) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}")
            try:
                if self.get("/v1/health")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError("the server did not come up")

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        return self.send("GET", path, None, headers or {})[:2]

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        status, content, _ = self.send("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})
        return status, json.loads(content)

    def send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def stop(self) -> None:
        """As an operator stops it: it drains."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def restart(self) -> None:
        """On the same port, once the process has ended."""
        self._begin()
        self.wait()


class HoldoutServed(Served):
    """`holdout serve`: the workspace's own engine."""

    def command(self, workspace: Path) -> list[str]:
        return ["-m", "holdout", "serve", "--workspace", str(workspace), "--port", str(self.port)]


@contextmanager
def served(workspace: Path, kind: type[Served] = Served) -> Iterator[Served]:
    server = kind(workspace)
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        server._held.close()


if __name__ == "__main__":
    from recsys.serving.process import run
    from store import Workspace
    from tests.recsys.serving.plain import PopularityPolicy

    run(Workspace.open(sys.argv[1]), PopularityPolicy.open, host="127.0.0.1", port=int(sys.argv[2]))
