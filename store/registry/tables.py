"""Tables of the registry. A change here needs a migration in migrations/versions/: a test compares the two."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, ForeignKey, Index, MetaData, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Utc(TypeDecorator[datetime]):
    """A time that is aware and UTC on every database; SQLite keeps no offset of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone, expected an aware time. Write datetime(..., tzinfo=UTC).")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    # Named constraints can be dropped by a later migration, on both databases.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: Utc, str: Text, dict[str, Any]: JSON, dict[str, int]: JSON}


class Defined:
    """Something that a person wrote down: its definition is the text of its file."""

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    owner: Mapped[str | None]
    definition: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Experiment(Defined, Base):
    __tablename__ = "experiments"


class Look(Base):
    """Kept for ever: the database itself refuses to change or delete one."""

    __tablename__ = "looks"
    __table_args__ = (Index(None, "experiment_id", "taken_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id"))
    taken_at: Mapped[datetime]
    verdict: Mapped[str]
    readout: Mapped[str]
    lake_versions: Mapped[dict[str, int]]
    segment_history: Mapped[str | None] = mapped_column(deferred=True)


class Decision(Base):
    """What a person decided on a look; kept for ever, as looks are."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id"), index=True)
    look_id: Mapped[int] = mapped_column(ForeignKey("looks.id"))
    verdict: Mapped[str]
    reason: Mapped[str]
    override: Mapped[bool]
    decided_by: Mapped[str]
    decided_at: Mapped[datetime]


class Outcome(Base):
    """What became of a decision; kept for ever, as looks are."""

    __tablename__ = "outcomes"

    id: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id"), index=True)
    what: Mapped[str]
    look_id: Mapped[int | None] = mapped_column(ForeignKey("looks.id"))
    estimate: Mapped[float | None]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime]


class TrustResult(Base):
    """A re-randomisation proof; kept for ever, as looks are."""

    __tablename__ = "trust_results"
    __table_args__ = (Index(None, "experiment_id", "made_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id"))
    made_at: Mapped[datetime]
    result: Mapped[str]
    lake_versions: Mapped[dict[str, int]]


class Monitor(Defined, Base):
    __tablename__ = "monitors"


class Run(Base):
    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    monitor_id: Mapped[str] = mapped_column(ForeignKey("monitors.id"), index=True)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    status: Mapped[str]
    findings: Mapped[dict[str, Any]]


class Alert(Base):
    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    severity: Mapped[str]
    message: Mapped[str]
    raised_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]


class Campaign(Defined, Base):
    __tablename__ = "campaigns"


class Model(Base):
    """A trained model; `status` is serving for at most one version of a name, else ready."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[str]
    artifact: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    card: Mapped[dict[str, Any]]
    lake_versions: Mapped[dict[str, int]]
    code_version: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[datetime]


class Audit(Base):
    """Who did what to which record, and what it was before; kept for ever, as looks are."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str | None]
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    detail: Mapped[dict[str, Any]]
