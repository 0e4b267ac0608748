"""A version of the engine that is another with a new ranker."""

import shutil
from typing import TYPE_CHECKING, Any

from recsys.engine import MODEL
from recsys.engine.bundle import RANKER
from recsys.files import whole_folder
from recsys.ranking.ranker import Ranker

if TYPE_CHECKING:
    from store import Workspace
    from store.registry import ModelRecord


def next_version(workspace: "Workspace", record: "ModelRecord") -> str:
    """The version's name with a number after it that is not taken."""
    base = record.version.split("+")[0]
    taken = {each.version for each in workspace.registry.models(MODEL)}
    return next(name for k in range(1, len(taken) + 2) if (name := f"{base}+{k}") not in taken)


def register_successor(
    workspace: "Workspace",
    record: "ModelRecord",
    ranker: Ranker,
    *,
    metrics: dict[str, Any],
    card: dict[str, Any],
    reason: str | None,
) -> "ModelRecord":
    """Write and register a version named as the ranker: all else is that of `record`.

    Args:
        reason: why it serves from now on; None leaves the version that serves.
    """
    made = workspace.registry.save_model(
        MODEL,
        ranker.version,
        artifact=_written(workspace, record, ranker),
        metrics=metrics,
        card=card,
        lake_versions=workspace.lake.versions(),
        code_version=record.code_version,
    )
    if reason is None:
        return made
    return workspace.registry.use_model(MODEL, ranker.version, by="holdout models", reason=reason)


def _written(workspace: "Workspace", record: "ModelRecord", ranker: Ranker) -> str:
    """The folder of the new version, relative to the workspace: the old one's files and the new ranker."""
    old = workspace.path / record.artifact
    target = old.with_name(ranker.version)
    with whole_folder(target) as beside:
        shutil.copytree(
            old, beside, ignore=lambda folder, names: [RANKER] if folder == str(old) else [], dirs_exist_ok=True
        )
        ranker.save(beside / RANKER)
    return str(target.relative_to(workspace.path))
