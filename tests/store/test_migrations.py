import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from import_workers import PROCESSES, open_registry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from store import RegistryError
from store.registry import Registry
from store.registry.database import MIGRATIONS, head, open_database
from store.registry.tables import Base


def test_a_migrated_database_equals_the_models(url: str) -> None:
    with open_database(url).connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def test_the_registry_has_the_records_of_the_house() -> None:
    named = {
        "experiments",
        "looks",
        "decisions",
        "outcomes",
        "trust_results",
        "monitors",
        "runs",
        "alerts",
        "campaigns",
        "models",
        "audit",
    }
    assert named <= set(Base.metadata.tables)


def test_the_newest_migration_is_the_one_with_the_highest_number_and_there_is_one() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [head()]


def test_a_database_on_the_newest_migration_is_opened_without_alembic(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(url).dispose()
    monkeypatch.setattr("alembic.command.upgrade", None)
    with open_database(url).connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == head()


def test_a_database_of_a_newer_holdout_is_refused(url: str) -> None:
    with open_database(url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RegistryError, match=f"at migration 9999, this Holdout knows up to {head()}. Upgrade"):
        open_database(url)


def test_four_processes_that_open_an_empty_database_migrate_it_once(url: str, tmp_path: Path) -> None:
    answers = [tmp_path / f"{number}.txt" for number in range(4)]
    children = [PROCESSES.Process(target=open_registry, args=(url, answer)) for answer in answers]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [answer.read_text() for answer in answers] == ["0"] * 4


def test_a_new_file_that_many_open_at_the_same_moment_is_locked_for_nobody(tmp_path: Path) -> None:
    """SQLite refuses all but one who change its journal's mode, without waiting: seen in 3 of 25 rounds."""
    together = threading.Barrier(8)

    def opened(file: Path) -> int:
        together.wait()
        return len(Registry.open(f"sqlite:///{file}").experiments())

    with ThreadPoolExecutor(8) as pool:
        for number in range(40):
            assert list(pool.map(opened, [tmp_path / f"{number}.db"] * 8)) == [0] * 8


def test_looks_of_the_first_migration_are_still_there_and_still_kept(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import command

    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, to: upgrade(config, "0001"))
        old = open_database(url)
    columns = "'e', 'E', '', '2025-01-31 12:00:00+00:00', '2025-01-31 12:00:00+00:00'"
    with old.begin() as connection:
        connection.execute(
            text(f"INSERT INTO experiments (id, name, definition, created_at, updated_at) VALUES ({columns})")
        )
        connection.execute(
            text(
                "INSERT INTO looks (experiment_id, taken_at, verdict, readout, lake_versions) "
                "VALUES ('e', '2025-01-31 12:00:00+00:00', 'ship', '{}', '{\"events\": 7}')"
            )
        )
    registry = Registry.open(url)
    look = registry.looks("e")[0]
    assert (look.verdict, look.lake_versions, registry.segment_history(look.id)) == ("ship", {"events": 7}, None)
    assert registry.decide("e", look.id, "ship", reason="It wins.", decided_by="ann").lake_versions == {"events": 7}
    with pytest.raises(DBAPIError, match="kept for ever"), registry._writing.begin() as connection:
        connection.execute(text("UPDATE looks SET segment_history = ''"))


def test_a_migration_that_fails_leaves_the_database_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(op, "execute", fail)
        with pytest.raises(RuntimeError):
            open_database(url)
    test_a_migrated_database_equals_the_models(url)
