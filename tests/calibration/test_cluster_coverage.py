"""Intervals of clustered randomisation keep their level with few clusters of unequal size, by simulation."""

import numpy as np
import pytest
from builders import a_metric
from scipy import stats

from analysis.collect.clusters import moments_of_sums
from analysis.effects import Contrast, pooled_contrast, unadjusted_contrast
from analysis.inference.estimates import Estimates, thin_cells
from analysis.inference.intervals import ConfidenceSequence, FixedHorizon
from analysis.metrics import Metric
from analysis.moments import Moments
from analysis.variables import SIZE, Variable

RUNS, ICC, UNITS = 2_000, 0.1, 50
VARIABLES = (SIZE, *map(Variable, ("y", "d", "x")))


def sizes_of(rng: np.random.Generator, clusters: int) -> np.ndarray:
    """Sizes of which the largest is several times the typical one."""
    return np.maximum(1, np.round(UNITS * np.exp(0.7 * rng.normal(size=clusters) - 0.245)))


def an_arm(rng: np.random.Generator, clusters: int, kind: str) -> Moments:
    """Sums of clusters whose units have the intraclass correlation ICC, and a covariate that explains half."""
    size, taste = sizes_of(rng, clusters), rng.normal(size=clusters)
    rows = np.maximum(1, rng.poisson(3 * size)) if kind == "ratio" else size
    if kind == "proportion":
        rate = rng.beta(0.1 * (1 / ICC - 1), 0.9 * (1 / ICC - 1), clusters)
        y, x = rng.binomial(size.astype(int), rate), size * rate + 0.3 * np.sqrt(size) * rng.normal(size=clusters)
    else:
        known, noise = (np.sqrt(rows * (1 - ICC) / 2) * rng.normal(size=clusters) for _ in range(2))
        y, x = rows * (5 + np.sqrt(ICC) * taste) + known + noise, rows * np.sqrt(ICC) * taste + known
    return moments_of_sums(np.column_stack([size, y, rows, x]), VARIABLES)


def stacked(arms: list[Moments]) -> Moments:
    return Moments(VARIABLES, *(np.array([getattr(m, name) for m in arms]) for name in ("n", "mean", "cross")))


def metric_of(kind: str, *, covariates: bool) -> Metric:
    ratio = kind == "ratio"
    before = (("x", "d") if ratio else "x",) if covariates else ()
    return a_metric(*(("y", "d") if ratio else ("y",)), kind=kind, covariates=before).over_clusters()


def covered(contrast: Contrast) -> int:
    half = FixedHorizon().critical(0.05, contrast.n_control, contrast.dof) * contrast.standard_error
    return int((np.abs(contrast.difference) <= half).sum())


@pytest.mark.parametrize("clusters", [12, 40, 200])
@pytest.mark.parametrize("kind", ["mean", "proportion", "ratio"])
def test_intervals_cover_with_few_clusters_of_unequal_size(kind: str, clusters: int) -> None:
    rng = np.random.default_rng([2026, clusters])
    arms = [stacked([an_arm(rng, clusters // 2, kind) for _ in range(RUNS)]) for _ in range(2)]
    plain, adjusted = (
        method(metric_of(kind, covariates=used), *arms)
        for method, used in ((unadjusted_contrast, False), (pooled_contrast, True))
    )
    for contrast in (plain, adjusted):
        assert stats.binomtest(covered(contrast), RUNS, 0.95, alternative="less").pvalue > 0.001, covered(contrast)
        assert (contrast.dof <= clusters - 2).all()
    assert adjusted.standard_error.mean() < plain.standard_error.mean()


def test_a_sequence_over_clusters_keeps_its_level_under_daily_peeking() -> None:
    rng, runs, looks, clusters, wrong, seen = np.random.default_rng(7), 300, 28, 50, 0, 0
    metric = metric_of("mean", covariates=False)
    for _ in range(runs):
        arms = []
        for _ in range(2):
            start, size, taste = rng.integers(0, 20, clusters), sizes_of(rng, clusters), rng.normal(size=clusters)
            joining = rng.poisson(size / looks, (looks, clusters)) * (np.arange(looks)[:, None] >= start)
            y = joining * (5 + np.sqrt(ICC) * taste) + np.sqrt((1 - ICC) * joining) * rng.normal(size=joining.shape)
            sums = np.cumsum(np.stack([joining, y, joining, joining], axis=-1), axis=0)
            arms.append(stacked([moments_of_sums(look[look[:, 0] > 0], VARIABLES) for look in sums]))
        thin = thin_cells(metric, *arms, 0.5, frozenset({SIZE}))
        found = Estimates(unadjusted_contrast(metric, *arms), ConfidenceSequence(2 * clusters), 0.05, thin)
        wrong += bool((np.abs(found.difference) > found.half).any())
        seen += int(np.isfinite(found.half).sum())
    assert seen > runs * looks / 2
    assert stats.binomtest(wrong, runs, 0.05, alternative="greater").pvalue > 0.001, wrong
