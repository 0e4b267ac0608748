"""The registry: what was decided, and all that was looked at, in SQLite or PostgreSQL."""

from store.registry.records import (
    AuditRecord,
    DecisionRecord,
    ExperimentRecord,
    LookRecord,
    ModelRecord,
    OutcomeRecord,
    TrustRecord,
)
from store.registry.registry import VERDICTS, Registry

__all__ = [
    "VERDICTS",
    "AuditRecord",
    "DecisionRecord",
    "ExperimentRecord",
    "LookRecord",
    "ModelRecord",
    "OutcomeRecord",
    "Registry",
    "TrustRecord",
]
