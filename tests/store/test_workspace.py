import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from store import Workspace, WorkspaceError


def test_a_created_workspace_opens_with_its_name_and_every_default(tmp_path: Path) -> None:
    created = Workspace.create(tmp_path / "shop", name='Games "R" us \\ ü')
    opened = Workspace.open(tmp_path / "shop")
    assert opened.name == created.name == 'Games "R" us \\ ü'
    assert opened.experiments == tmp_path / "shop" / "experiments"
    assert opened.lake.versions() == {}
    assert opened.registry.experiments() == []


def test_an_empty_holdout_toml_is_enough(tmp_path: Path) -> None:
    (tmp_path / "holdout.toml").touch()
    workspace = Workspace.open(tmp_path)
    assert workspace.name == tmp_path.name
    assert workspace.lake.files("users") == []


def test_folders_and_limits_come_from_holdout_toml(tmp_path: Path) -> None:
    (tmp_path / "holdout.toml").write_text(
        'lake = "facts"\nregistry = "sqlite:///records/r.db"\nexperiments = "tests"\n'
        '[engine]\nmemory_limit = "256MB"\nspill = "tmp"\nthreads = 1\n'
    )
    (tmp_path / "records").mkdir()
    workspace = Workspace.open(tmp_path)
    settings = "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('TimeZone')"
    assert workspace.connect().raw_sql(settings).fetchall() == [("244.1 MiB", 1, "UTC")]
    assert workspace.lake.path == tmp_path / "facts"
    assert workspace.experiments == tmp_path / "tests"
    assert workspace.registry.experiments() == [] and (tmp_path / "records" / "r.db").exists()


def test_a_workspace_is_not_made_over_another(tmp_path: Path) -> None:
    Workspace.create(tmp_path, name="first")
    with pytest.raises(WorkspaceError, match="is a workspace already"):
        Workspace.create(tmp_path, name="second")
    assert Workspace.open(tmp_path).name == "first"


def test_a_present_without_a_zone_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="as_of is 2026-11-17 00:00:00, which is in no time zone"):
        Workspace.create(tmp_path / "shop", as_of=datetime(2026, 11, 17))
    assert not (tmp_path / "shop").exists()
    made = Workspace.create(tmp_path / "shop", as_of=datetime(2026, 11, 17, tzinfo=UTC))
    assert made.due(datetime(2027, 1, 1, tzinfo=UTC)) == datetime(2026, 11, 17, tzinfo=UTC)
    assert made.due(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_folder_without_holdout_toml_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"has no holdout.toml.*`holdout init"):
        Workspace.open(tmp_path)


def test_the_workspace_is_found_from_a_folder_below(workspace: Workspace) -> None:
    below = workspace.experiments / "2025"
    below.mkdir()
    assert Workspace.find(below).path == workspace.path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('lak = "x"', "lak is not a setting.*Did you mean 'lake'"),
        ('[engine]\nmemory = "1GB"', r"engine\.memory is not a setting.*Did you mean 'memory_limit'"),
        ("name = 5", "name is 5, must be a text"),
        ('as_of = "2026-11-17"', "as_of is '2026-11-17', must be a time such as 2026-11-17T00:00:00Z"),
        ("as_of = 2026-11-17T00:00:00", "as_of is datetime.*must be a time .* with its zone"),
        ('name = ""', "name is '', must be a text that is not empty"),
        ("[engine]\nthreads = true", "threads is True, must be a whole number"),
        ("engine = 5", r"engine is 5, must be a section. Write \[engine\]"),
        ("name = ", "is not TOML in UTF-8"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_nearest_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "holdout.toml").write_text(text)
    with pytest.raises(WorkspaceError, match=message):
        Workspace.open(tmp_path)


def test_importing_the_store_and_opening_a_workspace_loads_nothing_heavy(workspace: Workspace) -> None:
    heavy = {"pandas", "pyarrow", "duckdb", "ibis", "sqlalchemy", "deltalake", "alembic", "numpy"}
    program = (
        "import sys, store; from store import Workspace; Workspace.open(sys.argv[1]); "
        f"print(sorted({heavy} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", program, str(workspace.path)]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_public_name_of_the_store_is_there() -> None:
    import store

    assert all(hasattr(store, name) for name in store.__all__)
    assert store.__all__ == sorted(store.__all__)
