"""What the registry gives: frozen values, never rows of the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


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
class OutcomeRecord:
    """What became of a decision. `estimate` is the effect as it turned out, where someone measured it.

    `look_id` is the look that shows it, of this experiment or of a later one.
    """

    id: int
    decision_id: int
    what: str
    look_id: int | None
    estimate: float | None
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What a person decided on a look, and what the look itself advised.

    `recommended` and `lake_versions` are those of the look, which can change no more than the decision can;
    `override` says that the look was blocked and that this was known. `superseded_by` is the next decision on the
    experiment, None while this one stands; `outcomes` are in the order of their recording.
    """

    id: int
    experiment_id: str
    look_id: int
    verdict: str
    recommended: str
    lake_versions: dict[str, int]
    reason: str
    override: bool
    decided_by: str
    decided_at: datetime
    superseded_by: int | None
    outcomes: tuple[OutcomeRecord, ...]


@dataclass(frozen=True, slots=True)
class TrustRecord:
    """A re-randomisation proof of an experiment: `result` is JSON, made on the facts at `lake_versions`."""

    id: int
    experiment_id: str
    made_at: datetime
    result: str
    lake_versions: dict[str, int]


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One version of a trained model.

    Attributes:
        artifact: where its files lie, relative to the workspace.
        metrics: what it was measured to do; `card` says what it is, and how it was trained.
        lake_versions: of the facts that it was trained on; `code_version` of what trained it.
        serving: whether it is the version that answers.
    """

    name: str
    version: str
    artifact: str
    metrics: dict[str, Any]
    card: dict[str, Any]
    lake_versions: dict[str, int]
    code_version: str
    serving: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what to which record; `detail` keeps what it was before."""

    at: datetime
    actor: str | None
    action: str
    subject: str
    detail: dict[str, Any]
