import dataclasses
import json
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from builders import a_readout
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from analysis.readout import Readout
from store import RegistryError, Workspace
from store.registry import Registry

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


def a_registry(url: str) -> Registry:
    registry = Registry.open(url)
    registry.save_experiment("[experiment]", id="mens_email", name="Men's e-mail", owner="ann")
    return registry


def test_an_experiment_is_saved_changed_and_its_past_kept_in_the_audit(url: str) -> None:
    registry = Registry.open(url)
    first = registry.save_experiment("v1", id="e", name="Über", owner="ann")
    same = registry.save_experiment("v1", id="e", name="Über", owner="ann")
    second = registry.save_experiment("v2", id="e", name="Über", owner="bob")
    assert first == same and first.created_at == second.created_at and second.updated_at > first.updated_at
    assert registry.experiments() == [second] == [registry.experiment("e")]
    audit = registry.audit("experiment e")
    assert [(each.actor, each.action) for each in audit] == [("ann", "create"), ("bob", "change")]
    assert audit[1].detail == {"before": {"definition": "v1", "name": "Über", "owner": "ann"}}


def test_a_look_comes_back_as_it_was_saved(url: str) -> None:
    registry, readout = a_registry(url), json.dumps({"lift": 0.1, "text": "ü \u2028"}) * 10_000
    saved = registry.save_look(
        "mens_email", readout=readout, verdict="ship", lake_versions={"events": 7}, taken_at=NOON
    )
    assert saved.readout == readout and saved.taken_at == NOON and saved.lake_versions == {"events": 7}
    assert registry.look(saved.id) == saved == registry.latest_look("mens_email")
    assert registry.looks("mens_email") == [dataclasses.replace(saved, readout=None)]


def test_the_second_part_of_a_readout_is_given_only_when_asked_for(url: str) -> None:
    registry = a_registry(url)
    first = registry.save_look("mens_email", readout="{}", segment_history="[1]", verdict="ship", lake_versions={})
    second = registry.save_look("mens_email", readout="{}", verdict="ship", lake_versions={})
    assert [registry.segment_history(look.id) for look in (first, second)] == ["[1]", None]
    with pytest.raises(RegistryError, match="look 99 is not in the registry"):
        registry.segment_history(99)


def test_twenty_metrics_in_24_segments_at_28_looks_open_in_half_of_what_a_page_may_take(url: str) -> None:
    registry, whole = a_registry(url), a_readout(metrics=20, segments=24, looks=28)
    first, history = whole.split()
    saved = registry.save_look("mens_email", readout=first, segment_history=history, verdict="ship", lake_versions={})
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        opened = Readout.from_json(registry.look(saved.id).readout or "")
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.075
    assert opened.looks[-1] == whole.looks[-1] and len(opened.looks) == 28


def test_times_are_aware_utc_whatever_zone_they_came_in(url: str) -> None:
    registry, india = a_registry(url), timezone(timedelta(hours=5, minutes=30))
    saved = registry.save_look(
        "mens_email", readout="{}", verdict="wait", lake_versions={}, taken_at=NOON.astimezone(india)
    )
    read = registry.look(saved.id).taken_at
    assert read == NOON and read.utcoffset() == timedelta(0)
    with pytest.raises(RegistryError, match="without a time zone"):
        registry.save_look("mens_email", readout="{}", verdict="wait", lake_versions={}, taken_at=datetime(2025, 1, 1))


def test_looks_are_listed_newest_first_and_the_latest_is_the_newest_taken(url: str) -> None:
    registry = a_registry(url)
    for hours in (2, 3, 1):
        taken = NOON + timedelta(hours=hours)
        registry.save_look("mens_email", readout=str(hours), verdict="wait", lake_versions={}, taken_at=taken)
    assert [look.taken_at.hour for look in registry.looks("mens_email")] == [15, 14, 13]
    latest = registry.latest_look("mens_email")
    assert latest is not None and latest.readout == "3"
    assert registry.latest_look("other") is None and registry.looks("other") == []
    assert registry.latest_look_ids() == {"mens_email": latest.id}


@pytest.mark.parametrize("statement", ["UPDATE looks SET verdict = 'stop'", "DELETE FROM looks", "DELETE FROM audit"])
def test_looks_and_the_audit_are_kept_for_ever_by_the_database_itself(url: str, statement: str) -> None:
    registry = a_registry(url)
    saved = registry.save_look("mens_email", readout="{}", verdict="ship", lake_versions={})
    with pytest.raises(DBAPIError, match="kept for ever"), registry._writing.begin() as connection:
        connection.execute(text(statement))
    assert registry.look(saved.id) == saved and registry.audit()


def test_a_look_needs_its_experiment(url: str) -> None:
    registry = a_registry(url)
    with pytest.raises(RegistryError, match=r"'mens_mail' is not registered. Known: mens_email. Did you mean"):
        registry.save_look("mens_mail", readout="{}", verdict="ship", lake_versions={})
    with pytest.raises(RegistryError, match="'mens_mail' is not registered"):
        registry.experiment("mens_mail")
    with pytest.raises(RegistryError, match="look 99 is not in the registry"):
        registry.look(99)
    insert = (
        "INSERT INTO looks (experiment_id, taken_at, verdict, readout, lake_versions) VALUES ('x', :at, '', '', '{}')"
    )
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"), registry._writing.begin() as connection:
        connection.execute(text(insert), {"at": NOON.isoformat()})


def test_eight_threads_write_at_once_and_nothing_is_lost(url: str) -> None:
    registry, failures = Registry.open(url), []

    def write(number: int) -> None:
        try:
            for day in range(5):
                registry.save_experiment(f"v{number}.{day}", id="shared", name="Shared", owner=str(number))
                registry.save_look("shared", readout=f"{number}.{day}", verdict="wait", lake_versions={})
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(registry.looks("shared")) == 40
    audit = [each.action for each in registry.audit("experiment shared")]
    assert (audit.count("create"), audit.count("look")) == (1, 40)


def test_sqlite_runs_with_write_ahead_log_foreign_keys_and_patience(workspace: Workspace) -> None:
    with workspace.registry._engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")]
        assert pragmas == ["wal", 1]
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_a_reader_is_not_held_up_by_a_writer(workspace: Workspace) -> None:
    registry = workspace.registry
    registry.save_experiment("v1", id="e", name="E")
    with registry._writing.begin() as connection:
        connection.execute(text("UPDATE experiments SET definition = 'v2'"))
        assert registry.experiment("e").definition == "v1"
    assert registry.experiment("e").definition == "v2"


def test_a_workspace_names_its_registry_by_url(workspace: Workspace, url: str) -> None:
    (workspace.path / "holdout.toml").write_text(f'registry = "{url}"\n')
    Workspace.open(workspace.path).registry.save_experiment("v1", id="e", name="E")
    assert [each.id for each in Registry.open(url).experiments()] == ["e"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("registry.db", "is not a database URL. Write sqlite:///"),
        ("mysql://ann:secret@host/db", "is on 'mysql', must be sqlite or postgresql"),
        ("sqlite:////no/such/folder/r.db", "cannot be opened: unable to open database file"),
        ("postgresql://ann:secret@127.0.0.1:1/db", r"postgresql\+psycopg://ann:\*\*\*@127.0.0.1:1/db cannot be opened"),
    ],
)
def test_a_registry_that_cannot_be_opened_says_where_and_keeps_the_password(url: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message) as error:
        Registry.open(url)
    assert "secret" not in str(error.value)
