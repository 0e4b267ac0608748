"""An engine changes what people see, and so what they do: its chances are mended by what it logged itself."""

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.engine import MODEL
from recsys.engine.bundle import RANKER
from recsys.errors import ModelError
from recsys.files import whole_folder
from recsys.interactions import DAY
from recsys.ranking.calibration import IDENTITY, Curve, chained, fitted, log_loss
from recsys.ranking.fitting import judged_head
from recsys.ranking.labels import Shown, shown
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import CLICK
from recsys.slate import OUTCOMES

if TYPE_CHECKING:
    from store import Workspace
    from store.registry import ModelRecord

DAYS = 21
# The last part of the log is held out: a curve that does not do better on it is not used.
HELD_OUT = 0.3
LEAST_CLICKS = 500


def recalibrate(workspace: "Workspace", *, days: int = DAYS, use: bool = True) -> "ModelRecord | None":
    """A new version of the engine that serves, with its chances bent to what followed from its own slates.

    Curves are fitted to the earlier part of what this version logged in the last `days`, and kept where they do better
    on the later part; then they are fitted to all of it.

    Returns:
        The new version, which serves if `use`; None where the log holds too little, or no outcome gains.

    Raises:
        ModelError: if no engine serves, or it has no ranker.
    """
    record = workspace.registry.serving_model(MODEL)
    if record is None or not (workspace.path / record.artifact / RANKER).is_dir():
        raise ModelError("no engine with a ranker serves, so there are no chances to mend. Train one: holdout train.")
    ranker = Ranker.load(workspace.path / record.artifact / RANKER)
    log = _own_log(workspace, record.version, days)
    clicks = int(np.nansum(log.labels[:, CLICK])) if len(log) else 0
    if clicks < LEAST_CLICKS:
        return None
    users = np.unique(np.array(log.users.to_pylist()), return_inverse=True)[1]
    found = [_better(log.chances[:, k], log.labels[:, k], users, log.time) for k in range(len(OUTCOMES))]
    if all(curve is None for curve, _ in found):
        return None
    version = _next(workspace, record.version)
    curves = tuple(
        old if new is None else chained(old, new) for old, (new, _) in zip(ranker.curves, found, strict=True)
    )
    told = {outcome: each for outcome, (_, each) in zip(OUTCOMES, found, strict=True)}
    report = {**ranker.report, "recalibrated": {"from": record.version, "rows": len(log), "heads": told}}
    artifact = _written(workspace, record, replace(ranker, curves=curves, version=version, report=report), version)
    made = workspace.registry.save_model(
        MODEL,
        version,
        artifact=artifact,
        metrics={**record.metrics, "recalibrated": told},
        card={**record.card, "recalibrated": {"from": record.version, "rows": len(log), "clicks": clicks}},
        lake_versions=workspace.lake.versions(),
        code_version=record.code_version,
    )
    if use:
        reason = f"{version} is {record.version} with chances as its own log has them"
        made = workspace.registry.use_model(MODEL, version, by="recalibration", reason=reason)
    return made


def _own_log(workspace: "Workspace", version: str, days: int) -> Shown:
    """What this version showed in the last days, with its chances."""
    import pyarrow.compute as pc

    last = workspace.lake.table("recommendations").time.max().to_pyarrow().as_py()
    since = None if last is None else round(last.timestamp() * 1_000_000) - days * DAY
    log = shown(workspace, since=since)
    own = np.asarray(pc.fill_null(pc.equal(log.model, version), False).to_numpy(), bool)
    own &= np.isfinite(log.chances).all(axis=1)
    return log.take(own)


def _better(
    chances: NDArray[np.float64], labels: NDArray[np.float32], users: NDArray[np.int64], time: NDArray[np.int64]
) -> tuple[Curve | None, dict[str, Any] | None]:
    """A curve that does better on the later part of the rows, and how both did there; None where there is none."""
    known = ~np.isnan(labels)
    p, y, who, when = chances[known], labels[known], users[known], time[known]
    if not len(p):
        return None, None
    later = when >= np.quantile(when, 1 - HELD_OUT, method="higher")
    curve = fitted(p[~later], y[~later], who[~later]) if later.any() and (~later).any() else IDENTITY
    if curve.method == "identity" or log_loss(curve(p[later]), y[later]) >= log_loss(p[later], y[later]):
        return None, None
    before, after = (judged_head(each, y[later], who[later]) for each in (p[later], curve(p[later])))
    return fitted(p, y, who), {"before": before, "after": after}


def _next(workspace: "Workspace", version: str) -> str:
    """The version's name with a number after it that is not taken."""
    base = version.split("+")[0]
    taken = {each.version for each in workspace.registry.models(MODEL)}
    return next(name for k in range(1, len(taken) + 2) if (name := f"{base}+{k}") not in taken)


def _written(workspace: "Workspace", record: "ModelRecord", ranker: Ranker, version: str) -> str:
    """The folder of the new version, relative to the workspace: the old one's files and the new ranker."""
    old = workspace.path / record.artifact
    target = old.with_name(version)
    with whole_folder(target) as beside:
        shutil.copytree(
            old, beside, ignore=lambda folder, names: [RANKER] if folder == str(old) else [], dirs_exist_ok=True
        )
        ranker.save(beside / RANKER)
    return str(target.relative_to(workspace.path))
