"""An engine changes what people see, and so what they do: its chances are mended by what it logged itself."""

from dataclasses import dataclass, replace
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
from recsys.ranking.shifts import fitted_shifts, taken_out
from recsys.slate import OUTCOMES
from recsys.training.successor import next_version, register_successor

if TYPE_CHECKING:
    from store import Workspace
    from store.registry import ModelRecord

DAYS = 21
# Of which what a version served is judged.
SERVED_DAYS = 28
# Every third day is held out in turn: what does not do better on them is not used. The last days alone would not do:
# people do other things on some days of the week, and a shop's deals begin on one.
DAY_FOLDS = 3
LEAST_CLICKS = 500
# A day counts half as much as one so many days later: people, deals and what they have seen before move on.
HALF_LIFE = 3 * DAY


def recalibrate(workspace: "Workspace", *, days: int = DAYS, use: bool = True) -> "ModelRecord | None":
    """A new version of the engine that serves, with its chances bent to what followed from its own slates.

    Curves of all surfaces together and each surface's shift are fitted to what this version logged in the last `days`,
    and kept where they do better on days that are held out.

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
    found = [_better(log, ranker, k) for k in range(len(OUTCOMES))]
    if all(change is None for change, _ in found):
        return None
    version = next_version(workspace, record)
    curves, shifts = list(ranker.curves), ranker.shifts.copy()
    for k, (change, _) in enumerate(found):
        if change is not None:
            curves[k], shifts[:, k] = chained(curves[k], change.curve), change.shifts
    told = {outcome: each for outcome, (_, each) in zip(OUTCOMES, found, strict=True)}
    report = {**ranker.report, "recalibrated": {"from": record.version, "rows": len(log), "heads": told}}
    return register_successor(
        workspace,
        record,
        replace(ranker, curves=tuple(curves), shifts=shifts, version=version, report=report),
        metrics={**record.metrics, "recalibrated": told},
        card={**record.card, "recalibrated": {"from": record.version, "rows": len(log), "clicks": clicks}},
        reason=f"{version} is {record.version} with chances as its own log has them" if use else None,
    )


ByOutcome = dict[str, dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Served:
    """How the chances did that a version logged, by outcome, as far as windows are closed; None for an outcome of which
    too little is known.

    Attributes:
        whole: of all surfaces together; empty where the version logged nothing.
        by_surface: of each surface alone, of which the whole may be the average of two errors.
    """

    whole: ByOutcome
    by_surface: dict[str, ByOutcome]


def as_served(workspace: "Workspace", version: str, *, days: int = SERVED_DAYS) -> Served:
    """How the chances did that a version logged in the last days.

    They were logged before anything followed: no fit has seen it.
    """
    log = _own_log(workspace, version, days)
    names = sorted(log.surface.unique().to_pylist())
    users, surface = place(log.users, log.users.unique().to_pylist()), place(log.surface, names)

    def judged(rows: NDArray[np.bool_]) -> ByOutcome:
        return {
            outcome: judged_head(log.chances[rows, k], log.labels[rows, k], users[rows])
            for k, outcome in enumerate(OUTCOMES)
        }

    whole = judged(np.ones(len(log), bool)) if len(log) else {}
    return Served(whole, {name: judged(surface == number) for number, name in enumerate(names)})


def _own_log(workspace: "Workspace", version: str, days: int) -> Shown:
    """What this version showed in the last days, with its chances."""
    import pyarrow.compute as pc

    last = workspace.lake.table("recommendations").time.max().to_pyarrow().as_py()
    since = None if last is None else round(last.timestamp() * 1_000_000) - days * DAY
    log = shown(workspace, since=since)
    own = np.asarray(pc.fill_null(pc.equal(log.model, version), False).to_numpy(), bool)
    own &= np.isfinite(log.chances).all(axis=1)
    return log.take(own)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a log of which an outcome, or what came of it so far, is known; arrays of shape (rows,).

    Attributes:
        told: chances as they were logged.
        bare: the same without the shift of the surface.
        labels: nan while the window is open; `happened` has what came early in their place.
        surface: as the ranker numbers them.
        weight: how much is known of the row, and half as much every HALF_LIFE before the last.
    """

    told: NDArray[np.float64]
    bare: NDArray[np.float64]
    labels: NDArray[np.float32]
    happened: NDArray[np.float32]
    user: NDArray[np.int64]
    surface: NDArray[np.int64]
    weight: NDArray[np.float64]

    def take(self, rows: NDArray[np.bool_]) -> "_Rows":
        """Only these."""
        return _Rows(*(getattr(self, name)[rows] for name in self.__slots__))

    def loss(self, chances: NDArray[np.float64]) -> float:
        """Log loss of these chances."""
        return log_loss(chances, self.happened, self.weight)


@dataclass(frozen=True, slots=True)
class _Change:
    """A curve that follows the one that served, and shifts in place of those that served."""

    curve: Curve
    shifts: NDArray[np.float64]

    @classmethod
    def fitted(cls, rows: _Rows, start: NDArray[np.float64], *, bent: bool) -> "_Change":
        """With a new curve if `bent`, else shifts alone; `start` are the shifts that served."""
        curve = fitted(rows.bare, rows.happened, rows.user, rows.weight) if bent else IDENTITY
        if curve.method != "identity":
            # What all surfaces had in common the curve has learnt.
            start = start - np.average(start[rows.surface], weights=rows.weight)
        shifts = fitted_shifts(
            curve(rows.bare),
            rows.happened,
            rows.surface,
            start=start,
            user=rows.user,
            weight=rows.weight,
        )
        return cls(curve, shifts)

    def __call__(self, rows: _Rows) -> NDArray[np.float64]:
        """The rows' chances after the change."""
        return self.curve(rows.bare, self.shifts[rows.surface])


def _better(log: Shown, ranker: Ranker, outcome: int) -> tuple[_Change | None, dict[str, Any] | None]:
    """A curve and shifts, or shifts alone, that do better than what served on days that the fit does not see, and how
    both did there, as far as windows are closed; None where there are none. What came early counts for outcomes whose
    windows are open."""
    known = log.early.weight[:, outcome] > 0
    if not known.any():
        return None, None
    rows, day, start = _rows(log, ranker, outcome).take(known), log.time[known] // DAY, ranker.shifts[:, outcome]
    fold = (day.max() - day) % DAY_FOLDS
    held = {bent: _held_out(rows, fold, start, bent=bent) for bent in (True, False)}
    losses = {bent: rows.loss(chances) for bent, chances in held.items()}
    best = min(losses, key=lambda bent: losses[bent])
    if losses[best] >= rows.loss(rows.told):
        return None, None
    before, after = (judged_head(chances, rows.labels, rows.user) for chances in (rows.told, held[best]))
    return _Change.fitted(rows, start, bent=best), {"before": before, "after": after}


def _held_out(rows: _Rows, fold: NDArray[np.int64], start: NDArray[np.float64], *, bent: bool) -> NDArray[np.float64]:
    """The chances of each fold by a change that is fitted to the others; as they were told where there is one alone."""
    chances = rows.told.copy()
    for each in np.unique(fold):
        out = fold == each
        if not out.all():
            chances[out] = _Change.fitted(rows.take(~out), start, bent=bent)(rows.take(out))
    return chances


def _rows(log: Shown, ranker: Ranker, outcome: int) -> _Rows:
    names = log.surface.unique().to_pylist()
    surface = np.array([ranker.surface(name) for name in names], np.int64)[place(log.surface, names)]
    told = log.chances[:, outcome]
    return _Rows(
        told,
        taken_out(told, ranker.shifts[surface, outcome]),
        log.labels[:, outcome],
        log.early.happened[:, outcome],
        place(log.users, log.users.unique().to_pylist()),
        surface,
        log.early.weight[:, outcome] * np.exp2((log.time - log.time[-1]) / HALF_LIFE),
    )
