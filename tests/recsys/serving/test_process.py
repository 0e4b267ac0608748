"""`holdout serve`, before it serves: an address that cannot be had is told at once and in words."""

import socket

import pytest
from typer.testing import CliRunner

from holdout import app
from recsys.engine.engine import Engine
from recsys.errors import EngineError
from recsys.serving.process import bound, open_engine
from store import Workspace


def test_a_port_that_another_process_holds_is_named_before_an_engine_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {port} of 127.0.0.1 cannot be taken: .*in use.*--port"):
            bound("127.0.0.1", port)


def test_a_host_that_is_not_this_machine_is_named():
    with pytest.raises(EngineError, match=r"of 192\.0\.2\.1 cannot be taken"):
        bound("192.0.2.1", 8502)


def test_a_free_port_is_held_but_refuses_until_the_server_listens():
    with bound("127.0.0.1", 0) as taken, pytest.raises(ConnectionRefusedError):
        socket.create_connection(taken.getsockname(), timeout=5)


@pytest.mark.parametrize("verb", ["serve", "dashboard"])
def test_a_number_that_is_no_port_is_refused(verb):
    refused = CliRunner().invoke(app, [verb, "--port", "99999"])
    assert refused.exit_code == 2 and "--port" in refused.output and "65535" in refused.output


def test_the_engine_of_a_server_counts_its_charts_beside_the_requests(tmp_path):
    engine = open_engine(Workspace.create(tmp_path / "shop"))
    assert isinstance(engine, Engine) and engine.aside is not None
