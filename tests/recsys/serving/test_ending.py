"""How a server ends and how it cannot begin: told to stop under load, while it loads, twice, or on a full disk."""

import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from recsys.serving.journal import Journal
from recsys.serving.rows import EVENTS
from recsys.serving.running import Running
from recsys.serving.segment import HEADER, JournalError, Record, whole
from store import Workspace
from tests.recsys.serving.plain import PopularityPolicy
from tests.recsys.serving.served import PATIENCE, ROOT, Served, free_port, served
from tests.recsys.serving.test_kill import Client, a_shop, ids
from tests.recsys.serving.test_running import until

# A child that begins to load an engine, says so, and never ends loading it.
LOADING = """
import sys, time
from recsys.serving.process import run
from store import Workspace

def opening(workspace):
    print("loading", flush=True)
    time.sleep(600)

run(Workspace.open(sys.argv[1]), opening, host="127.0.0.1", port=int(sys.argv[2]))
"""


def test_a_server_that_is_stopped_under_load_answers_what_it_began_and_keeps_all_that_it_took(tmp_path: Path) -> None:
    workspace = a_shop(tmp_path / "shop", "drain_seconds = 3600")
    with served(workspace.path) as server:
        clients = [Client(server, number) for number in range(4)]
        for client in clients:
            client.start()
        assert until(lambda: all(len(client.acknowledged) > 20 for client in clients))
        begun = time.monotonic()
        server.stop()
        assert server.process.returncode == 0
        assert time.monotonic() - begun < 30
        for client in clients:
            client.ending.set()
        server.restart()
        for client in clients:
            client.join(PATIENCE)
    acknowledged = sorted(name for client in clients for name in client.acknowledged)
    assert sorted(ids(workspace, "events")) == acknowledged
    assert list((workspace.path / "journal").glob("*.closed")) == []


def test_a_request_that_is_under_way_when_the_server_is_told_to_stop_is_answered(tmp_path: Path) -> None:
    workspace = a_shop(tmp_path / "shop", "body_seconds = 60\nat_once = 2")
    with served(workspace.path) as server:
        body = json.dumps({"events": [{"event_id": "late", "unit_id": "u1", "kind": "view"}]}).encode()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        connection.putrequest("POST", "/v1/events")
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body[:10])
        # Until the server has begun on it: of two at once one more is let in, another is not.
        assert until(lambda: b"holdout_requests_under_way 2" in server.get("/metrics")[1])
        server.process.send_signal(signal.SIGTERM)
        assert until(lambda: not listens(server))
        connection.send(body[10:])
        assert connection.getresponse().status == 202
        assert server.process.wait(PATIENCE) == 0
    assert ids(workspace, "events") == ["late"]


def listens(server: Served) -> bool:
    try:
        server.get("/v1/health")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_ends_with_0_and_without_a_word(
    tmp_path: Path, told: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(a_shop(tmp_path / "shop").path) as server:
        assert server.post("/v1/events", an_event("a"))[0] == 202
        server.process.send_signal(told)
        assert server.process.wait(PATIENCE) == 0
    assert capfd.readouterr().err.splitlines()[1:] == []


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_still_loads_its_engine_ends_at_once_when_it_is_told_to(
    tmp_path: Path, told: signal.Signals
) -> None:
    workspace = a_shop(tmp_path / "shop")
    command = [sys.executable, "-c", LOADING, str(workspace.path), "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == b"loading\n"
        process.send_signal(told)
        assert process.wait(PATIENCE) == 0
    # Nothing is locked or broken.
    Journal(workspace.path / "journal").close()


def test_a_server_that_opens_another_engine_ends_without_waiting_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, going_on, opened = (
        a_shop(tmp_path / "shop", "drain_seconds = 0.05"),
        threading.Event(),
        threading.Event(),
    )

    def opening(asked: Workspace) -> PopularityPolicy:
        if opened.is_set():
            going_on.wait(PATIENCE)
        opened.set()
        return PopularityPolicy.open(asked)

    running = Running(workspace, opening)
    running.start()
    service = running.ready()
    monkeypatch.setattr(running, "_versions", lambda: ("another",))
    drainer = running._drainer
    assert drainer is not None
    assert until(lambda: service._later is not None)
    service.accept({"events": [{"event_id": "a", "unit_id": "u1", "kind": "view", "item_id": "i3"}]})
    running.stop()
    assert running.busy and ids(workspace, "events") == ["a"]
    # What the thread does later touches neither the journal, which may be another server's, nor the lake.
    with (again := Journal(workspace.path / "journal")).folder.joinpath("lock").open():
        again.write(EVENTS, b"{}")
        again.rotate()
        going_on.set()
        assert until(lambda: not running.busy)
        assert drainer.drain.once() == 0 and len(again.closed()) == 1
        again.close()


def test_a_second_server_of_a_workspace_is_told_who_serves_it_and_what_to_do(tmp_path: Path) -> None:
    workspace = a_shop(tmp_path / "shop")
    with served(workspace.path) as server:
        command = [sys.executable, "-m", "holdout", "serve", "--workspace", str(workspace.path)]
        command += ["--port", str(free_port())]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert second.returncode == 3
        assert f"process {server.process.pid} serves this workspace" in second.stderr
        assert "Ask that server, or stop it first." in second.stderr and "Traceback" not in second.stderr
        assert server.get("/v1/health")[0] == 200


def test_a_second_server_on_a_port_is_told_so_before_it_loads_anything(tmp_path: Path) -> None:
    with served(a_shop(tmp_path / "shop").path) as server:
        other = a_shop(tmp_path / "other").path
        command = [sys.executable, "-m", "holdout", "serve", "--workspace", str(other), "--port", str(server.port)]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert second.returncode == 1
        assert f"port {server.port} of 127.0.0.1 cannot be taken" in second.stderr and "--port" in second.stderr
        assert "Traceback" not in second.stderr and not (other / "journal").exists()


def without_room(folder: Path, size: int) -> dict[str, Any]:
    """What happens in a process whose files may be `size` bytes long: its journal takes records until there is no room,
    then gets room and goes on."""
    code = f"""
import json, resource, sys
from concurrent.futures import Future
from pathlib import Path
from recsys.serving.journal import Journal
from recsys.serving.segment import JournalError
journal, taken, refused = Journal(Path(sys.argv[1])), [], []
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, hard))
def send(names):
    for name in names:
        try:
            journal.write(b"E", name.encode() * 100)
            journal.sync().result()
            taken.append(name)
        except JournalError as error:
            refused.append(name)
            told.append(str(error))
told = []
send("abcdefghij")
full, failure = journal.full, journal.failure
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
send("klm")
print(json.dumps(dict(taken=taken, refused=refused, full=full, failure=failure, after=journal.full, told=told)))
if len(sys.argv) > 2:
    journal.close()
"""
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_without_room_nothing_is_acknowledged_that_is_not_kept_and_with_room_it_goes_on(tmp_path: Path) -> None:
    """The limit lies in the middle of a record: part of it is written before the system says that there is no room."""
    record = 100 + 8 + 1
    found = without_room(tmp_path, HEADER + 4 * record + 50)
    assert found["taken"] == list("abcdklm") and found["refused"] == list("efghij")
    assert "has no room" in found["full"] and found["failure"] is None and found["after"] is None
    assert all("Make room on that disk" in told for told in found["told"])
    journal = Journal(tmp_path)
    (segment,) = journal.closed()
    assert whole(segment.read_bytes())[0] == [Record(b"E", name.encode() * 100) for name in found["taken"]]
    # Ended without being closed, and yet there was nothing torn.
    assert journal.mended == 0 and list(tmp_path.glob("*.torn")) == []
    journal.close()


def test_a_journal_that_has_no_room_for_another_segment_goes_on_with_the_one_it_has(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(EVENTS, b"a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER - 1, hard))
    waiting, rotation = Future[None](), Future[None]()
    try:
        with pytest.raises(JournalError, match="has no room"):
            journal.rotate()
        # As the journal's thread does it for who waits at the same moment: their record is kept, and they are told so.
        journal._commit(waiting, rotation)
        assert waiting.result() is None and isinstance(rotation.exception(), JournalError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.glob("0*")] == ["0000000001.open"]
    journal.write(EVENTS, b"b")
    journal.sync().result()
    journal.rotate()
    (segment,) = journal.closed()
    assert [record.payload for record in whole(segment.read_bytes())[0]] == [b"a", b"b"]
    journal.close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process's files")
def test_a_server_without_room_says_so_keeps_what_it_acknowledged_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    workspace = a_shop(tmp_path / "shop", "drain_seconds = 3600")
    with served(workspace.path) as server:
        soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2000, hard))
        statuses = [(name, *server.post("/v1/events", an_event(name))) for name in map(str, range(60))]
        acknowledged = [name for name, status, _ in statuses if status == 202]
        assert 0 < len(acknowledged) < 60 and {status for _, status, _ in statuses} == {202, 503}
        assert "Make room on that disk" in statuses[-1][2]["detail"]
        asked = {"user_id": "u1", "surface": "homepage"}
        assert server.post("/v1/recommend", asked)[0] == 503
        status, health = server.get("/v1/health")
        assert status == 200 and "has no room" in json.loads(health)["reason"]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
        again = [server.post("/v1/events", an_event(name)) for name in map(str, range(60))]
        assert [status for status, _ in again] == [202] * 60
        assert sum(said["duplicates"] for _, said in again) == len(acknowledged)
        assert "has no room" not in json.loads(server.get("/v1/health")[1])["reason"]
        assert server.post("/v1/recommend", asked)[0] == 200
    assert sorted(ids(workspace, "events"), key=int) == list(map(str, range(60)))


def an_event(name: str) -> dict[str, Any]:
    return {"events": [{"event_id": name, "unit_id": "u1", "kind": "view", "item_id": "i3"}]}
