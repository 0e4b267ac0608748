"""A shop of a million items with a whole engine, for measuring: real files, made-up numbers.

Vectors lie in 2,000 clusters as trained ones do (_vectors.py). The transformer's weights are drawn, its blocks scaled down
so that a person's vector lies near the items of the history, as a trained one's does; the ranker is trained for an epoch on
made-up impressions. Every size is that of a trained engine, so the time and memory that serving takes are.
"""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from recsys.encoder.encoder import Encoder
from recsys.encoder.shape import Shape
from recsys.engine import MODEL
from recsys.engine.bundle import ENCODER, LINEAR, RANKER
from recsys.engine.neighbours import Neighbours
from recsys.engine.scoring import RANKED_BY
from recsys.facts import interactions
from recsys.ranking.experts_training import Recipe
from recsys.ranking.fitting import fit_ranker
from recsys.ranking.rows import Impressions, Rows
from recsys.slate import OUTCOMES
from recsys.surfaces.surface import known_surfaces
from store import Workspace
from tests.benchmarks._vectors import vectors

ITEMS, USERS, HISTORY, FRIENDS, VERSION = 1_000_000, 20_000, 50, 40_000, "3"
KINDS = ("view", "view", "view", "wishlist", "cart", "purchase")
DAY = 86_400_000_000


def ensure(data: Path, items: int = ITEMS) -> Workspace:
    """The workspace, made if it is not there."""
    folder = data / f"serving-{items}-{VERSION}"
    done = folder / "done"
    if not done.exists():
        workspace = Workspace.create(folder)
        rng = np.random.default_rng(11)
        now = int(np.datetime64("now", "us").astype(np.int64))
        _facts(workspace, items, now, rng)
        _engine(workspace, data, items, rng)
        done.touch()
    _ranker(folder / "models" / "engine" / VERSION / RANKER)
    return Workspace.open(folder)


def user(number: int) -> str:
    return f"u{number:07}"


def _facts(workspace: Workspace, items: int, now: int, rng: np.random.Generator) -> None:
    ids = [f"g{number:07}" for number in range(items)]
    released = now - rng.integers(0, 5 * 365, items) * DAY
    table = {
        "item_id": ids,
        "title": [f"Game {number}" for number in range(items)],
        "publisher": [f"Publisher {number}" for number in rng.integers(0, 5_000, items)],
        "category": [f"Category {number}" for number in rng.integers(0, 30, items)],
        "first_party": rng.random(items) < 0.02,
        "list_price": rng.integers(1, 60, items) * 100 - 1,
        "released": pa.array(released, pa.timestamp("us", "UTC")),
        "margin": rng.uniform(0.1, 0.5, items),
        "age_rating": pa.array(rng.choice([0, 3, 7, 12, 16, 18], items), pa.int32()),
    }
    workspace.lake.append("items", pa.table(table), source="items")
    people = [user(number) for number in range(USERS)]
    country, platform = rng.choice(["DE", "US", "JP", "BR"], USERS), rng.choice(["desktop", "mobile"], USERS)
    age = pa.array(rng.integers(16, 60, USERS), pa.int32())
    users = pa.table({"user_id": people, "country": country, "platform": platform, "age": age})
    workspace.lake.append("users", users, source="users")
    workspace.lake.append("events", _events(ids, people, now, rng), source="events")
    one, other = rng.integers(0, USERS, (2, FRIENDS))
    pairs = {"user_id": [people[k] for k in one], "friend_id": [people[k] for k in other]}
    workspace.lake.append("friendships", pa.table(pairs), source="friendships")


def _events(ids: list[str], people: list[str], now: int, rng: np.random.Generator) -> pa.Table:
    """HISTORY acts of each person in the last 60 days; some items are far more popular than others."""
    count = USERS * HISTORY
    place = np.minimum((len(ids) * rng.random(count) ** 3).astype(np.int64), len(ids) - 1)
    item = rng.permutation(len(ids))[place]
    kind = rng.choice(KINDS, count)
    return pa.table(
        {
            "unit_id": [people[k] for k in np.repeat(np.arange(USERS), HISTORY)],
            "time": pa.array(now - rng.integers(1, 60 * DAY, count), pa.timestamp("us", "UTC")),
            "kind": kind,
            "item_id": [ids[k] for k in item],
            "value": pa.array(np.where(kind == "purchase", 999, 0), pa.int64(), mask=kind != "purchase"),
        }
    )


def _engine(workspace: Workspace, data: Path, items: int, rng: np.random.Generator) -> None:
    folder = workspace.path / "models" / "engine" / VERSION
    folder.mkdir(parents=True)
    acts = interactions(workspace)
    shape = Shape()
    encoder = Encoder.untrained(acts.items, shape=shape, rng=rng)
    for name in encoder.weights:
        if "mix.weight" in name or "narrow.weight" in name:
            encoder.weights[name][:] *= 0.2
    encoder.vectors[:] = vectors(data, items, "overlapping")[0]
    encoder.save(folder / ENCODER)
    Neighbours.of(acts).save(folder / LINEAR)
    saved = {"metrics": {}, "card": {}, "lake_versions": {}, "code_version": VERSION}
    workspace.registry.save_model(MODEL, VERSION, artifact=str(folder.relative_to(workspace.path)), **saved)
    workspace.registry.use_model(MODEL, VERSION)


def _ranker(folder: Path) -> None:
    """Made anew each time: its form changes more often than the rest, and it takes seconds."""
    rng = np.random.default_rng(12)
    shutil.rmtree(folder, ignore_errors=True)
    surfaces = tuple(known_surfaces())
    fit_ranker(_impressions(rng), RANKED_BY, surfaces, version=VERSION, rng=rng, recipe=Recipe(epochs=1)).save(folder)


def _impressions(rng: np.random.Generator, rows: int = 20_000) -> Impressions:
    features = rng.normal(size=(rows, len(RANKED_BY))).astype(np.float32)
    surface, position = rng.integers(0, len(known_surfaces()), rows), rng.integers(1, 25, rows)
    click = rng.random(rows) < 0.3 / (1 + 0.05 * position)
    labels = np.stack([click & (rng.random(rows) < 0.5) for _ in OUTCOMES], axis=1)
    labels[:, 0] = click
    labels[:, OUTCOMES.index("refund")] &= labels[:, OUTCOMES.index("purchase")]
    times = np.sort(rng.integers(0, 10**12, rows))
    return Impressions(
        Rows(features, surface, position), labels.astype(np.float32), times, rng.integers(0, rows // 20, rows)
    )
