"""The encoder's stage: acts of the lake, with the content of items and the surface that each act came from."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import Catalogue
from recsys.encoder.batches import Batches
from recsys.encoder.content import BUCKETS, Bags, contents_of, hashed
from recsys.encoder.encoder import Encoder
from recsys.encoder.recipe import Recipe
from recsys.encoder.shape import SURFACES, Shape
from recsys.encoder.training import Task, Trained, train
from recsys.encoder.validation import Validation, held_out, vectors_of_people
from recsys.facts import interactions, place
from recsys.files import whole_folder
from recsys.interactions import ACTIONS, Interactions
from recsys.training.run import Run, write_json

if TYPE_CHECKING:
    from store import Workspace

TRAINING = "encoder.json"
# So many acts are exported with their vectors, the latest.
MOST_ACTS = 50_000


def train_encoder(run: Run, folder: Path) -> None:
    """Learn from the acts before the run's cut; a run that was killed goes on from its checkpoint."""
    task = _task(run)
    trained = train(task, run.at, version=run.plan.version)
    if run.at.first:
        write_json(run.folder / TRAINING, _told(task, trained))
        trained.encoder.save(folder)


def export_embeddings(run: Run, folder: Path) -> None:
    """Vectors of users, items and the latest acts as they are at the end of the facts, in safetensors."""
    from safetensors.numpy import save_file

    encoder, data = Encoder.load(run.done("encoder")), interactions(run.workspace, run.plan.end)
    told = {"version": encoder.version, "end": str(run.plan.end)}
    people = np.arange(len(data.users))
    users = vectors_of_people(encoder, data, people, run.plan.end)
    latest = np.sort(np.argsort(-data.time, kind="stable")[:MOST_ACTS])
    acts: dict[str, NDArray[Any]] = {name: getattr(data, name)[latest] for name in ("user", "item", "action", "time")}
    acts["vectors"] = act_vectors(encoder, data, latest)
    with whole_folder(folder) as beside:
        save_file({"ids": _ids(data.users), "vectors": users}, beside / "users.safetensors", told)
        save_file({"ids": _ids(encoder.items), "vectors": encoder.vectors}, beside / "items.safetensors", told)
        save_file(acts, beside / "interactions.safetensors", told)


def act_vectors(encoder: Encoder, data: Interactions, acts: NDArray[np.integer]) -> NDArray[np.float32]:
    """Where each act left its person: the user's vector just after it, float32 (acts, width)."""
    return vectors_before(encoder, data, data.user[acts].astype(np.int64), acts.astype(np.int64) + 1, data.time[acts])


def vectors_before(
    encoder: Encoder,
    data: Interactions,
    user: NDArray[np.int64],
    ends: NDArray[np.int64],
    now: NDArray[np.int64],
    surface: str = "any",
) -> NDArray[np.float32]:
    """User vectors from the rows of `data` before `ends`, float32 (rows, width); a user of -1 has no history."""
    begins = data.starts[np.maximum(user, 0)]
    counts = np.where(user >= 0, np.minimum(ends - begins, encoder.shape.length), 0)
    made = np.empty((len(user), encoder.shape.width), np.float32)
    for at in range(0, len(user), 4096):
        part = slice(at, at + 4096)
        long = max(int(counts[part].max(initial=0)), 1)
        rows = ends[part, None] - long + np.arange(long)
        there = np.arange(long) >= long - counts[part, None]
        rows = np.where(there, rows, 0)
        items = np.where(there, data.item[rows], -1)
        made[part] = encoder.user_vectors(items, data.action[rows], data.time[rows], now[part], surface)
    return made


def surfaces_of(workspace: "Workspace", data: Interactions) -> NDArray[np.int8]:
    """The place in SURFACES that each act of `data` came from, 0 (any) where it followed from no slate."""
    import pyarrow as pa

    slates = workspace.lake.table("recommendations").select(["slate_id", "surface"]).distinct()
    events = workspace.lake.table("events")
    events = events.filter(events.kind.isin(ACTIONS) & events.item_id.notnull() & events.slate_id.notnull())
    joined: pa.Table = (
        events.join(slates, "slate_id").select(["unit_id", "item_id", "kind", "time", "surface"]).to_pyarrow()
    )
    found = np.maximum(place(joined["surface"], SURFACES), 0)
    user, item, action = (place(joined[name], known) for name, known in _numbered(data))
    time = joined["time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    known = (found > 0) & (user >= 0) & (item >= 0)
    keys = _keys(data, user[known], item[known], action[known], time[known])
    own = _keys(data, data.user, data.item, data.action, data.time)
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], own), max(len(keys) - 1, 0))
    surfaces = np.zeros(len(data), np.int8)
    if len(keys):
        hit = keys[order][at] == own
        surfaces[hit] = found[known][order][at[hit]]
    return surfaces


def _numbered(data: Interactions) -> tuple[tuple[str, Any], ...]:
    return (("unit_id", data.users), ("item_id", data.items), ("kind", ACTIONS))


def _keys(
    data: Interactions,
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    action: NDArray[np.integer],
    time: NDArray[np.integer],
) -> NDArray[Any]:
    """One sortable value an act."""
    who = (user.astype(np.int64) * len(data.items) + item) * len(ACTIONS) + action
    keys = np.empty(len(who), [("who", np.int64), ("time", np.int64)])
    keys["who"], keys["time"] = who, time
    return keys


def _task(run: Run) -> Task:
    data = interactions(run.workspace, run.plan.cut)
    held = held_out(data, True, None, np.random.default_rng([run.plan.seed, 10]))
    learnt = data.keep(~held)
    bags = _bags(run, data)
    shape = Shape(features=BUCKETS if bags else 0, length=50, hidden=128)
    recipe = Recipe(seed=run.plan.seed)
    if run.plan.rounds is not None:
        recipe = replace(recipe, rounds=run.plan.rounds)
    surface = surfaces_of(run.workspace, learnt)
    return Task(
        Batches(learnt, shape, recipe, surface),
        Validation(learnt, data.keep(held)),
        bags,
        folder=run.folder / ".checkpoint",
        seconds=60 * run.plan.minutes,
        resume=True,
        progress=run.progress,
    )


def _bags(run: Run, data: Interactions) -> Bags | None:
    """Content of the items as it was at the cut; None where the lake has no items table."""
    catalogue = Catalogue.read(run.workspace)
    if tuple(catalogue.ids) != tuple(data.items):
        return None
    return hashed(contents_of(catalogue, np.arange(len(catalogue)), run.plan.cut))


def _told(task: Task, trained: Trained) -> dict[str, Any]:
    """For the card: what was trained, on how much, and how it went."""
    data, progress = task.batches.data, trained.progress
    return {
        "shape": task.shape.to_dict(),
        "recipe": task.recipe.to_dict(),
        "users": len(np.unique(data.user)),
        "items": len(data.items),
        "acts": len(data),
        "losses": progress.losses,
        "validation_ndcg": progress.scores,
        "best_validation_ndcg": progress.best,
        "cpu_seconds": round(progress.seconds, 1),
    }


def _ids(ids: Any) -> NDArray[np.uint8]:
    """Ids, one a line, as bytes: safetensors holds numbers only."""
    return np.frombuffer("\n".join(ids).encode(), np.uint8)
