"""Callers who are slow on purpose, many at once, or no HTTP at all, over real sockets: nobody holds the server up."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from recsys.serving.process import DESCRIPTORS, UNREAD_SECONDS, bound, with_descriptors
from tests.recsys.serving.served import PATIENCE, Served, served
from tests.recsys.serving.test_kill import a_shop

HEAD = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v1/target HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CONNECTIONS = 5
# Deadlines of the server here.
SECONDS = 0.5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = f"head_seconds = {SECONDS}\nbody_seconds = {SECONDS}\nconnections = {CONNECTIONS}"
    with served(a_shop(tmp_path_factory.mktemp("limits") / "shop", limits).path) as running:
        yield running


def connected(server: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def until_closed(connection: socket.socket) -> bytes:
    """All that the server still says."""
    said = b""
    try:
        while part := connection.recv(65536):
            said += part
    except ConnectionResetError:
        pass
    return said


def trickled(connection: socket.socket, byte: bytes) -> bytes:
    """What the server says to somebody who sends a byte every twentieth of a second, until it hangs up."""
    said, end = b"", time.monotonic() + PATIENCE
    connection.settimeout(0.05)
    while time.monotonic() < end:
        try:
            connection.sendall(byte)
            part = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return said
        if not part:
            return said
        said += part
    raise AssertionError(f"the connection is still held after {PATIENCE:g} s; it said {said!r}")


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of the next answer on a kept connection."""
    said = b""
    while b"\r\n\r\n" not in said:
        part = connection.recv(65536)
        assert part, said
        said += part
    head, _, body = said.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), body


def refused(server: Served, reason: str) -> float:
    text = server.get("/metrics")[1].decode()
    lines = [line for line in text.splitlines() if line.startswith("holdout_refused_connections_total{")]
    return sum(float(line.split()[-1]) for line in lines if f'"{reason}"' in line)


def test_a_head_that_comes_a_byte_at_a_time_is_not_waited_for(server: Served) -> None:
    before = refused(server, "slow")
    with connected(server) as connection:
        connection.sendall(HEAD + b"X-Slow: ")
        assert trickled(connection, b"a").startswith(b"HTTP/1.1 408")
    assert refused(server, "slow") == before + 1


def test_the_head_of_a_later_request_on_a_connection_is_not_waited_for_either(server: Served) -> None:
    with connected(server) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert answer(connection)[0] == 200
        connection.sendall(HEAD + b"X-Slow: ")
        assert trickled(connection, b"a").startswith(b"HTTP/1.1 408")


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(server: Served) -> None:
    with connected(server) as connection:
        assert until_closed(connection) == b""


def test_a_body_that_comes_a_byte_at_a_time_is_refused_and_then_cut_off(server: Served) -> None:
    with connected(server) as connection:
        connection.sendall(POST + b"Content-Length: 100000\r\n\r\n")
        assert trickled(connection, b" ").startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("path", ["/nothing", "/v1/health"])
def test_a_body_that_nobody_reads_does_not_keep_a_connection(server: Served, path: str) -> None:
    with connected(server) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode())
        assert trickled(connection, b" ").startswith(b"HTTP/1.1 ")


def test_a_body_that_comes_late_but_in_time_leaves_a_connection_that_goes_on(server: Served) -> None:
    """The answer came before the body: what follows the body is the next request."""
    with connected(server) as connection:
        connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        assert answer(connection)[0] == 404
        connection.sendall(b"abc")
        connection.sendall(HEAD + b"\r\n")
        assert answer(connection)[0] == 200
        assert trickled(connection, b"G").startswith(b"HTTP/1.1 4")


def test_a_head_that_is_too_long_is_told_so(server: Served) -> None:
    with connected(server) as connection:
        connection.sendall(HEAD + b"X-Long: " + b"a" * 20_000)
        said = until_closed(connection)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431") and b"application/problem+json" in head
    assert json.loads(body)["status"] == 431


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /v1/health\r\n\r\n",
        b"\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nnot a length\r\n",
    ],
    ids=["tls", "no version", "empty lines", "two lengths", "a chunk without length"],
)
def test_what_is_not_http_gets_a_problem_and_is_cut_off(server: Served, sent: bytes) -> None:
    before = refused(server, "malformed")
    with connected(server) as connection:
        connection.sendall(sent)
        said = until_closed(connection)
    assert said.startswith(b"HTTP/1.1 400") and b"no request that the server can read" in said
    assert refused(server, "malformed") == before + 1


def test_an_upgrade_that_is_not_offered_is_answered_as_if_it_had_not_been_asked_for(server: Served) -> None:
    with connected(server) as connection:
        connection.sendall(HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert answer(connection)[0] == 200


def test_requests_sent_without_waiting_are_answered_in_order(server: Served) -> None:
    with connected(server) as connection:
        connection.sendall((HEAD + b"\r\n") * 3 + b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = until_closed(connection)
    assert [said.count(b"HTTP/1.1 200"), said.count(b"HTTP/1.1 404")] == [3, 1]


def test_of_connections_above_the_limit_those_that_are_idle_give_way(server: Served) -> None:
    with ExitStack() as held:
        kept = [held.enter_context(connected(server)) for _ in range(CONNECTIONS)]
        for connection in kept:
            connection.sendall(HEAD + b"\r\n")
            assert answer(connection)[0] == 200
        newer = held.enter_context(connected(server))
        newer.sendall(HEAD + b"\r\n")
        assert answer(newer)[0] == 200
        assert until_closed(kept[0]) == b""
        kept[-1].sendall(HEAD + b"\r\n")
        assert answer(kept[-1])[0] == 200


def test_where_all_connections_are_busy_a_new_one_is_sent_away_and_room_comes_back(server: Served) -> None:
    before = refused(server, "full")
    with ExitStack() as held:
        # Each owes the rest of its body for as long as the server waits for one.
        for _ in range(CONNECTIONS):
            held.enter_context(connected(server)).sendall(POST + b"Content-Length: 9\r\n\r\n{")
        newer = held.enter_context(connected(server))
        newer.sendall(HEAD + b"\r\n")
        said = until_closed(newer)
    assert said.startswith(b"HTTP/1.1 503") and b"too many connections" in said
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if refused(server, "full") > before:
                return
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError("nobody was let in again")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has the setting")
def test_an_answer_that_is_not_taken_is_given_up_by_the_system() -> None:
    """Whoever asks again and again and never reads would keep a connection and a task."""
    with bound("127.0.0.1", 0) as taken:
        taken.listen()
        with socket.create_connection(taken.getsockname()), taken.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNREAD_SECONDS * 1000


def test_there_are_file_descriptors_for_all_connections_or_fewer_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(400, soft), hard))
        assert with_descriptors(500) == 500
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 500 + DESCRIPTORS
        if hard != resource.RLIM_INFINITY:
            assert with_descriptors(10 * hard) == hard - DESCRIPTORS
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
