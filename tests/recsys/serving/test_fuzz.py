"""Requests without end, right and wrong, made from /openapi.json: the server keeps to what it declares."""

import subprocess
import sys
from pathlib import Path

from store import Workspace
from tests.recsys.serving.served import served
from tests.recsys.serving.test_kill import a_shop

# An event from the future keeps the declaration, and is refused all the same: a declaration knows no clock.
SETTINGS = """
[[operations]]
include-name = "POST /v1/events"
checks.positive_data_acceptance.expected-statuses = ["2xx", "422"]
"""


def test_the_server_keeps_to_its_declaration_whatever_is_sent(tmp_path: Path) -> None:
    workspace = a_shop(tmp_path / "shop", "drain_seconds = 1")
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    with served(workspace.path) as server:
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"http://127.0.0.1:{server.port}/openapi.json",
        ]
        bounds = [
            "--checks",
            "all",
            "--max-examples",
            "40",
            "--seed",
            "20261120",
            "--no-shrink",
            "--request-timeout",
            "60",
        ]
        done = subprocess.run([*command, *bounds], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert "5 selected / 5 total" in done.stdout
        metrics = server.get("/metrics")[1].decode()
    for route, status in (("recommend", 200), ("recommend", 422), ("events", 202), ("events", 422), ("target", 200)):
        assert f'holdout_requests_total{{route="{route}",status="{status}"}}' in metrics
    assert 'status="500"' not in metrics
    assert "holdout_unobserved_events_total 0" in metrics
    # Whatever was let in came into the lake.
    assert list((workspace.path / "journal").glob("*.closed")) == []
    assert Workspace.open(workspace.path).lake.table("events").count().to_pyarrow().as_py() > 0
