"""The registry: what was decided, and all that was looked at, in SQLite or PostgreSQL."""

from store.registry.records import AuditRecord, ExperimentRecord, LookRecord, Registry

__all__ = ["AuditRecord", "ExperimentRecord", "LookRecord", "Registry"]
