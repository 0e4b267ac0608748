"""The routes inside the dashboard's server: there when asked, and until then as if they were not."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from recsys.serving import mounted
from recsys.serving.journal import Journal
from recsys.serving.mounted import Mounted
from store import Workspace
from tests.recsys.serving.plain import PopularityPolicy
from tests.recsys.serving.test_kill import a_shop

ROOT = Path(__file__).resolve().parents[3]


async def ask(app: Any, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "root_path": ""}
    scope["headers"] = [(b"content-type", b"application/json")]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode() if body else b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_the_engine_is_opened_by_the_first_request_and_drained_at_the_end(tmp_path: Path) -> None:
    workspace, opened = a_shop(tmp_path / "shop"), []

    def opening(asked: Workspace) -> PopularityPolicy:
        opened.append(asked)
        return PopularityPolicy.open(asked)

    engine = Mounted(lambda: workspace, opening)
    app = Starlette(routes=engine.routes)

    async def story() -> None:
        assert opened == []
        first = [ask(app, "POST", "/v1/recommend", {"user_id": "u", "surface": "cart", "size": 2}) for _ in range(3)]
        assert [status for status, _ in await asyncio.gather(*first)] == [200] * 3
        assert (await ask(app, "GET", "/openapi.json"))[1]["openapi"] == "3.1.0"
        assert (await ask(app, "GET", "/v1/nothing"))[0] == 404
        await asyncio.to_thread(engine.stop)

    asyncio.run(story())
    assert len(opened) == 1
    assert workspace.lake.table("recommendations").count().to_pyarrow().as_py() == 6


def test_where_another_server_holds_the_journal_the_answer_says_which(tmp_path: Path, monkeypatch: Any) -> None:
    workspace = a_shop(tmp_path / "shop")
    other = Journal(workspace.path / "journal")
    engine = Mounted(lambda: workspace, PopularityPolicy.open)
    status, problem = asyncio.run(ask(engine, "GET", "/v1/health"))
    assert status == 503 and "serves this workspace" in problem["detail"]
    other.close()
    monkeypatch.setattr(mounted, "RETRY_SECONDS", 0.0)
    engine._lock = None
    assert asyncio.run(ask(engine, "GET", "/v1/health"))[0] == 200
    engine.stop()


def test_the_dashboard_starts_without_the_engine() -> None:
    code = "import sys, dashboard.serve as s; print([r.path for r in s.ENGINE.routes], "
    code += "*[m for m in ('torch', 'faiss', 'sklearn', 'recsys.engine', 'recsys.serving.app') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "['/v1', '/metrics', '/openapi.json']"


def test_of_more_requests_than_the_limit_those_above_it_are_told_so_before_any_is_answered(tmp_path: Path) -> None:
    workspace = a_shop(tmp_path / "shop", "at_once = 5")
    engine = Mounted(lambda: workspace, PopularityPolicy.open)

    async def crowd() -> list[tuple[int, Any]]:
        await ask(engine, "GET", "/v1/health")
        body = {"user_id": "u", "surface": "cart", "size": 2}
        return await asyncio.gather(*(ask(engine, "POST", "/v1/recommend", body) for _ in range(12)))

    answers = asyncio.run(crowd())
    engine.stop()
    assert [status for status, _ in answers] == [200] * 5 + [503] * 7
    assert "too many requests are under way" in answers[-1][1]["detail"]
