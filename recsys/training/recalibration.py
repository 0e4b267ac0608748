"""An engine changes what people see, and so what they do: its chances are mended by what it logged itself."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.engine import MODEL
from recsys.engine.bundle import RANKER
from recsys.errors import ModelError
from recsys.facts import place
from recsys.interactions import DAY
from recsys.ranking.calibration import IDENTITY, Curve, chained, fitted, log_loss
from recsys.ranking.fitting import judged_head
from recsys.ranking.labels import Shown, shown
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import CLICK
from recsys.slate import OUTCOMES
from recsys.training.successor import next_version, register_successor

if TYPE_CHECKING:
    from store import Workspace
    from store.registry import ModelRecord

DAYS = 21
# The last part of the log is held out: a curve that does not do better on it is not used.
HELD_OUT = 0.3
LEAST_CLICKS = 500
# A day counts half as much as one so many days later: people, deals and what they have seen before move on.
HALF_LIFE = 3 * DAY


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
    users = place(log.users, log.users.unique().to_pylist())
    found = [_better(log, users, k) for k in range(len(OUTCOMES))]
    if all(curve is None for curve, _ in found):
        return None
    version = next_version(workspace, record)
    curves = tuple(
        old if new is None else chained(old, new) for old, (new, _) in zip(ranker.curves, found, strict=True)
    )
    told = {outcome: each for outcome, (_, each) in zip(OUTCOMES, found, strict=True)}
    report = {**ranker.report, "recalibrated": {"from": record.version, "rows": len(log), "heads": told}}
    return register_successor(
        workspace,
        record,
        replace(ranker, curves=curves, version=version, report=report),
        metrics={**record.metrics, "recalibrated": told},
        card={**record.card, "recalibrated": {"from": record.version, "rows": len(log), "clicks": clicks}},
        reason=f"{version} is {record.version} with chances as its own log has them" if use else None,
    )


def as_served(workspace: "Workspace", version: str, *, days: int = DAYS) -> dict[str, dict[str, Any] | None]:
    """How the chances did that a version logged in the last days, by outcome, as far as windows are closed.

    They were logged before anything followed: no fit has seen it. Empty where the version logged nothing; None for an
    outcome of which too little is known.
    """
    log = _own_log(workspace, version, days)
    if not len(log):
        return {}
    users = place(log.users, log.users.unique().to_pylist())
    return {outcome: judged_head(log.chances[:, k], log.labels[:, k], users) for k, outcome in enumerate(OUTCOMES)}


def _own_log(workspace: "Workspace", version: str, days: int) -> Shown:
    """What this version showed in the last days, with its chances."""
    import pyarrow.compute as pc

    last = workspace.lake.table("recommendations").time.max().to_pyarrow().as_py()
    since = None if last is None else round(last.timestamp() * 1_000_000) - days * DAY
    log = shown(workspace, since=since)
    own = np.asarray(pc.fill_null(pc.equal(log.model, version), False).to_numpy(), bool)
    own &= np.isfinite(log.chances).all(axis=1)
    return log.take(own)


def _better(log: Shown, users: NDArray[np.int64], outcome: int) -> tuple[Curve | None, dict[str, Any] | None]:
    """A curve that does better on the later part of the log, and how both did there, as far as windows are closed;
    None where there is none. What came early counts for outcomes whose windows are open."""
    known = log.early.weight[:, outcome] > 0
    p, y = log.chances[known, outcome], log.early.happened[known, outcome]
    who, when = users[known], log.time[known]
    weight = log.early.weight[known, outcome] * np.exp2((when - log.time[-1]) / HALF_LIFE)
    if not len(p):
        return None, None
    later = when >= np.quantile(when, 1 - HELD_OUT, method="higher")
    early = ~later
    curve = fitted(p[early], y[early], who[early], weight[early]) if later.any() and early.any() else IDENTITY
    losses = [log_loss(each, y[later], weight[later]) for each in (p[later], curve(p[later]))]
    if curve.method == "identity" or losses[1] >= losses[0]:
        return None, None
    labels = log.labels[known, outcome][later]
    before, after = (judged_head(each, labels, who[later]) for each in (p[later], curve(p[later])))
    return fitted(p, y, who, weight), {"before": before, "after": after}
