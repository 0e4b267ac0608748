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


UPGRADE = (
    b"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# Without content, by RFC 6455; what a client sends is masked, here with zeros.
PING, PONG = b"\x89\x80\0\0\0\0", b"\x8a\x00"


def until(connection: socket.socket, wanted: bytes) -> bytes:
    """What the server says up to this, or all that it says."""
    said = b""
    while wanted not in said and (part := connection.recv(4096)):
        said += part
    return said


def test_the_dashboards_server_has_deadlines_but_for_open_pages_names_a_taken_port_and_ends_with_0(
    tmp_path: Path,
) -> None:
    workspace = Workspace.create(tmp_path / "shop")
    with served(workspace.path, Dashboard) as server:
        again = [sys.executable, *server.command(workspace.path)]
        second = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert second.returncode == 1 and "Traceback" not in second.stderr
        assert f"port {server.port} of 127.0.0.1 cannot be taken" in second.stderr and "--port" in second.stderr
        address = "127.0.0.1", server.port
        with (
            socket.create_connection(address, timeout=PATIENCE) as page,
            socket.create_connection(address, timeout=PATIENCE) as connection,
        ):
            page.sendall(UPGRADE)
            assert until(page, b"\r\n\r\n").startswith(b"HTTP/1.1 101")
            begun = time.monotonic()
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            assert connection.recv(4096).startswith(b"HTTP/1.1 408")
            assert time.monotonic() - begun >= Limits().head_seconds - 0.1
            # A page that is open owes no body: its connection, on which nobody says anything, is past all deadlines.
            page.sendall(PING)
            said = until(page, PONG)
            assert PONG in said and b"HTTP" not in said
        assert server.get("/v1/health")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
    # The engine's journal, which the health route had opened, is closed and free.
    assert [file.name for file in (workspace.path / "journal").iterdir()] == ["lock"]
