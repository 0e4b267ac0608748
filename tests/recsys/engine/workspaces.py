"""Small shops in workspaces, lived once and kept for all tests of one process."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from recsys.catalogue import Catalogue
from recsys.encoder.content import BUCKETS, contents_of
from recsys.encoder.encoder import Encoder
from recsys.encoder.shape import Shape
from recsys.engine import MODEL
from recsys.engine.bundle import ENCODER, LINEAR, RANKER
from recsys.engine.neighbours import Neighbours
from recsys.engine.scoring import RANKED_BY
from recsys.facts import interactions
from recsys.ranking.experts_training import Recipe
from recsys.ranking.fitting import fit_ranker
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import Impressions, Rows
from recsys.surfaces.surface import known_surfaces
from recsys.world import Shop, ShopPlan
from store import Workspace

VERSION = "trained"


@cache
def a_shop() -> Workspace:
    """400 people after 12 days under the plain policy."""
    workspace = Workspace.create(Path(tempfile.mkdtemp(prefix="holdout-tests-")) / "shop")
    shop = Shop.open(ShopPlan(people=400, days=12))
    for name, table in shop.standing().items():
        workspace.lake.append(name, table, source="standing")
    parts: dict[str, list[pa.Table]] = {}
    for day in shop.until(12, shop.plain):
        for name, table in day.items():
            parts.setdefault(name, []).append(table)
    for name, each in parts.items():
        workspace.lake.append(name, pa.concat_tables(each, promote_options="default"), source="days")
    return workspace


@cache
def a_trained_shop() -> Workspace:
    """The same with an engine that was hardly trained: its numbers are of no use, its shape is whole."""
    workspace = Workspace.open(shutil.copytree(a_shop().path, a_shop().path.with_name("trained")))
    folder = workspace.path / "models" / "engine" / VERSION
    folder.mkdir(parents=True)
    acts, catalogue = interactions(workspace), Catalogue.read(workspace)
    contents = contents_of(catalogue, np.arange(len(catalogue)), int(acts.time.max()))
    shape = Shape(features=BUCKETS, length=20, blocks=1, hidden=32)
    Encoder.untrained(catalogue.ids, contents, shape=shape, rng=np.random.default_rng(1)).save(folder / ENCODER)
    Neighbours.of(acts).save(folder / LINEAR)
    a_ranker().save(folder / RANKER)
    workspace.registry.save_model(
        MODEL,
        VERSION,
        artifact=str(folder.relative_to(workspace.path)),
        metrics={},
        card={},
        lake_versions={},
        code_version="test",
    )
    workspace.registry.use_model(MODEL, VERSION)
    return workspace


@cache
def a_ranker() -> Ranker:
    """Trained on made-up impressions of the engine's features."""
    rng = np.random.default_rng(2)
    made = made_up(rng, 3_000, len(RANKED_BY), len(known_surfaces()))
    recipe = Recipe(epochs=1, width=16, narrow=8, tower=8)
    return fit_ranker(made, RANKED_BY, tuple(known_surfaces()), version=VERSION, rng=rng, recipe=recipe)


def made_up(rng: np.random.Generator, rows: int, features: int, surfaces: int) -> Impressions:
    """Impressions whose click depends on the first features, the surface and the position; refunds are the rarest."""
    x = rng.normal(size=(rows, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.02] = np.nan
    surface, position = rng.integers(0, surfaces, rows), rng.integers(1, 25, rows)
    z = np.nan_to_num(x)

    def happens(parent: np.ndarray, base: float, column: int) -> np.ndarray:
        return parent & (rng.random(rows) < 1 / (1 + np.exp(-(base + z[:, column]))))

    click = happens(np.ones(rows, bool), -1.0, 0) & (rng.random(rows) < 1 / (1 + 0.05 * position))
    cart = happens(click, -0.5, 1)
    purchase = happens(cart, 0.0, 2)
    labels = [click, happens(click, -1.5, 3), cart, purchase, happens(click, -3.0, 4), happens(purchase, -2.0, 5)]
    return Impressions(
        Rows(x, surface, position),
        np.stack(labels, axis=1).astype(np.float32),
        np.sort(rng.integers(0, 10**12, rows)),
        rng.integers(0, max(rows // 20, 1), rows),
    )


def an_empty_workspace(folder: Path) -> Workspace:
    return Workspace.create(folder / "empty")


def after(workspace: Workspace) -> datetime:
    """An hour after the last fact."""
    last = workspace.lake.table("events").time.max().to_pyarrow().as_py()
    return last.astimezone(UTC) + timedelta(hours=1)
