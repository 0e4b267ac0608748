"""The ranker and the engine on the demo shop: calibration on later days, what the shop earns, CPU a request."""

import copy
import shutil
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.engine.engine import Engine
from recsys.interactions import DAY
from recsys.ranking.fitting import judged_head
from recsys.ranking.labels import shown
from recsys.slate import OUTCOMES, Request
from recsys.surfaces.surface import known_surfaces
from recsys.training.pipeline import train
from recsys.training.recalibration import recalibrate
from recsys.world import Plan, Shop
from recsys.world.served import Served
from store import Workspace

PEOPLE, PLAIN_DAYS, DAYS, MINUTES = 2_000, 60, 88, 0.5
# Days of the engine after which it is mended by its own log.
MENDED = 12
RESULTS = Path(__file__).parent / "results" / "ranking.md"
BATCH, SINGLE = 768, 200


def main(data: Path, repeat: int, peers: bool) -> None:
    """Prints the tables and writes them under results/."""
    del repeat, peers
    folder = data / "ranking"
    shop = _lived(folder)
    both = {name: _live_on(folder, name, shop) for name in ("plain", "engine")}
    lines = [
        "# The ranker and the engine on the demo shop",
        "",
        f"{PEOPLE:,} people; {PLAIN_DAYS} days under the plain policy, then an engine is trained ({MINUTES:g} minutes of CPU for the encoder),",
        f"then {DAYS - PLAIN_DAYS} days are lived twice with the same random numbers: under the plain policy and under the engine,",
        f"which is mended by its own log (`holdout models recalibrate`) after {MENDED} days.",
        "",
        "## Chances that the engine logged, against what happened",
        "",
        "On the days after training, of impressions whose windows are closed; by 15 bins of equal numbers of rows. The floor is the mean",
        "error of exact chances.",
        "",
        *_calibration(both["engine"]),
        "",
        "## What the shop earned on those days",
        "",
        "Both fill the same number of places: 10 on the homepage, 6 on the wishlist, 5 elsewhere.",
        "",
        *_earned(both),
        "",
        "## CPU a request (one thread)",
        "",
        *_cpu(both["engine"]),
    ]
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lived(folder: Path) -> Shop:
    """The shop after its plain days, its facts and its engine in `folder`/shop."""
    shutil.rmtree(folder, ignore_errors=True)
    workspace = Workspace.create(folder / "shop")
    shop = Shop.open(Plan(people=PEOPLE, days=DAYS))
    for name, table in shop.standing().items():
        workspace.lake.append(name, table, source="standing")
    _append(workspace, shop.until(PLAIN_DAYS, shop.plain), "plain days")
    train(workspace, minutes=MINUTES, progress=print)
    return shop


def _live_on(folder: Path, name: str, shop: Shop) -> Workspace:
    workspace = Workspace.open(shutil.copytree(folder / "shop", folder / name))
    shop = copy.deepcopy(shop)
    if name == "plain":
        _append(workspace, shop.until(DAYS, shop.plain), "later days")
        return workspace
    _append(workspace, shop.until(PLAIN_DAYS + MENDED, _served(workspace, shop)), "first days")
    recalibrate(workspace)
    _append(workspace, shop.until(DAYS, _served(workspace, shop)), "mended days")
    return workspace


def _served(workspace: Workspace, shop: Shop) -> Served:
    return Served(Engine.open(workspace, ranked=100), shop.names, shop.setting.draws)


def _append(workspace: Workspace, days: Iterable[dict[str, pa.Table]], source: str) -> None:
    parts: dict[str, list[pa.Table]] = {}
    for day in days:
        for name, table in day.items():
            parts.setdefault(name, []).append(table)
    for name, each in parts.items():
        workspace.lake.append(name, pa.concat_tables(each, promote_options="default"), source=source)


def _later(workspace: Workspace) -> int:
    """When the later days begin, microseconds since 1970."""
    last = workspace.lake.table("events").time.max().to_pyarrow().as_py()
    return (round(last.timestamp() * 1e6) // DAY + 1 - (DAYS - PLAIN_DAYS)) * DAY


def _calibration(workspace: Workspace) -> list[str]:
    log = shown(workspace, since=_later(workspace))
    lines = [
        "| version | surface | outcome | rows | happened | predicted | observed | error | floor | AUC |",
        "|---" * 10 + "|",
    ]
    model, surface = (np.array(column.to_pylist()) for column in (log.model, log.surface))
    user = np.unique(np.array(log.users.to_pylist()), return_inverse=True)[1]
    for version, told in zip(dict.fromkeys(model.tolist()), ("as trained", "mended"), strict=False):
        for name in ("all", *known_surfaces()):
            rows = (model == version) & ((surface == name) | (name == "all"))
            for k, outcome in enumerate(OUTCOMES):
                found = judged_head(log.chances[rows, k], log.labels[rows, k], user[rows])
                cells = _told(found) if found else "too few | | | | | | |"
                lines.append(f"| {told} | {name} | {outcome} | {cells}")
    return lines


def _told(found: dict[str, Any]) -> str:
    rates = f"{100 * found['predicted_rate']:.3f} % | {100 * found['observed_rate']:.3f} %"
    errors = f"{found['calibration_error']:.5f} | {found['calibration_floor']:.5f}"
    return f"{found['rows']:,} | {found['happened']:,} | {rates} | {errors} | {found['auc']:.3f} |"


def _earned(both: dict[str, Workspace]) -> list[str]:
    lines = [
        "| policy | sessions | looks | wishlist | cart | purchases | gifts | refunds | paid | margin |",
        "|---" * 10 + "|",
    ]
    for name, workspace in both.items():
        events = workspace.lake.table("events").to_pyarrow()
        time_ = events["time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        events = events.filter(pc.greater_equal(time_, _later(workspace)))
        counts = {each["values"]: each["counts"] for each in pc.value_counts(events["kind"]).to_pylist()}
        items = workspace.lake.table("items").select(["item_id", "margin"]).to_pyarrow()
        paid = events.filter(pc.is_in(events["kind"], pa.array(["purchase", "gift", "refund"])))
        margin = items["margin"].take(pc.index_in(paid["item_id"], items["item_id"].combine_chunks()))
        earned = pc.sum(pc.multiply(pc.cast(paid["value"], pa.float64()), margin)).as_py()
        kinds = ("session", "view", "wishlist", "cart", "purchase", "gift", "refund")
        cells = [f"{counts.get(kind, 0):,}" for kind in kinds]
        money = [f"{pc.sum(paid['value']).as_py() / 100:,.0f}", f"{earned / 100:,.0f}"]
        lines.append(f"| {name} | " + " | ".join(cells + money) + " |")
    return lines


def _cpu(workspace: Workspace) -> list[str]:
    last = workspace.lake.table("events").time.max().to_pyarrow().as_py() + timedelta(hours=1)
    lines = ["| requests at once | candidates ranked | places | CPU ms a request |", "|---" * 4 + "|"]
    for ranked, at_once in ((300, 1), (100, 1), (100, BATCH)):
        engine = Engine.open(workspace, ranked=ranked)
        users = engine.state.people.acts.users
        requests = [Request(users[k], "homepage", last, seed=k) for k in range(max(at_once, SINGLE))]
        engine.recommend_batch(requests[:10])
        began = time.process_time()
        if at_once == 1:
            for request in requests[:SINGLE]:
                engine.recommend(request)
        else:
            engine.recommend_batch(requests[:at_once])
        spent = 1e3 * (time.process_time() - began) / (SINGLE if at_once == 1 else at_once)
        lines.append(f"| {at_once} | {ranked} | 24 | {spent:.2f} |")
    return lines
