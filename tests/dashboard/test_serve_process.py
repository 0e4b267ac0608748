"""The dashboard's server as a process: slow callers, a port that is taken, its end."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from recsys.serving.connection import Limits
from store import Workspace
from tests.recsys.serving.served import PATIENCE, ROOT, Served, served


class Dashboard(Served):
    """`holdout dashboard`."""

    def command(self, workspace: Path) -> list[str]:
        return ["-m", "holdout", "dashboard", "--workspace", str(workspace), "--port", str(self.port)]


def test_the_dashboards_server_has_deadlines_names_a_taken_port_and_ends_with_0(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "shop")
    with served(workspace.path, Dashboard) as server:
        again = [sys.executable, *server.command(workspace.path)]
        second = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert second.returncode == 1 and "Traceback" not in second.stderr
        assert f"port {server.port} of 127.0.0.1 cannot be taken" in second.stderr and "--port" in second.stderr
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
            begun = time.monotonic()
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            assert connection.recv(4096).startswith(b"HTTP/1.1 408")
            assert time.monotonic() - begun >= Limits().head_seconds - 0.1
        assert server.get("/v1/health")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
    # The engine's journal, which the health route had opened, is closed and free.
    assert [file.name for file in (workspace.path / "journal").iterdir()] == ["lock"]
