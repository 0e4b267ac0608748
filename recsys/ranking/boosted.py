"""Boosted trees with the same interface, for shops with too little data for a network; they serve in numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.ranking.calibration import chance
from recsys.ranking.experts import multiplied
from recsys.ranking.rows import CLICK, PURCHASE, REFUND, Chances, Impressions, RankerError, Rows
from recsys.slate import OUTCOMES

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

TREES, DEPTH = 40, 4
# With fewer outcomes than this a head is the base rate.
HEAD_FROM = 50


@dataclass(frozen=True, slots=True)
class Boosted:
    """One ensemble an outcome: of the click over all rows, of others over clicked rows, of refunds over purchases.

    Attributes:
        base: log odds that each ensemble starts from, float64 (outcomes,).
        head: which outcome a tree belongs to, shape (trees,).
        feature, threshold, left, right, missing_left, value: of every node, shape (trees, nodes); a node whose
            `left` is itself is a leaf. Trees read the features, then surface and position.
    """

    base: NDArray[np.float64]
    head: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]

    kind = "boosted"

    def chances(self, rows: Rows) -> Chances:
        """Of each of OUTCOMES, not calibrated, float64 (rows, outcomes)."""
        return self.placed(self.read(rows), rows)

    def read(self, rows: Rows) -> Chances:
        """The features: trees read the position with them."""
        return rows.features.astype(np.float64)

    def placed(self, read: Chances, rows: Rows) -> Chances:
        """`chances` from what was read of the same rows, whatever position they had then."""
        columns = _columns(read, rows)
        odds = np.repeat(self.base[None], len(rows), axis=0)
        for outcome in range(len(OUTCOMES)):
            odds[:, outcome] += self._walked(columns, np.flatnonzero(self.head == outcome)).sum(axis=1)
        return multiplied(chance(odds))

    def _walked(self, columns: NDArray[np.float64], trees: NDArray[np.int64]) -> NDArray[np.float64]:
        """The leaf's value of each tree for each row, shape (rows, trees)."""
        at = np.zeros((len(columns), len(trees)), np.int64)
        row = np.arange(len(columns))[:, None]
        for _ in range(DEPTH):
            x = columns[row, self.feature[trees, at]]
            goes_left = np.where(np.isnan(x), self.missing_left[trees, at], x <= self.threshold[trees, at])
            at = np.where(goes_left, self.left[trees, at], self.right[trees, at])
        found: NDArray[np.float64] = self.value[trees, at]
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that `of` needs."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Boosted":
        """From `arrays`."""
        return cls(**{name: arrays[name] for name in cls.__slots__})


def train_boosted(impressions: Impressions, *, rng: np.random.Generator) -> Boosted:
    """One ensemble for each outcome with at least HEAD_FROM outcomes; the others are their base rates."""
    from recsys.ranking.experts_training import base_rates

    labels, columns = impressions.labels, _columns(impressions.rows.features, impressions.rows)
    rates = np.clip(base_rates(labels), 1e-6, 1 - 1e-6)
    base, heads, trees = np.log(rates / (1 - rates)), [], []
    for outcome in range(len(OUTCOMES)):
        tried = ~np.isnan(labels[:, outcome])
        if outcome != CLICK:
            tried &= labels[:, PURCHASE if outcome == REFUND else CLICK] == 1
        happened = labels[tried, outcome] == 1
        if min(happened.sum(), (~happened).sum()) < HEAD_FROM:
            continue
        model = _fitted(columns[tried], happened, seed=int(rng.integers(2**31)))
        base[outcome] = float(model._baseline_prediction.ravel()[0])
        found = [predictors[0].nodes for predictors in model._predictors]
        trees += found
        heads += [outcome] * len(found)
    return Boosted(base, np.array(heads, np.int64), **_flattened(trees))


def _fitted(
    columns: NDArray[np.float64], happened: NDArray[np.bool_], *, seed: int
) -> "HistGradientBoostingClassifier":
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=TREES, max_depth=DEPTH, learning_rate=0.15, min_samples_leaf=20, l2_regularization=1.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    return model.fit(columns, happened)


def _columns(features: NDArray[np.floating], rows: Rows) -> NDArray[np.float64]:
    both = np.stack([rows.surface, rows.position], axis=1)
    return np.concatenate([features.astype(np.float64), both], axis=1)


def _flattened(trees: list[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Nodes of all trees as arrays of one width; leaves lead to themselves, so that every walk has DEPTH steps."""
    shape = len(trees), max((len(nodes) for nodes in trees), default=1)
    made: dict[str, NDArray[Any]] = {
        "feature": np.zeros(shape, np.int64),
        "threshold": np.zeros(shape),
        "left": np.zeros(shape, np.int64),
        "right": np.zeros(shape, np.int64),
        "missing_left": np.zeros(shape, bool),
        "value": np.zeros(shape),
    }
    for tree, nodes in enumerate(trees):
        if nodes["is_categorical"].any():
            raise RankerError("a tree splits by category; the ranker's features are numbers.")
        n, leaf, itself = len(nodes), nodes["is_leaf"].astype(bool), np.arange(len(nodes))
        made["feature"][tree, :n] = np.where(leaf, 0, nodes["feature_idx"])
        made["threshold"][tree, :n] = np.where(leaf, 0.0, nodes["num_threshold"])
        made["left"][tree, :n] = np.where(leaf, itself, nodes["left"])
        made["right"][tree, :n] = np.where(leaf, itself, nodes["right"])
        made["missing_left"][tree, :n] = nodes["missing_go_to_left"].astype(bool)
        made["value"][tree, :n] = np.where(leaf, nodes["value"], 0.0)
    return made
