"""How well the run's parts do on the days after those that they learnt from; the model's card."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.encoder import Encoder
from recsys.encoder.validation import vectors_of_people
from recsys.engine.bundle import PARTS
from recsys.facts import interactions
from recsys.files import whole_folder
from recsys.interactions import Interactions
from recsys.training.encoding import TRAINING
from recsys.training.run import Run

CARD = "card.json"
ERROR = "_error"
# People who are judged on; their mean tells recall to about 0.01.
MOST_PEOPLE = 5000
DEPTHS = (10, 50)


@dataclass(frozen=True, slots=True)
class Future:
    """People with acts before and after the cut, and the items that are new to them after it."""

    past: Interactions
    people: NDArray[np.int64]
    wanted: NDArray[np.bool_]
    had: NDArray[np.bool_]

    @classmethod
    def of(cls, run: Run) -> "Future":
        data = interactions(run.workspace, run.plan.end)
        past, later = data.before(run.plan.cut), data.keep(data.time >= run.plan.cut)
        both = np.intersect1d(past.user, later.user)
        people = np.sort(np.random.default_rng(0).permutation(both)[:MOST_PEOPLE]).astype(np.int64)
        had, wanted = (_marked(each, people) for each in (past, later))
        return cls(past, people, wanted & ~had, had)

    def recalls(self, scores: NDArray[np.floating]) -> dict[str, float | None]:
        """Share of a person's new items among the best that they had not before, mean over people with new items; and
        of each share the standard error. None at a depth that holds all that most of them did not have: there
        whatever is said is found."""
        scores = np.where(self.had, -np.inf, scores)
        asked = self.wanted.any(axis=1)
        told: dict[str, float | None] = {f"recall@{depth}{tail}": None for depth in DEPTHS for tail in ("", ERROR)}
        if not asked.any():
            return told
        unseen = np.median((~self.had[asked]).sum(axis=1))
        best = np.argsort(-scores[asked], axis=1, kind="stable")[:, : max(DEPTHS)]
        hits = np.take_along_axis(self.wanted[asked], best, 1)
        came_to = self.wanted[asked].sum(axis=1)
        for depth in (depth for depth in DEPTHS if depth < unseen):
            share = hits[:, :depth].sum(axis=1) / came_to
            told |= {f"recall@{depth}": float(share.mean()), f"recall@{depth}{ERROR}": _error(share)}
        return told

    def cold_recall(self, scores: NDArray[np.floating]) -> dict[str, Any]:
        """Of the items without any act before the cut: how well those that a person came to are found among them."""
        cold = np.setdiff1d(np.arange(self.wanted.shape[1]), self.past.item)
        cold = cold[self.wanted[:, cold].any(axis=0)]
        asked = self.wanted[:, cold].any(axis=1)
        if len(cold) < 20 or not asked.any():
            return {"items": len(cold), "recall@10": None, "at_random": None}
        best = np.argsort(-scores[asked][:, cold], axis=1, kind="stable")[:, :10]
        wanted = self.wanted[asked][:, cold]
        found = np.take_along_axis(wanted, best, 1).sum(axis=1) / wanted.sum(axis=1)
        return {"items": len(cold), "recall@10": float(found.mean()), "at_random": 10 / len(cold)}


def judge(run: Run, folder: Path) -> None:
    """Writes the card: what the version is made of, and what it does on the facts after the cut."""
    future, encoder = Future.of(run), Encoder.load(run.done("encoder"))
    users = vectors_of_people(encoder, future.past, future.people, run.plan.cut)
    near = users @ encoder.vectors.T
    popular = np.bincount(future.past.item, minlength=len(encoder.items)).astype(np.float32)
    metrics: dict[str, Any] = {
        "encoder": future.recalls(near),
        "popularity": future.recalls(np.broadcast_to(popular, near.shape)),
        "items_without_acts": future.cold_recall(near),
        "ranker": _report(run),
    }
    run.progress(f"after the cut, {len(future.people):,} people: {in_words(metrics['encoder'], metrics['popularity'])}")
    card = {
        "plan": asdict(run.plan),
        "made_of": [name for name in PARTS if run.done(name).is_dir()],
        "encoder": _training(run),
        "people_judged": len(future.people),
    }
    with whole_folder(folder) as beside:
        (beside / CARD).write_text(json.dumps(card | {"metrics": metrics}, indent=2), encoding="utf-8")


def in_words(found: Mapping[str, float | None], popular: Mapping[str, float | None]) -> str:
    """The recalls at all depths with their 95 % margins, beside popularity's."""
    said = []
    for depth in DEPTHS:
        value, error, chart = found[f"recall@{depth}"], found[f"recall@{depth}{ERROR}"], popular[f"recall@{depth}"]
        if value is None or chart is None:
            said.append(f"recall@{depth} not known (too few people or items)")
            continue
        margin = "" if error is None else f" ± {1.96 * error:.3f}"
        said.append(f"recall@{depth} {value:.3f}{margin} (popularity {chart:.3f})")
    return ", ".join(said)


def _error(share: NDArray[np.floating]) -> float | None:
    return float(share.std(ddof=1) / np.sqrt(len(share))) if len(share) > 1 else None


def _marked(data: Interactions, people: NDArray[np.int64]) -> NDArray[np.bool_]:
    row = np.searchsorted(people, data.user)
    mine = (row < len(people)) & (people[np.minimum(row, len(people) - 1)] == data.user) if len(people) else row < 0
    marked = np.zeros((len(people), len(data.items)), bool)
    marked[row[mine], data.item[mine]] = True
    return marked


def _training(run: Run) -> dict[str, Any]:
    return dict(json.loads((run.folder / TRAINING).read_text("utf-8")))


def _report(run: Run) -> dict[str, Any] | None:
    """What the ranker says of itself, None where there is none."""
    file = run.done("ranker") / "ranker.json"
    return dict(json.loads(file.read_text("utf-8"))["report"]) if file.is_file() else None
