"""Reads and writes the records."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from store.errors import RegistryError, did_you_mean
from store.registry.database import open_database
from store.registry.model_records import ModelRecords
from store.registry.records import (
    AuditRecord,
    DecisionRecord,
    ExperimentRecord,
    LookRecord,
    OutcomeRecord,
    TrustRecord,
)
from store.registry.tables import Audit, Decision, Experiment, Look, Outcome, TrustResult

VERDICTS = ("ship", "keep_running", "stop", "review")
"""What a person can decide; a look can also be blocked."""


# A larger lift is one in percent, or a slip.
LARGEST_LIFT = 100


class Registry(ModelRecords):
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
            return _experiment(_known(session, id))

    def save_look(
        self,
        experiment_id: str,
        *,
        readout: str,
        verdict: str,
        lake_versions: dict[str, int],
        segment_history: str | None = None,
        taken_at: datetime | None = None,
    ) -> LookRecord:
        """Keep a look, for ever; `taken_at` must be aware and is now if not given.

        `readout` is what every reader needs; `segment_history` what only `segment_history()` gives back.
        """
        now = datetime.now(UTC)
        with self._transaction() as session:
            _known(session, experiment_id)
            row = Look(
                experiment_id=experiment_id,
                taken_at=_aware("taken_at", taken_at, now),
                verdict=verdict,
                readout=readout,
                segment_history=segment_history,
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
                raise _unknown_look(look_id)
            return _look(row)

    def look_of(self, experiment_id: str, look_id: int | None = None) -> LookRecord:
        """A look of an experiment, the latest if none is named; one of another experiment is refused."""
        looks = [each.id for each in self.looks(self.experiment(experiment_id).id)]
        if not looks:
            raise RegistryError(f"experiment {experiment_id!r} has no look. Take one with `holdout refresh`.")
        if look_id is not None and look_id not in looks:
            raise RegistryError(f"look {look_id} is not of {experiment_id!r}; the latest of its own is {looks[0]}.")
        return self.look(look_id or looks[0])

    def segment_history(self, look_id: int) -> str | None:
        """The second part of a look's readout; None where the first is all of it."""
        with Session(self._engine) as session:
            row = session.execute(select(Look.segment_history).where(Look.id == look_id)).one_or_none()
            if row is None:
                raise _unknown_look(look_id)
            return row[0]

    def latest_look(self, experiment_id: str) -> LookRecord | None:
        """The look taken last; of two at the same time the one saved last."""
        newest = select(Look).where(Look.experiment_id == experiment_id).order_by(Look.taken_at.desc(), Look.id.desc())
        with Session(self._engine) as session:
            row = session.scalar(newest.limit(1))
            return None if row is None else _look(row)

    def latest_look_ids(self) -> dict[str, int]:
        """The id of `latest_look` for every experiment that has one."""
        order = (Look.taken_at.desc(), Look.id.desc())
        place = func.row_number().over(partition_by=Look.experiment_id, order_by=order).label("place")
        looks = select(Look.experiment_id, Look.id, place).subquery()
        with Session(self._engine) as session:
            chosen = select(looks.c.experiment_id, looks.c.id).where(looks.c.place == 1)
            return {experiment: look for experiment, look in session.execute(chosen)}

    def looks(self, experiment_id: str) -> list[LookRecord]:
        """All looks, newest first, without their readouts."""
        columns = (Look.id, Look.experiment_id, Look.taken_at, Look.verdict, Look.lake_versions)
        chosen = select(*columns).where(Look.experiment_id == experiment_id)
        with Session(self._engine) as session:
            return [LookRecord(*row) for row in session.execute(chosen.order_by(Look.taken_at.desc(), Look.id.desc()))]

    def decide(
        self, experiment_id: str, look_id: int, verdict: str, *, reason: str, decided_by: str, override: bool = False
    ) -> DecisionRecord:
        """Keep what a person decided on a look, for ever; a later decision on the experiment supersedes it.

        Raises:
            RegistryError: if `verdict` is not in VERDICTS, the reason or the name is empty, the look is not one of this
                experiment, or `override` is not exactly whether the look is blocked.
        """
        if verdict not in VERDICTS:
            raise RegistryError(f"verdict {verdict!r} cannot be decided.{did_you_mean(verdict, VERDICTS)}")
        reason, decided_by = _said("reason", reason), _said("name of who decides", decided_by)
        with self._transaction() as session:
            # The lock gives decisions on one experiment the same order by id and by time.
            _known(session, experiment_id, lock=True)
            look = session.execute(select(Look.experiment_id, Look.verdict).where(Look.id == look_id)).one_or_none()
            if look is None:
                raise _unknown_look(look_id)
            _check_look(look_id, look.experiment_id, look.verdict, experiment_id, override)
            now = datetime.now(UTC)
            row = Decision(
                experiment_id=experiment_id,
                look_id=look_id,
                verdict=verdict,
                reason=reason,
                override=override,
                decided_by=decided_by,
                decided_at=now,
            )
            session.add(row)
            session.flush()
            detail = {"decision": row.id, "verdict": verdict, "look": look_id, "recommended": look.verdict}
            _note(session, now, decided_by, "decide", f"experiment {experiment_id}", detail)
            return _decisions(session, Decision.id == row.id)[0]

    def record_outcome(
        self,
        decision_id: int,
        what: str,
        *,
        recorded_by: str,
        look_id: int | None = None,
        estimate: float | None = None,
    ) -> OutcomeRecord:
        """Keep what became of a decision, for ever; there may be several.

        Raises:
            RegistryError: if there is no such decision or look, a text is empty, or the estimate is no lift.
        """
        what, recorded_by = _said("outcome", what), _said("name of who records", recorded_by)
        if estimate is not None and not -1 <= estimate <= LARGEST_LIFT:
            raise RegistryError(
                f"the estimate is {estimate}, must be a lift from -1 to {LARGEST_LIFT}: 0.02 is +2 %. Leave it out if "
                "unknown."
            )
        now = datetime.now(UTC)
        with self._transaction() as session:
            decision = session.get(Decision, decision_id)
            if decision is None:
                raise RegistryError(
                    f"decision {decision_id} is not in the registry. Take an id that `holdout decisions` prints."
                )
            if look_id is not None and session.scalar(select(Look.id).where(Look.id == look_id)) is None:
                raise _unknown_look(look_id)
            row = Outcome(
                decision_id=decision_id,
                what=what,
                look_id=look_id,
                estimate=estimate,
                recorded_by=recorded_by,
                recorded_at=now,
            )
            session.add(row)
            session.flush()
            detail = {"decision": decision_id, "outcome": row.id}
            _note(session, now, recorded_by, "outcome", f"experiment {decision.experiment_id}", detail)
            return _outcome(row)

    def decisions(self, experiment_id: str | None = None) -> list[DecisionRecord]:
        """All decisions, or those on one experiment, newest first, with their outcomes."""
        with Session(self._engine) as session:
            return _decisions(session, true() if experiment_id is None else Decision.experiment_id == experiment_id)

    def save_trust(
        self, experiment_id: str, result: str, *, lake_versions: dict[str, int], made_at: datetime | None = None
    ) -> TrustRecord:
        """Keep a re-randomisation proof, for ever; `made_at` must be aware and is now if not given."""
        now = datetime.now(UTC)
        with self._transaction() as session:
            _known(session, experiment_id)
            row = TrustResult(
                experiment_id=experiment_id,
                made_at=_aware("made_at", made_at, now),
                result=result,
                lake_versions=dict(lake_versions),
            )
            session.add(row)
            session.flush()
            _note(session, now, None, "trust", f"experiment {experiment_id}", {"trust": row.id})
            return _trust(row)

    def latest_trust(self, experiment_id: str) -> TrustRecord | None:
        """The proof made last; of two at the same time the one saved last."""
        mine = select(TrustResult).where(TrustResult.experiment_id == experiment_id)
        with Session(self._engine) as session:
            row = session.scalar(mine.order_by(TrustResult.made_at.desc(), TrustResult.id.desc()).limit(1))
            return None if row is None else _trust(row)

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


def _trust(row: TrustResult) -> TrustRecord:
    return TrustRecord(row.id, row.experiment_id, row.made_at, row.result, dict(row.lake_versions))


def _outcome(row: Outcome) -> OutcomeRecord:
    return OutcomeRecord(row.id, row.decision_id, row.what, row.look_id, row.estimate, row.recorded_by, row.recorded_at)


def _decisions(session: Session, where: ColumnElement[bool]) -> list[DecisionRecord]:
    """Decisions, newest first; `where` must keep with a decision the later ones on its experiment."""
    outcomes: dict[int, list[OutcomeRecord]] = {}
    for outcome in session.scalars(select(Outcome).join(Decision).where(where).order_by(Outcome.id)):
        outcomes.setdefault(outcome.decision_id, []).append(_outcome(outcome))
    successor = func.lead(Decision.id).over(partition_by=Decision.experiment_id, order_by=Decision.id)
    columns = (
        *(Decision.id, Decision.experiment_id, Decision.look_id, Decision.verdict, Look.verdict, Look.lake_versions),
        *(Decision.reason, Decision.override, Decision.decided_by, Decision.decided_at, successor),
    )
    found = session.execute(select(*columns).join(Look).where(where).order_by(Decision.id.desc()))
    return [DecisionRecord(*(*row, tuple(outcomes.get(row[0], ())))) for row in found]


def _check_look(look_id: int, of: str, verdict: str, experiment_id: str, override: bool) -> None:
    """That a look belongs to the experiment, and is overridden exactly if it is blocked."""
    if of != experiment_id:
        raise RegistryError(f"look {look_id} is of {of!r}, not of {experiment_id!r}. Decide on a look of its own.")
    if verdict == "blocked" and not override:
        raise RegistryError(
            f"look {look_id} of {experiment_id!r} is blocked by a failed health check. Mend the cause and refresh, or "
            "say that you override it."
        )
    if override and verdict != "blocked":
        raise RegistryError(
            f"look {look_id} of {experiment_id!r} is not blocked, it says {verdict}. Decide without override."
        )


def _said(what: str, text: str) -> str:
    if not text.strip():
        raise RegistryError(f"the {what} is empty. Write it down: it is kept for ever.")
    return text.strip()


def _aware(name: str, time: datetime | None, now: datetime) -> datetime:
    if time is not None and time.tzinfo is None:
        raise RegistryError(f"{name} is {time}, without a time zone. Write datetime(..., tzinfo=UTC).")
    return time or now


def _unknown_look(look_id: int) -> RegistryError:
    return RegistryError(f"look {look_id} is not in the registry. Take an id that `holdout refresh` printed.")


def _known(session: Session, id: str, *, lock: bool = False) -> Experiment:
    row = session.get(Experiment, id, with_for_update=lock)
    if row is None:
        known = session.scalars(select(Experiment.id)).all()
        raise RegistryError(f"experiment {id!r} is not registered.{did_you_mean(id, known)} Refresh its file first.")
    return row
