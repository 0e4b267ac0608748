"""A ranker learnt anew from the log that the engine wrote itself: it shows other things than what it was trained on."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from recsys.encoder.encoder import Encoder
from recsys.engine import MODEL
from recsys.engine.bundle import ENCODER
from recsys.errors import ModelError
from recsys.features.history import History
from recsys.interactions import DAY
from recsys.ranking.labels import shown
from recsys.training.ranking import MOST_ROWS, ranker_of
from recsys.training.successor import next_version, register_successor

if TYPE_CHECKING:
    from store import Workspace
    from store.registry import ModelRecord

DAYS = 28


def renew(
    workspace: "Workspace",
    *,
    days: int = DAYS,
    rows: int = MOST_ROWS,
    use: bool = True,
    progress: Callable[[str], None] = lambda message: None,
) -> "ModelRecord":
    """A new version of the engine that serves: its encoder, and a ranker learnt from what was shown in the last days.

    Recalibration bends chances; this learns what the engine's own slates taught: places that were never shown before,
    counters that grew because the engine shows an item often.

    Args:
        days: of the log, the last ones; never from before the encoder's cut, whose acts it knows too well.
        rows: impressions to learn from, at most.

    Raises:
        ModelError: if no engine with an encoder serves.
        RankerError: if there is too little to learn from.
    """
    record = workspace.registry.serving_model(MODEL)
    if record is None or not (workspace.path / record.artifact / ENCODER).is_dir():
        raise ModelError("no engine that was trained serves, so there is nothing to renew. Train one: holdout train.")
    now = workspace.at(workspace.lake.versions())
    plan = record.card["plan"]
    last = now.lake.table("recommendations").time.max().to_pyarrow().as_py()
    since = plan["cut"] if last is None else max(plan["cut"], round(last.timestamp() * 1_000_000) - days * DAY)
    encoder = Encoder.load(workspace.path / record.artifact / ENCODER)
    version = next_version(workspace, record)
    ranker = ranker_of(
        History.read(now),
        shown(now, since=since),
        encoder,
        version=version,
        rng=np.random.default_rng([plan["seed"], 21, plan["end"]]),
        progress=progress,
        rows=rows,
        to_the_last=True,
    )
    learnt = {"from": record.version, "since": since, "rows": sum(ranker.report["rows"].values())}
    learnt["trained_until"] = ranker.report["trained_until"]
    card = {name: told for name, told in record.card.items() if name != "recalibrated"}
    metrics = {name: told for name, told in record.metrics.items() if name != "recalibrated"}
    return register_successor(
        workspace,
        record,
        ranker,
        metrics=metrics | {"ranker": ranker.report},
        card=card | {"plan": plan | {"lake_versions": now.lake.versions()}, "renewed": learnt},
        reason=f"{version} is {record.version} with a ranker that learnt from its own days" if use else None,
    )
