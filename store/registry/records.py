"""Reads and writes records; gives and takes frozen values, never rows of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from store.errors import RegistryError, did_you_mean
from store.registry.database import open_database
from store.registry.models import Audit, Experiment, Look


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """An experiment as it was last saved; `definition` is the text of its TOML file."""

    id: str
    name: str
    owner: str | None
    definition: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LookRecord:
    """One saved look. `readout` is JSON, None in lists; `lake_versions` are the facts that it was computed on."""

    id: int
    experiment_id: str
    taken_at: datetime
    verdict: str
    lake_versions: dict[str, int]
    readout: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what to which record; `detail` keeps what it was before."""

    at: datetime
    actor: str | None
    action: str
    subject: str
    detail: dict[str, Any]


class Registry:
    """The records of a workspace. One may be shared by threads: each call is a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(writing=True)

    @classmethod
    def open(cls, url: str) -> "Registry":
        """The registry at a SQLite or PostgreSQL URL, on the newest schema."""
        return cls(open_database(url))

    def save_experiment(self, definition: str, *, id: str, name: str, owner: str | None = None) -> ExperimentRecord:
        """Register an experiment, or replace its definition; an earlier one stays in the audit."""
        now = datetime.now(UTC)
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        with self._transaction() as session:
            new = insert(Experiment).values(
                id=id, name=name, owner=owner, definition=definition, created_at=now, updated_at=now
            )
            session.execute(new.on_conflict_do_nothing())
            row = session.get_one(Experiment, id, with_for_update=True)
            if row.updated_at == now:
                _note(session, now, owner, "create", f"experiment {id}", {})
            elif (row.definition, row.name, row.owner) != (definition, name, owner):
                before = {"definition": row.definition, "name": row.name, "owner": row.owner}
                _note(session, now, owner, "change", f"experiment {id}", {"before": before})
                row.definition, row.name, row.owner, row.updated_at = definition, name, owner, now
            return _experiment(row)

    def experiments(self) -> list[ExperimentRecord]:
        """All experiments, by name."""
        with Session(self._engine) as session:
            return [
                _experiment(row) for row in session.scalars(select(Experiment).order_by(Experiment.name, Experiment.id))
            ]

    def experiment(self, id: str) -> ExperimentRecord:
        with Session(self._engine) as session:
            row = session.get(Experiment, id)
            if row is None:
                raise _unknown_experiment(session, id)
            return _experiment(row)

    def save_look(
        self,
        experiment_id: str,
        *,
        readout: str,
        verdict: str,
        lake_versions: dict[str, int],
        taken_at: datetime | None = None,
    ) -> LookRecord:
        """Keep a look, for ever; `taken_at` must be aware and is now if not given."""
        now = datetime.now(UTC)
        if taken_at is not None and taken_at.tzinfo is None:
            raise RegistryError(f"taken_at is {taken_at}, without a time zone. Write datetime(..., tzinfo=UTC).")
        with self._transaction() as session:
            if session.get(Experiment, experiment_id) is None:
                raise _unknown_experiment(session, experiment_id)
            row = Look(
                experiment_id=experiment_id,
                taken_at=taken_at or now,
                verdict=verdict,
                readout=readout,
                lake_versions=dict(lake_versions),
            )
            session.add(row)
            session.flush()
            _note(session, now, None, "look", f"experiment {experiment_id}", {"look": row.id, "verdict": verdict})
            return _look(row)

    def look(self, look_id: int) -> LookRecord:
        with Session(self._engine) as session:
            row = session.get(Look, look_id)
            if row is None:
                raise RegistryError(
                    f"look {look_id} is not in the registry. Take an id that `holdout refresh` printed."
                )
            return _look(row)

    def latest_look(self, experiment_id: str) -> LookRecord | None:
        """The look taken last; of two at the same time the one saved last."""
        newest = select(Look).where(Look.experiment_id == experiment_id).order_by(Look.taken_at.desc(), Look.id.desc())
        with Session(self._engine) as session:
            row = session.scalar(newest.limit(1))
            return None if row is None else _look(row)

    def looks(self, experiment_id: str) -> list[LookRecord]:
        """All looks, newest first, without their readouts."""
        columns = (Look.id, Look.experiment_id, Look.taken_at, Look.verdict, Look.lake_versions)
        chosen = select(*columns).where(Look.experiment_id == experiment_id)
        with Session(self._engine) as session:
            return [LookRecord(*row) for row in session.execute(chosen.order_by(Look.taken_at.desc(), Look.id.desc()))]

    def audit(self, subject: str | None = None) -> list[AuditRecord]:
        """What was done, oldest first; `subject` is like "experiment mens_email"."""
        chosen = select(Audit.at, Audit.actor, Audit.action, Audit.subject, Audit.detail).order_by(Audit.id)
        with Session(self._engine) as session:
            rows = session.execute(chosen if subject is None else chosen.where(Audit.subject == subject))
            return [AuditRecord(*row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        try:
            with Session(self._writing, expire_on_commit=False) as session, session.begin():
                yield session
        except DBAPIError as error:
            raise RegistryError(f"the registry refused: {error.orig}. Nothing was changed.") from error


def _note(session: Session, at: datetime, actor: str | None, action: str, subject: str, detail: dict[str, Any]) -> None:
    session.add(Audit(at=at, actor=actor, action=action, subject=subject, detail=detail))


def _experiment(row: Experiment) -> ExperimentRecord:
    return ExperimentRecord(row.id, row.name, row.owner, row.definition, row.created_at, row.updated_at)


def _look(row: Look) -> LookRecord:
    return LookRecord(row.id, row.experiment_id, row.taken_at, row.verdict, dict(row.lake_versions), row.readout)


def _unknown_experiment(session: Session, id: str) -> RegistryError:
    known = session.scalars(select(Experiment.id)).all()
    return RegistryError(f"experiment {id!r} is not registered.{did_you_mean(id, known)} Save the experiment first.")
