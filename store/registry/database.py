"""Opens the registry's database and brings it to the newest migration."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from store.errors import RegistryError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 30_000
# Any number that nobody else locks in the same PostgreSQL database.
MIGRATION_LOCK = 0x401D0


def open_database(url: str) -> Engine:
    """An engine on the newest schema; two processes that open an old database at once migrate it once.

    Raises:
        RegistryError: if the URL is neither SQLite nor PostgreSQL, the database cannot be reached,
            or it was migrated by a newer Holdout.
    """
    target = _url(url)
    engine = create_engine(target, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    try:
        _migrate(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        where, why = target.render_as_string(hide_password=True), str(getattr(error, "orig", error)).strip()
        raise RegistryError(
            f"the registry {where} cannot be opened: {why}. Check `registry` in holdout.toml."
        ) from None
    return engine


def head() -> str:
    """The newest migration: they are numbered in their file names."""
    return max(file.stem.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _url(url: str) -> URL:
    try:
        target = make_url(url)
    except ArgumentError:
        raise RegistryError(
            "`registry` is not a database URL. Write sqlite:///registry.db or postgresql://..."
        ) from None
    if target.get_backend_name() == "postgresql":
        return target.set(drivername="postgresql+psycopg")
    if target.get_backend_name() == "sqlite":
        return target
    raise RegistryError(f"the registry is on {target.drivername!r}, must be sqlite or postgresql. Change holdout.toml.")


def _on_sqlite_connect(connection: Any, record: Any) -> None:
    # The driver must not begin transactions of its own: it would leave DDL and reads outside of ours.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    _use_write_ahead_log(connection)
    for pragma in ("foreign_keys = ON", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _use_write_ahead_log(connection: Any) -> None:
    """Of a database that several open for the first time at once, one may change the mode: SQLite refuses the others at
    once, whatever the timeout."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _on_sqlite_begin(connection: Connection) -> None:
    # A reader that becomes a writer halfway fails at once on a busy database, whatever the timeout.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writing") else "BEGIN")


def _migrate(engine: Engine) -> None:
    with engine.connect() as connection:
        current = _current(connection)
    if current == head():
        return
    if current is not None and current > head():
        raise RegistryError(
            f"the registry is at migration {current}, this Holdout knows up to {head()}. Upgrade Holdout."
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.execution_options(writing=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
