"""The models of the registry: which versions there are, and which one serves."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from store.errors import RegistryError, did_you_mean
from store.registry.records import ModelRecord
from store.registry.tables import Audit, Model

READY, SERVING = "ready", "serving"


class ModelRecords:
    """The part of `Registry` that keeps models. Of each name at most one version serves."""

    _engine: Engine

    def _transaction(self) -> AbstractContextManager[Session]:
        raise NotImplementedError

    def save_model(
        self,
        name: str,
        version: str,
        *,
        artifact: str,
        metrics: Mapping[str, Any],
        card: Mapping[str, Any],
        lake_versions: Mapping[str, int],
        code_version: str,
    ) -> ModelRecord:
        """Keep a trained model; it serves only when `use_model` says so.

        Args:
            artifact: where its files lie, relative to the workspace.
            metrics, card: what it was measured to do, and what it is; both must be JSON.
            lake_versions: of the facts that it was trained on.
            code_version: of what trained it.

        Raises:
            RegistryError: if there is such a version already.
        """
        now = datetime.now(UTC)
        with self._transaction() as session:
            if session.scalar(select(Model.id).where(Model.name == name, Model.version == version)) is not None:
                raise RegistryError(f"{name} {version!r} is in the registry already. Give the new one its own version.")
            row = Model(
                name=name,
                version=version,
                artifact=artifact,
                metrics=dict(metrics),
                card=dict(card),
                lake_versions=dict(lake_versions),
                code_version=code_version,
                status=READY,
                created_at=now,
            )
            session.add(row)
            session.flush()
            session.add(_audit(now, None, "train", name, {"version": version}))
            return _record(row)

    def models(self, name: str | None = None) -> list[ModelRecord]:
        """All models, or those of one name, newest first."""
        chosen = select(Model).order_by(Model.created_at.desc(), Model.id.desc())
        with Session(self._engine) as session:
            rows = session.scalars(chosen if name is None else chosen.where(Model.name == name))
            return [_record(row) for row in rows]

    def model(self, name: str, version: str) -> ModelRecord:
        with Session(self._engine) as session:
            return _record(_known(name, version, session.scalars(select(Model).where(Model.name == name)).all()))

    def serving_model(self, name: str) -> ModelRecord | None:
        """The version that serves, None if none was ever told to."""
        with Session(self._engine) as session:
            row = session.scalar(select(Model).where(Model.name == name, Model.status == SERVING))
            return None if row is None else _record(row)

    def use_model(self, name: str, version: str, *, by: str | None = None, reason: str = "") -> ModelRecord:
        """Let a version serve in place of the one that does: a new one, or an old one to roll back to.

        The audit keeps who asked for it, why, and what served before; using what serves already changes nothing.

        Raises:
            RegistryError: if there is no such version.
        """
        now = datetime.now(UTC)
        with self._transaction() as session:
            # The lock makes two that switch at once follow one another; id order keeps them from a deadlock.
            rows = session.scalars(select(Model).where(Model.name == name).order_by(Model.id).with_for_update()).all()
            chosen = _known(name, version, rows)
            before = [row.version for row in rows if row.status == SERVING]
            if before != [version]:
                for row in rows:
                    row.status = SERVING if row is chosen else READY
                detail = {"version": version, "before": before[0] if before else None, "reason": reason}
                session.add(_audit(now, by, "use", name, detail))
            session.flush()
            return _record(chosen)


def _known(name: str, version: str, rows: Sequence[Model]) -> Model:
    for row in rows:
        if row.version == version:
            return row
    known = did_you_mean(version, [row.version for row in rows])
    raise RegistryError(f"{name} {version!r} is not in the registry.{known} `holdout models` lists them.")


def _audit(at: datetime, actor: str | None, action: str, name: str, detail: dict[str, Any]) -> Audit:
    return Audit(at=at, actor=actor, action=action, subject=f"model {name}", detail=detail)


def _record(row: Model) -> ModelRecord:
    return ModelRecord(
        row.name,
        row.version,
        row.artifact,
        dict(row.metrics),
        dict(row.card),
        dict(row.lake_versions),
        row.code_version,
        row.status == SERVING,
        row.created_at,
    )
