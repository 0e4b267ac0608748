"""The ranker and the engine on the demo shop: calibration on later days, what the shop earns, CPU a request."""

import copy
import itertools
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.engine.bundle import RANKER
from recsys.engine.engine import Engine
from recsys.facts import place
from recsys.interactions import DAY
from recsys.ranking.fitting import judged_head
from recsys.ranking.labels import Shown, shown
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import CLICK
from recsys.ranking.shifts import taken_out
from recsys.slate import OUTCOMES, Request
from recsys.surfaces.surface import known_surfaces
from recsys.training.cards import LEAST_CALIBRATED
from recsys.training.pipeline import train
from recsys.training.recalibration import recalibrate
from recsys.training.renewal import renew
from recsys.world import Shop, ShopPlan
from recsys.world.demo import RECALIBRATED, RENEWED
from recsys.world.engine_policy import EnginePolicy
from store import Workspace

PEOPLE, PLAIN_DAYS, DAYS, ROUNDS = 4_000, 60, 92, 15
# Days of the engine after which it learns from its own log, as in the demo: the ranker anew, or its chances alone.
LEARNS: dict[int, Callable[[Workspace], object]] = dict.fromkeys(RECALIBRATED, recalibrate) | {RENEWED[0]: renew}
# From then on every kind of learning has happened once.
SETTLED = min(after for after in RECALIBRATED if after > RENEWED[0])
RESULTS = Path(__file__).parent / "results" / "ranking.md"
BATCH, SINGLE = 768, 200


def main(data: Path, repeat: int, peers: bool) -> None:
    """Prints the tables and writes them under results/."""
    del repeat, peers
    folder = data / "ranking"
    shop = _lived(folder)
    plain = _live_on(folder, "plain", shop, {})
    # Opened anew on the same days, so that learning alone is between them.
    left = _live_on(folder, "left", shop, dict.fromkeys(LEARNS, lambda workspace: None))
    learning = _live_on(folder, "learning", shop, LEARNS)
    recalibrated = ", ".join(map(str, RECALIBRATED))
    lines = [
        "# The ranker and the engine on the demo shop",
        "",
        f"{PEOPLE:,} people; {PLAIN_DAYS} days under the plain policy, then an engine is trained ({ROUNDS} rounds of the encoder), then",
        f"{DAYS - PLAIN_DAYS} days are lived three times with the same random numbers: under the plain policy, under the engine left as it was",
        f"trained, and under the engine that learns as in the demo: a new ranker after {RENEWED[0]} days (`holdout models renew`), chances bent to its",
        f"own log after {recalibrated} (`holdout models recalibrate`).",
        "",
        "## Chances that the engine logged, against what happened",
        "",
        "Of each span of days only what was learnt before it is at work: all of it is held out. Of impressions whose windows are closed; by 15",
        "bins of equal numbers of rows, with 95 % margins for what is one person's. The floor is the mean error of exact chances. Heads with fewer",
        f"than {LEAST_CALIBRATED} outcomes are not judged.",
        "",
        *_calibration({"left": left, "learns": learning}),
        "",
        f"### By surface, days {SETTLED + 1} to {DAYS - PLAIN_DAYS}",
        "",
        "The last column is the error of the same chances without what the version added for the surface.",
        "",
        *_by_surface({"left": left, "learns": learning}),
        "",
        f"### Where a click was expected and did not come, days {SETTLED + 1} to {DAYS - PLAIN_DAYS}",
        "",
        "Predicted over observed clicks; the homepage's places, and how often the person had been shown the item before.",
        "",
        *_where({"left": left, "learns": learning}),
        "",
        "## What the shop earned on those days",
        "",
        "All fill the same number of places: 10 on the homepage, 6 on the wishlist, 5 elsewhere.",
        "",
        *_earned({"plain": plain, "engine, left": left, "engine, learns": learning}),
        "",
        "## CPU a request (one thread)",
        "",
        *_cpu(learning),
    ]
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lived(folder: Path) -> Shop:
    """The shop after its plain days, its facts and its engine in `folder`/shop."""
    shutil.rmtree(folder, ignore_errors=True)
    workspace = Workspace.create(folder / "shop")
    shop = Shop.open(ShopPlan(people=PEOPLE, days=DAYS))
    for name, table in shop.standing().items():
        workspace.lake.append(name, table, source="standing")
    _append(workspace, shop.until(PLAIN_DAYS, shop.plain), "plain days")
    train(workspace, rounds=ROUNDS, progress=print)
    return shop


def _live_on(folder: Path, name: str, shop: Shop, learns: Mapping[int, Callable[[Workspace], object]]) -> Workspace:
    workspace = Workspace.open(shutil.copytree(folder / "shop", folder / name))
    shop = copy.deepcopy(shop)
    if name == "plain":
        _append(workspace, shop.until(DAYS, shop.plain), "later days")
        return workspace
    for stop in (*sorted(learns), DAYS - PLAIN_DAYS):
        _append(workspace, shop.until(PLAIN_DAYS + stop, _served(workspace, shop)), f"days to {stop}")
        if stop in learns:
            learns[stop](workspace)
    return workspace


def _served(workspace: Workspace, shop: Shop) -> EnginePolicy:
    return EnginePolicy(Engine.open(workspace, ranked=100), shop.names, shop.setting.draws)


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


@dataclass(frozen=True, slots=True)
class Log:
    """What the engine showed, with the day of its service (from 0), the surface, and how often it was shown before;
    `bare` are the chances without what was added for the surface."""

    shown: Shown
    day: NDArray[np.int64]
    surface: NDArray[np.str_]
    user: NDArray[np.int64]
    before: NDArray[np.int64]
    bare: NDArray[np.float64]

    @classmethod
    def of(cls, workspace: Workspace) -> "Log":
        log = shown(workspace, since=(later := _later(workspace)))
        user, item = (place(ids, ids.unique().to_pylist()) for ids in (log.users, log.items))
        key = user * (int(item.max()) + 1) + item
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        before = np.empty(len(key), np.int64)
        before[order] = np.arange(len(key)) - np.repeat(starts, np.diff(starts, append=len(key)))
        surface = np.array(log.surface.to_pylist())
        return cls(log, (log.time - later) // DAY, surface, user, before, _bare(workspace, log, surface))


def _bare(workspace: Workspace, log: Shown, surface: NDArray[np.str_]) -> NDArray[np.float64]:
    model, bare = np.array(log.model.to_pylist()), log.chances.copy()
    for version in np.unique(model):
        ranker = Ranker.load(workspace.path / "models" / "engine" / version / RANKER)
        rows = model == version
        number = np.array([ranker.surface(name) for name in surface[rows]])
        bare[rows] = taken_out(log.chances[rows], ranker.shifts[number])
    return bare


def _spans() -> list[tuple[int, int]]:
    return list(itertools.pairwise((0, *sorted(LEARNS), DAYS - PLAIN_DAYS)))


def _calibration(arms: Mapping[str, Workspace]) -> list[str]:
    head = "| engine | days | outcome | rows | happened | predicted | observed | error | floor | AUC |"
    lines = [head, "|---" * 10 + "|"]
    for name, workspace in arms.items():
        log = Log.of(workspace)
        for low, high in _spans():
            rows = (log.day >= low) & (log.day < high)
            for k, outcome in enumerate(OUTCOMES):
                lines.append(f"| {name} | {low + 1} to {high} | {outcome} | {_told(log, rows, k)}")
    return lines


def _by_surface(arms: Mapping[str, Workspace]) -> list[str]:
    head = (
        "| engine | surface | outcome | rows | happened | predicted | observed | error | floor | AUC | without shifts |"
    )
    lines = [head, "|---" * 11 + "|"]
    for name, workspace in arms.items():
        log = Log.of(workspace)
        for surface in known_surfaces():
            rows = (log.day >= SETTLED) & (log.surface == surface)
            for k, outcome in enumerate(OUTCOMES):
                lines.append(f"| {name} | {surface} | {outcome} | {_told(log, rows, k)} {_error(log, rows, k)} |")
    return lines


def _error(log: Log, rows: NDArray[np.bool_], outcome: int) -> str:
    """The calibration error of the chances without what was added for the surface."""
    found = judged_head(log.bare[rows, outcome], log.shown.labels[rows, outcome], log.user[rows])
    return f"{found['calibration_error']:.4f}" if found and found["happened"] >= LEAST_CALIBRATED else ""


def _where(arms: Mapping[str, Workspace]) -> list[str]:
    groups = ((1, 1), (2, 2), (3, 4), (5, 6), (7, 10)), ((0, 0), (1, 2), (3, 5), (6, 10), (11, 1_000))
    titles = ["place 1", "place 2", "3 to 4", "5 to 6", "7 to 10", "new", "1 to 2 times", "3 to 5", "6 to 10", "more"]
    lines = ["| engine | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, workspace in arms.items():
        log = Log.of(workspace)
        homepage = (log.day >= SETTLED) & (log.surface == "homepage") & ~np.isnan(log.shown.labels[:, CLICK])
        cells = []
        for values, bounds in zip((log.shown.position, log.before), groups, strict=True):
            for low, high in bounds:
                rows = homepage & (values >= low) & (values <= high)
                p, y = log.shown.chances[rows, CLICK], log.shown.labels[rows, CLICK]
                cells.append(f"{p.mean() / y.mean():.2f}" if y.sum() >= LEAST_CALIBRATED else "too few")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _told(log: Log, rows: NDArray[np.bool_], outcome: int) -> str:
    found = judged_head(log.shown.chances[rows, outcome], log.shown.labels[rows, outcome], log.user[rows])
    if not found or found["happened"] < LEAST_CALIBRATED:
        return "too few | | | | | | |"
    rates = f"{100 * found['predicted_rate']:.3f} % | {100 * found['observed_rate']:.3f} %"
    margin = 1.96 * found["calibration_error_error"]
    errors = f"{found['calibration_error']:.4f} ± {margin:.4f} | {found['calibration_floor']:.4f}"
    return f"{found['rows']:,} | {found['happened']:,} | {rates} | {errors} | {found['auc']:.3f} |"


def _earned(arms: Mapping[str, Workspace]) -> list[str]:
    lines = [
        "| policy | sessions | looks | wishlist | cart | purchases | gifts | refunds | paid | margin |",
        "|---" * 10 + "|",
    ]
    for name, workspace in arms.items():
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
