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


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


class Served:
    """One running server."""

    def __init__(self, workspace: Path) -> None:
        self.port = free_port()
        self._command = [sys.executable, *self.command(workspace)]
        self._begin()

    def command(self, workspace: Path) -> list[str]:
        return [str(Path(__file__).resolve()), str(workspace), str(self.port)]

    def _begin(self) -> None:
        self.process = subprocess.Popen(self._command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def wait(self, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}")
            try:
                if self.get("/v1/health")[0] == 200:
                    return
            except OSError:
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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def stop(self) -> None:
        """As an operator stops it: it drains."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

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


if __name__ == "__main__":
    from recsys.serving.process import run
    from store import Workspace
    from tests.recsys.serving.plain import PopularityPolicy

    run(Workspace.open(sys.argv[1]), PopularityPolicy.open, host="127.0.0.1", port=int(sys.argv[2]))
