"""Trees that serve in numpy say what scikit-learn says."""

import numpy as np
import pytest

from recsys.ranking.boosted import Boosted, _columns, _fitted, train_boosted
from recsys.ranking.calibration import IDENTITY, log_loss
from recsys.ranking.ranker import Ranker
from recsys.ranking.rows import CLICK, PURCHASE, REFUND
from recsys.slate import OUTCOMES
from tests.recsys.engine.workspaces import made_up


def test_the_walk_in_numpy_gives_the_chances_of_the_library():
    impressions, later = (made_up(np.random.default_rng(seed), 4_000, 6, 2) for seed in (1, 2))
    rng = np.random.default_rng(3)
    trees = train_boosted(impressions, rng=rng)
    clicked = impressions.labels[:, CLICK] == 1
    seeds = np.random.default_rng(3)
    columns = _columns(impressions.rows.features, impressions.rows)
    click = _fitted(columns, clicked, seed=int(seeds.integers(2**31))).predict_proba(
        _columns(later.rows.features, later.rows)
    )[:, 1]
    assert trees.chances(later.rows)[:, CLICK] == pytest.approx(click, rel=1e-9)
    wish = _fitted(columns[clicked], impressions.labels[clicked, 1] == 1, seed=int(seeds.integers(2**31)))
    given = wish.predict_proba(_columns(later.rows.features, later.rows))[:, 1]
    assert trees.chances(later.rows)[:, 1] == pytest.approx(click * given, rel=1e-9)


def test_trees_learn_and_a_head_with_too_few_outcomes_is_its_base_rate():
    impressions, later = (made_up(np.random.default_rng(seed), 4_000, 6, 2) for seed in (4, 5))
    refunded = np.flatnonzero(impressions.labels[:, REFUND] == 1)
    impressions.labels[refunded[10:], REFUND] = 0
    trees = train_boosted(impressions, rng=np.random.default_rng(1))
    chances, happened = trees.chances(later.rows), later.labels[:, CLICK]
    assert log_loss(chances[:, CLICK], happened) < 0.97 * log_loss(np.full(4_000, happened.mean()), happened)
    rate = 10.2 / (impressions.labels[:, PURCHASE].sum() + 20)
    assert chances[:, REFUND] == pytest.approx(rate * chances[:, PURCHASE], rel=1e-6)


def test_trees_save_to_what_they_were_without_pickle(tmp_path):
    trees = train_boosted(made_up(np.random.default_rng(6), 3_000, 6, 2), rng=np.random.default_rng(1))
    curves = (IDENTITY,) * len(OUTCOMES)
    Ranker(trees, curves, np.zeros((2, len(OUTCOMES))), tuple("abcdef"), ("x", "y"), "v", {}).save(tmp_path / "ranker")
    rows = made_up(np.random.default_rng(7), 100, 6, 2).rows
    loaded = Ranker.load(tmp_path / "ranker").model
    assert isinstance(loaded, Boosted)
    assert np.array_equal(loaded.chances(rows), trees.chances(rows))
