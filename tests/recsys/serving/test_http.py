"""The routes over a real socket: what is answered, and how wrong or hostile callers are turned away."""

import hashlib
import http.client
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from recsys.serving.guard import Rates
from recsys.serving.operations import document, operations
from recsys.serving.schema import compiled
from recsys.settings import ServingSettings
from store import WorkspaceError
from tests.recsys.serving.served import PATIENCE, Served, served
from tests.recsys.serving.test_kill import a_shop

JSON = {"content-type": "application/json"}
HOME = {"user_id": "u1", "surface": "homepage"}
KEY = "open sesame"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    workspace = a_shop(tmp_path_factory.mktemp("open") / "shop", "body_bytes = 20000\nbody_seconds = 0.5")
    with served(workspace.path) as running:
        yield running


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    settings = f'api_keys_sha256 = ["{digest}"]\nrequests_per_second = 1'
    workspace = a_shop(tmp_path_factory.mktemp("keyed") / "shop", settings)
    with served(workspace.path) as running:
        yield running


def test_an_answer_on_a_kept_connection_does_not_wait_for_an_acknowledgement(server: Served) -> None:
    """A system that holds it back does so for 40 ms or more, in all but the first few answers of a connection: one that
    comes sooner is proof that it does not, however busy the machine is."""
    connection, seconds = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE), []
    for _ in range(40):
        begun = time.perf_counter()
        connection.request("GET", "/openapi.json")
        assert connection.getresponse().read()
        seconds.append(time.perf_counter() - begun)
    connection.close()
    assert min(seconds[10:]) < 0.03


def test_every_answer_keeps_its_declaration(server: Served) -> None:
    asked = {
        "recommend": HOME,
        "target": {"user_id": "u1"},
        "events": {"events": [{"unit_id": "u1", "kind": "view"}]},
    }
    for each in operations():
        body = json.dumps(asked[each.name]).encode() if each.body else None
        status, content, headers = server.send(each.method, each.path, body, JSON if body else {})
        assert status in each.answers and status < 300
        if (schema := each.answers[status]) and "properties" in schema:
            assert headers["content-type"] == "application/json"
            compiled(schema)(json.loads(content), "")


def test_an_answer_says_where_its_time_went(server: Served) -> None:
    timing = server.send("POST", "/v1/recommend", json.dumps(HOME).encode(), JSON)[2]["server-timing"]
    assert [part.split(";")[0] for part in timing.split(", ")] == ["validate", "engine", "encode", "journal"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "said"),
    [
        ("GET", "/nothing", None, {}, 404, "/openapi.json lists all"),
        ("GET", "/v1/recommend", None, {}, 405, "takes POST, not GET"),
        ("POST", "/v1/recommend", b"{", JSON, 400, "not JSON"),
        ("POST", "/v1/recommend", b'{"user_id": NaN}', JSON, 400, "NaN"),
        ("POST", "/v1/recommend", b"[" * 15_000, JSON, 400, "nested too deeply"),
        ("POST", "/v1/recommend", b"", JSON, 400, "not JSON"),
        ("POST", "/v1/recommend", b"{}", {}, 415, "application/json"),
        ("POST", "/v1/recommend", b"{}", {"content-type": "text/plain"}, 415, "application/json"),
        ("POST", "/v1/recommend", b" " * 20_001, JSON, 413, "longer than 20,000"),
        ("POST", "/v1/recommend", b"{}", JSON, 422, "/user_id must be there"),
        ("POST", "/v1/recommend", b'{"user_id": "u", "surface": "moon"}', JSON, 422, "one of cart, homepage"),
        ("POST", "/v1/events", b'{"events": []}', JSON, 422, "1 to 1000 elements"),
    ],
)
def test_wrong_requests_get_a_problem_that_says_what_is_wrong(
    server: Served, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, said: str
) -> None:
    found, content, answered = server.send(method, path, body, headers)
    problem = json.loads(content)
    assert (found, answered["content-type"]) == (status, "application/problem+json")
    assert problem["status"] == status and said in problem["detail"]
    compiled(document()["components"]["schemas"]["Problem"])(problem, "")
    if status == 405:
        assert answered["allow"] == "POST"


def test_a_body_without_a_length_is_cut_off_at_the_limit(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        head = "POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"4e20\r\n" + b" " * 20_000 + b"\r\n5\r\n     \r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_come_is_not_waited_for(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        head = "POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"
        connection.sendall(head.encode())
        begun = time.monotonic()
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - begun < 5


def test_without_a_key_that_is_known_nobody_is_let_in(keyed: Served) -> None:
    body = json.dumps({"user_id": "u1"}).encode()
    for header in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": "Bearer \xff"},
    ):
        status, _, answered = keyed.send("POST", "/v1/target", body, {**JSON, **header})
        assert (status, answered["www-authenticate"]) == (401, "Bearer")
    assert keyed.get("/metrics")[0] == 401
    assert keyed.get("/v1/health")[0] == 200
    assert keyed.send("POST", "/v1/target", body, {**JSON, "authorization": f"Bearer {KEY}"})[0] == 200


def test_who_asks_too_often_is_told_when_to_come_again(keyed: Served) -> None:
    headers = {**JSON, "authorization": f"Bearer {KEY}"}
    body = json.dumps({"user_id": "u1"}).encode()
    time.sleep(2.1)
    answers = [keyed.send("POST", "/v1/target", body, headers) for _ in range(30)]
    statuses = [status for status, _, _ in answers]
    assert statuses[:2] == [200] * 2
    # Unless one takes as long as a second.
    assert 429 in statuses
    assert all(answered["retry-after"] == "1" for status, _, answered in answers if status == 429)
    time.sleep(1.1)
    assert keyed.send("POST", "/v1/target", body, headers)[0] == 200


@pytest.mark.parametrize("rate", [0.1, 0.5, 3.0])
def test_whoever_keeps_to_the_rate_is_let_in_however_low_it_is(rate: float) -> None:
    rates = Rates(rate)
    assert [rates.wait("somebody", place * 1.001 / rate) for place in range(5)] == [0.0] * 5
    assert sum(rates.wait("somebody else", 0.0) == 0 for _ in range(20)) == max(2 * rate, 1)


LINE = re.compile(r'^([a-z_:]+)(?:\{([a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*)\})? (\S+)$')


def test_metrics_are_in_the_text_format_and_add_up(server: Served) -> None:
    for _ in range(3):
        server.post("/v1/recommend", HOME)
    status, content, headers = server.send("GET", "/metrics", None, {})
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found: dict[tuple[str, str], float] = {}
    typed: dict[str, str] = {}
    for line in content.decode().splitlines():
        if line.startswith("#"):
            _, word, name, rest = line.split(" ", 3)
            if word == "TYPE":
                typed[name] = rest
            continue
        match = LINE.match(line)
        assert match, line
        assert re.sub("_(bucket|sum|count)$", "", match[1]) in typed or match[1] in typed
        found[match[1], match[2] or ""] = float(match[3])
    buckets = [
        value
        for (name, labels), value in found.items()
        if name == "holdout_request_seconds_bucket" and 'route="recommend"' in labels
    ]
    assert buckets == sorted(buckets)
    assert buckets[-1] == found["holdout_request_seconds_count", 'route="recommend"'] >= 3
    assert found["holdout_ready", ""] == 1
    assert found["holdout_journal_bytes", ""] > 0
    assert {name for name, kind in typed.items() if kind == "counter"} == {name for name in typed if "_total" in name}


def test_a_kept_connection_serves_many_requests(server: Served) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    for body in (b"{", json.dumps(HOME).encode(), b"{}"):
        connection.request("POST", "/v1/recommend", body, JSON)
        connection.getresponse().read()
    connection.request("GET", "/v1/health")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"api_keys_sha256": ["abc"]}, "64 digits of hex"),
        ({"drain_seconds": 0}, "drain_seconds"),
        ({"drain_second": 3}, "Did you mean 'drain_seconds'"),
        ({"body_bytes": "many"}, "body_bytes"),
    ],
)
def test_settings_that_are_wrong_are_named(content: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkspaceError, match=said):
        ServingSettings.read(content)


def test_the_document_declares_every_route_and_no_key_where_none_is_asked_for(tmp_path: Path) -> None:
    plain, keyed = document(), document(keyed=True)
    assert sorted(plain["paths"]) == [
        "/metrics",
        "/openapi.json",
        "/v1/events",
        "/v1/health",
        "/v1/recommend",
        "/v1/target",
    ]
    assert "401" not in json.dumps(plain) and "securitySchemes" in keyed["components"]
    assert keyed["paths"]["/v1/events"]["post"]["security"] == [{"key": []}]
    assert "security" not in keyed["paths"]["/v1/health"]["get"]


def test_the_examples_of_the_page_run_and_succeed(server: Served) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "serving.md"
    examples = re.findall(r"```sh\n(curl .*?)```", page.read_text("utf-8"), re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        here = example.replace("curl -s", "curl -s --fail").replace("8502", str(server.port))
        done = subprocess.run(["bash", "-c", here], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0 and done.stdout, example


def test_every_setting_is_on_the_page_with_its_default() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "serving.md").read_text("utf-8")
    for each in fields(ServingSettings):
        match = re.search(rf"^ +{each.name} = (\S+)", text, re.MULTILINE)
        assert match, each.name
        assert each.name == "api_keys_sha256" or float(match[1]) == each.default
