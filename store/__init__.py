"""Floor 1: what happened (facts, in the lake) and what was decided (records, in the registry)."""

from typing import TYPE_CHECKING, Any

from store.errors import (
    AssignmentError,
    ContractError,
    IngestError,
    LakeError,
    RegistryError,
    StoreError,
    WorkspaceError,
)

if TYPE_CHECKING:
    from store.assignment import Assignment
    from store.assignment_file import load_assignments
    from store.contract import Contract
    from store.ingest import ImportReport, import_files
    from store.lake import Lake
    from store.workspace import Workspace

__all__ = [
    "Assignment",
    "AssignmentError",
    "Contract",
    "ContractError",
    "ImportReport",
    "IngestError",
    "Lake",
    "LakeError",
    "RegistryError",
    "StoreError",
    "Workspace",
    "WorkspaceError",
    "import_files",
    "load_assignments",
]

_LAZY = {
    "Assignment": "store.assignment",
    "Contract": "store.contract",
    "ImportReport": "store.ingest",
    "Lake": "store.lake",
    "Workspace": "store.workspace",
    "import_files": "store.ingest",
    "load_assignments": "store.assignment_file",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'store' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
