"""From logged impressions to a calibrated ranker: trained on early days, calibrated on later, judged on the last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.ranking.boosted import Boosted, train_boosted
from recsys.ranking.calibration import IDENTITY, Curve, calibration_error, fitted, log_loss
from recsys.ranking.experts import Experts
from recsys.ranking.experts_training import Recipe, train
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import CLICK, PURCHASE, Impressions, RankerError
from recsys.slate import OUTCOMES

# Shares of the impressions, by time: to stop training by, to calibrate on, to judge on; the rest is trained on.
VALIDATION, CALIBRATION, TEST = 0.08, 0.17, 0.15
# Of a ranker that is brought up to date: to stop training by, and of the very last the curves.
LAST_VALIDATION, LAST_CURVES = 0.04, 0.11
# With fewer clicks on the very last days their curves would be worse than those of earlier days.
LEAST_LAST_CLICKS = 200
# Up to so many impressions trees are tried beside the network, and what does better on the calibration days is kept.
TREES_UP_TO = 150_000
# Trees take three times the CPU a request in all: their loss must be lower by at least this share to serve.
TREES_LEAD = 0.03
LEAST = 1_000
# Of whom the spread of an area under the curve is taken.
LEAST_PEOPLE = 10
BINS = 15


@dataclass(frozen=True, slots=True)
class Split:
    """Impressions by time: a slate is in one part only, and every part is later than those before it."""

    train: Impressions
    validation: Impressions
    calibration: Impressions
    test: Impressions

    @classmethod
    def of(cls, impressions: Impressions) -> "Split":
        """Cut at times, so that no slate lies in two parts.

        The shares are of the impressions whose purchases are known, so that every part can be judged by them; those
        of the last days, of which only clicks are known yet, are in the last part.
        """
        known = ~np.isnan(impressions.labels[:, PURCHASE])
        time = impressions.time[known] if known.any() else impressions.time
        edges = np.cumsum([1 - VALIDATION - CALIBRATION - TEST, VALIDATION, CALIBRATION])
        cuts = np.quantile(time, edges, method="higher")
        part = np.searchsorted(cuts, impressions.time, side="right")
        return cls(*(impressions.take(part == k) for k in range(4)))


def fit_ranker(
    impressions: Impressions,
    features: Sequence[str],
    surfaces: Sequence[str],
    *,
    version: str,
    rng: np.random.Generator,
    recipe: Recipe | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Ranker:
    """A ranker whose model was never shown the days that its report is about.

    The report is of curves that were not either; then they are found again on those days too.

    Raises:
        RankerError: if there are fewer than LEAST impressions or no clicks to learn from.
    """
    clicks = int(np.nansum(impressions.labels[:, CLICK]))
    if len(impressions) < LEAST or clicks < 100:
        raise RankerError(
            f"{len(impressions):,} impressions with {clicks:,} clicks are too few to train a ranker; "
            f"{LEAST:,} with 100 are needed. Let the plain policy serve until there are."
        )
    split = Split.of(impressions)
    model = _model(split, len(surfaces), rng, recipe, progress)
    names = tuple(features), tuple(surfaces)
    # What a surface adds is learnt from the engine's own slates alone: what another policy showed there says little.
    none = np.zeros((len(surfaces), len(OUTCOMES)))
    bare = Ranker(model, _curves(model, split.calibration), none, *names, version, {})
    # The curves that serve are of all days that the model never saw: the newest are the most like those to come.
    since = np.concatenate([split.calibration.time, split.test.time]).min()
    curves = _curves(model, impressions.take(impressions.time >= since))
    report = {
        "kind": model.kind,
        "rows": {name: len(getattr(split, name)) for name in Split.__slots__},
        "heads": judged(bare, split.test),
        "curves": [curve.method for curve in bare.curves],
        "trained_until": int(split.train.time.max()),
    }
    return replace(bare, curves=curves, report=report)


def up_to_date(
    ranker: Ranker,
    impressions: Impressions,
    *,
    rng: np.random.Generator,
    recipe: Recipe | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Ranker:
    """A ranker of the same kind that is trained on all but the last days, with curves of the last, which it never saw.

    What `fit_ranker` gives is trained on the older part of the log alone: of an engine that serves for a week it never
    saw a day. Its report stays: that of the same way to train, ending earlier. With too few clicks on the last days the
    ranker is returned as it is.
    """
    edges = np.quantile(impressions.time, [1 - LAST_VALIDATION - LAST_CURVES, 1 - LAST_CURVES], method="higher")
    part = np.searchsorted(edges, impressions.time, side="right")
    older, validation, last = (impressions.take(part == k) for k in range(3))
    early = last.so_far()
    clicks = float(early.weight[:, CLICK] @ early.happened[:, CLICK])
    if clicks < LEAST_LAST_CLICKS or not np.nansum(validation.labels[:, CLICK]):
        return ranker
    if ranker.model.kind == Boosted.kind:
        model: Experts | Boosted = train_boosted(older, rng=rng)
    else:
        model = train(older, validation, len(ranker.surfaces), rng=rng, recipe=recipe, progress=progress)
    report = {**ranker.report, "trained_until": int(older.time.max())}
    return replace(ranker, model=model, curves=_curves(model, last), report=report)


def judged(ranker: Ranker, impressions: Impressions) -> dict[str, Any]:
    """How each head does on these impressions: calibration error and its floor, log loss beside that of the base
    rate, area under the curve; None where nothing happened or no window is closed."""
    chances = ranker.chances(impressions.rows)
    return {
        outcome: judged_head(chances[:, k], impressions.labels[:, k], impressions.user)
        for k, outcome in enumerate(OUTCOMES)
    }


def judged_head(
    chances: NDArray[np.float64], labels: NDArray[np.float32], user: NDArray[np.integer]
) -> dict[str, Any] | None:
    """How the chances of one outcome do; rows with an unknown label (nan) are left out. None for too few rows."""
    known = ~np.isnan(labels)
    p, y = chances[known], labels[known]
    if len(p) < 10 * BINS or not 0 < y.sum() < len(y):
        return None
    found = calibration_error(p, y, bins=BINS)
    return {
        "rows": found.rows,
        "happened": found.happened,
        "predicted_rate": float(p.mean()),
        "observed_rate": float(y.mean()),
        "calibration_error": found.error,
        "calibration_floor": found.floor,
        "calibration_error_error": error_of_calibration(p, y, user[known]),
        "log_loss": log_loss(p, y),
        "log_loss_of_rate": log_loss(np.full(len(y), float(y.mean())), y),
        "auc": area_under_curve(p, y),
        "auc_error": error_of_area(p, y, user[known]),
    }


def error_of_calibration(
    chances: NDArray[np.float64], happened: NDArray[np.floating], user: NDArray[np.integer]
) -> float | None:
    """Standard error of the calibration error where rows of one person depend on each other, the bins held fixed and
    no bin's difference changing its sign; None for fewer people than LEAST_PEOPLE."""
    order = np.argsort(chances, kind="stable")
    edges = np.linspace(0, len(order), BINS + 1).astype(np.int64)
    away = (chances - happened)[order]
    people, row = np.unique(user[order], return_inverse=True)
    if len(people) < LEAST_PEOPLE:
        return None
    off = np.add.reduceat(away, edges[:-1]) / np.diff(edges)
    # What each row adds to the sum of |differences|, less what it adds on average in its bin.
    adds = np.repeat(np.sign(off), np.diff(edges)) * (away - np.repeat(off, np.diff(edges))) / len(order)
    return float(np.sqrt((np.bincount(row, adds) ** 2).sum() * len(people) / (len(people) - 1)))


def area_under_curve(chances: NDArray[np.float64], happened: NDArray[np.floating]) -> float:
    """Share of pairs of a row where it happened and one where not in which the first is likelier; ties count half."""
    from scipy.stats import rankdata

    ranks = rankdata(chances)
    positive = happened == 1
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def error_of_area(
    chances: NDArray[np.float64], happened: NDArray[np.floating], user: NDArray[np.integer]
) -> float | None:
    """Standard error of `area_under_curve` where rows of one person depend on each other; None where it happened, or
    did not, to fewer people than LEAST_PEOPLE: so few say nothing of their spread.

    Source: Obuchowski, Nonparametric analysis of clustered ROC curve data, Biometrics 1997, by placements.
    """
    from scipy.stats import rankdata

    positive = happened == 1
    n, m = int(positive.sum()), int((~positive).sum())
    ranks, among_own = rankdata(chances), np.empty(len(chances))
    among_own[positive], among_own[~positive] = rankdata(chances[positive]), rankdata(chances[~positive])
    # Of a row where it happened, the share of others that lie below; of another, the share of the former above.
    placed = np.where(positive, (ranks - among_own) / m, 1 - (ranks - among_own) / n)
    away = (placed - placed[positive].mean()) / np.where(positive, n, m)
    people, row = np.unique(user, return_inverse=True)
    if min(len(np.unique(row[positive])), len(np.unique(row[~positive]))) < LEAST_PEOPLE:
        return None
    return float(np.sqrt((np.bincount(row, away) ** 2).sum() * len(people) / (len(people) - 1)))


def _model(
    split: Split, surfaces: int, rng: np.random.Generator, recipe: Recipe | None, progress: Callable[[str], None]
) -> Experts | Boosted:
    experts = train(split.train, split.validation, surfaces, rng=rng, recipe=recipe, progress=progress)
    if len(split.train) > TREES_UP_TO:
        return experts
    trees = train_boosted(split.train, rng=rng)
    # The days to stop by are few, and what is best on them was chosen already.
    of_experts, of_trees = _loss(experts, split.calibration), _loss(trees, split.calibration)
    progress(f"ranker, loss on held-out days over the base rate's: experts {of_experts:.4f}, trees {of_trees:.4f}")
    return trees if of_trees < (1 - TREES_LEAD) * of_experts else experts


def _loss(model: Experts | Boosted, held: Impressions) -> float:
    """Mean over outcomes of the log loss over that of the base rate; 1 is as good as the base rate."""
    chances, relative = model.chances(held.rows), []
    for k in range(len(OUTCOMES)):
        known = ~np.isnan(held.labels[:, k])
        y = held.labels[known, k]
        if known.any() and 0 < y.sum() < len(y):
            relative.append(log_loss(chances[known, k], y) / log_loss(np.full(len(y), float(y.mean())), y))
    return float(np.mean(relative)) if relative else 1.0


def _curves(model: Experts | Boosted, held: Impressions) -> tuple[Curve, ...]:
    chances, early = model.chances(held.rows), held.so_far()
    columns = zip(chances.T, early.happened.T, early.weight.T, strict=True)
    return tuple(_curve(p, happened, weight, held.user) for p, happened, weight in columns)


def _curve(
    chances: NDArray[np.float64],
    happened: NDArray[np.float32],
    weight: NDArray[np.float32],
    user: NDArray[np.integer],
) -> Curve:
    known = weight > 0
    return fitted(chances[known], happened[known], user[known], weight[known]) if known.any() else IDENTITY
