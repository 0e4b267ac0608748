"""The stages after the encoder: which items go together, and what follows from showing one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.encoder import Encoder
from recsys.engine.neighbours import Neighbours
from recsys.engine.scoring import RANKED_BY
from recsys.facts import interactions, place
from recsys.features.history import Decisions, History
from recsys.features.offline import as_of
from recsys.interactions import Interactions
from recsys.ranking.fitting import fit_ranker, up_to_date
from recsys.ranking.labels import Shown, shown
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import Impressions, RankerError, Rows
from recsys.training.encoding import vectors_before
from recsys.training.run import Run

# Impressions that a ranker learns from, at most: more did not lower its loss and fill 16 GB.
MOST_ROWS = 400_000


def train_neighbours(run: Run, folder: Path) -> None:
    """From all acts: neighbours are rebuilt with every run and judged by nobody, so nothing is held out."""
    Neighbours.of(interactions(run.workspace, run.plan.end)).save(folder)


def train_ranker(run: Run, folder: Path) -> None:
    """From the impressions after the cut, each with what was known before it; none where there are too few."""
    log = shown(run.workspace, since=run.plan.cut)
    encoder, rng = Encoder.load(run.done("encoder")), np.random.default_rng([run.plan.seed, 20])
    try:
        history = History.read(run.workspace)
        ranker = ranker_of(history, log, encoder, version=run.plan.version, rng=rng, progress=run.progress)
    except RankerError as error:
        run.progress(f"ranker: none. {error}")
        return
    ranker.save(folder)


def ranker_of(
    history: History,
    log: Shown,
    encoder: Encoder,
    *,
    version: str,
    rng: np.random.Generator,
    progress: Callable[[str], None],
    rows: int = MOST_ROWS,
    to_the_last: bool = False,
) -> Ranker:
    """Learnt from a log of impressions, of so many rows at most.

    Args:
        to_the_last: whether, once it is judged, it is trained again on all but the last days.

    Raises:
        RankerError: if there is too little to learn from.
    """
    if not len(log):
        raise RankerError("nothing was shown after the cut, so there is no ranker; charts and taste serve.")
    impressions, surfaces = _impressions(history, log, encoder, _some_slates(log, rows, rng))
    progress(f"ranker: {len(impressions):,} impressions on {len(surfaces)} surfaces after the cut")
    ranker = fit_ranker(impressions, RANKED_BY, surfaces, version=version, rng=rng, progress=progress)
    return up_to_date(ranker, impressions, rng=rng, progress=progress) if to_the_last else ranker


def _impressions(
    history: History, log: Shown, encoder: Encoder, some: NDArray[np.bool_]
) -> tuple[Impressions, tuple[str, ...]]:
    users, items = place(log.users, history.interactions.users), place(log.items, history.catalogue.ids)
    surfaces = tuple(sorted(log.surface.unique().to_pylist()))
    surface = place(log.surface, surfaces)
    rows = np.flatnonzero((items >= 0) & some)
    decisions = Decisions(users[rows], items[rows], log.time[rows])
    features = np.empty((len(rows), len(RANKED_BY)), np.float32)
    features[:, :-1] = as_of(history, decisions)
    features[:, -1] = _taste(encoder, history.interactions, decisions, [surfaces[each] for each in surface[rows]])
    read = Rows(features, surface[rows], log.position[rows])
    return Impressions(read, log.labels[rows], decisions.time, decisions.user, log.early.take(rows)), surfaces


def _some_slates(log: Shown, most: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """All rows, or of too many the whole slates of a draw."""
    if len(log) <= most:
        return np.ones(len(log), bool)
    users = place(log.users, log.users.unique().to_pylist())
    _, slate = np.unique(np.stack([users, log.time]), axis=1, return_inverse=True)
    chances = rng.random(int(slate.max()) + 1)
    kept: NDArray[np.bool_] = chances[slate] < most / len(log)
    return kept


def _taste(encoder: Encoder, data: Interactions, decisions: Decisions, surfaces: list[str]) -> NDArray[np.float32]:
    """Cosine of the person just before the slate and the item, as the engine has it."""
    asked = np.array(surfaces)
    found = np.empty(len(decisions), np.float32)
    for surface in np.unique(asked):
        rows = np.flatnonzero(asked == surface)
        moments = np.stack([decisions.user[rows], decisions.time[rows]])
        unique, slate = np.unique(moments, axis=1, return_inverse=True)
        user, now = unique
        users = vectors_before(encoder, data, user, acts_before(data, user, now), now, str(surface))
        found[rows] = np.einsum("nd,nd->n", users[slate], encoder.vectors[decisions.item[rows]])
    return found


def acts_before(data: Interactions, user: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row after the last act of each user that is earlier than the time, shape of `user`."""
    times = np.unique(data.time)
    own = data.user.astype(np.int64) * (len(times) + 1) + np.searchsorted(times, data.time)
    return np.searchsorted(own, user * (len(times) + 1) + np.searchsorted(times, time))
