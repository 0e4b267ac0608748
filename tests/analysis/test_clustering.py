"""Effects of clusters against the same by hand and by a peer, and what they cost against a known truth."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from builders import a_metric
from facts import a_table
from scipy import stats

from analysis import Readout, read
from analysis.collect.clusters import moments_of_sums
from analysis.effects import Contrast, pooled_contrast, unadjusted_contrast
from analysis.moments import Moments
from analysis.variables import SIZE, Variable

# 60 clusters of 5 to 27 units, every other one treated.
CLUSTER = np.repeat(np.arange(60), 5 + 7 * np.arange(60) % 23)
UNIT = np.arange(len(CLUSTER))
TREATED = CLUSTER % 2
Y = 10 + np.sin(3 * CLUSTER) + 0.3 * TREATED + 2 * np.cos(1.7 * UNIT)
VARIABLES = (SIZE, Variable("y"), Variable("x"))
MEAN = a_metric("y").over_clusters()


def sums(arm: int, *columns: np.ndarray) -> np.ndarray:
    """Sizes and sums of an arm's clusters."""
    mine = arm == TREATED
    parts = [np.bincount(CLUSTER[mine], column[mine])[arm::2] for column in (np.ones(len(UNIT)), *columns)]
    return np.column_stack(parts)


def contrast_of(*columns: np.ndarray) -> Contrast:
    arms = [moments_of_sums(sums(arm, *columns), VARIABLES[: 1 + len(columns)]) for arm in (0, 1)]
    return unadjusted_contrast(MEAN, *arms)


def test_effect_and_error_are_those_of_a_cluster_robust_regression() -> None:
    # statsmodels 0.15.0, OLS of unit rows on the arm, cov_type="cluster", use_t=True.
    estimate, error, n, g = 0.5841140121202175, 0.2022240348741546, len(UNIT), 60
    # It takes G / (G - 1) (N - 1) / (N - 2) of the sum over arms where plain Moments take G / (G - 2).
    plain = unadjusted_contrast(MEAN, *(Moments.of(sums(arm, Y), VARIABLES[:2]) for arm in (0, 1)))
    alike = np.sqrt(g / (g - 2) / (g / (g - 1) * (n - 1) / (n - 2)))
    assert [plain.difference, plain.standard_error] == pytest.approx([estimate, error * alike], rel=1e-9)
    ours = contrast_of(Y)
    assert ours.difference == pytest.approx(estimate, rel=1e-9)
    assert ours.standard_error == pytest.approx(error, rel=0.03)
    assert ours.standard_error > error and ours.dof < g - 2


def test_each_squared_residual_is_divided_by_what_its_cluster_takes_from_it() -> None:
    variance = 0.0
    for arm in (0, 1):
        size, y = sums(arm, Y).T
        share, residual = size / size.sum(), y - y.sum() / size.sum() * size
        variance += (residual**2 / (1 - 2 * share + (share**2).sum())).sum() / size.sum() ** 2
    assert contrast_of(Y).standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_clusters_of_one_size_are_welch_on_their_means() -> None:
    means = np.random.default_rng(3).normal(5, 1, (2, 9))
    size = np.full(9, 20.0)
    arms = [moments_of_sums(np.column_stack([size, size * m]), VARIABLES[:2]) for m in means]
    ours, welch = unadjusted_contrast(MEAN, *arms), stats.ttest_ind(means[1], means[0], equal_var=False)
    assert ours.difference / ours.standard_error == pytest.approx(welch.statistic, rel=1e-9)
    assert ours.dof == pytest.approx(welch.df, rel=1e-9)


def test_a_covariate_of_the_clusters_takes_its_part_of_the_variance() -> None:
    x = np.sin(3 * CLUSTER) + np.cos(1.1 * UNIT)
    metric = a_metric("y", covariates=("x",)).over_clusters()
    adjusted = pooled_contrast(metric, *(moments_of_sums(sums(arm, Y, x), VARIABLES) for arm in (0, 1)))
    assert adjusted.standard_error < contrast_of(Y).standard_error / 2


def shops(folder: Path, rng: np.random.Generator, icc: float, sizes: np.ndarray) -> Readout:
    """The readout of a table of units in clusters of these sizes."""
    shop = np.repeat(np.arange(len(sizes)), sizes)
    y = np.sqrt(icc) * rng.normal(size=len(sizes))[shop] + np.sqrt(1 - icc) * rng.normal(size=len(shop)) + 10
    bought = y > 11
    rows = zip(range(len(shop)), shop, y, bought, rng.integers(1, 4, len(shop)), strict=True)
    text = "unit,arm,shop,y,bought,visits\n" + "".join(
        f"{u},{'ab'[s % 2]},s{s},{v},{int(b)},{n}\n" for u, s, v, b, n in rows
    )
    metrics = (
        'id = "y"\nkind = "mean"\nvalue = "y"\nrole = "primary"',
        'id = "bought"\nkind = "proportion"\nvalue = "bought"',
        'id = "rate"\nkind = "ratio"\nvalue = "y"\ndenominator = { value = "visits" }',
    )
    return read(a_table(folder, text, *metrics, cluster='"shop"', planned_units="400"))


@pytest.mark.parametrize("unequal", [False, True])
def test_intraclass_correlation_and_design_effect_are_those_that_the_data_were_made_with(
    unequal: bool, tmp_path: Path
) -> None:
    rng, clusters, icc = np.random.default_rng(5), 400, 0.1
    sizes = rng.integers(5, 36, clusters) if unequal else np.full(clusters, 20)
    readout = shops(tmp_path, rng, icc, sizes)
    found = readout.clusters[0]
    size = (sizes**2).sum() / sizes.sum()
    # Source: Donner 1986, the standard error of the analysis-of-variance estimator, here with the mean size.
    error = (1 - icc) * (1 + (size - 1) * icc) * np.sqrt(2 / (size * (size - 1) * (clusters - 2)))
    assert abs(found.icc - icc) < 3.3 * error
    assert found.design_effect == pytest.approx(1 + (size - 1) * found.icc, rel=1e-9)
    assert (found.metric, found.clusters, found.units) == ("y", clusters, sizes.sum())
    assert [one.metric for one in readout.clusters] == ["y", "bought", "rate"]
    assert 0 < readout.clusters[1].icc < found.icc
    assert Readout.from_json(readout.to_json()) == readout


def test_a_readout_of_clusters_counts_clusters(tmp_path: Path) -> None:
    readout = shops(tmp_path, np.random.default_rng(6), 0.1, np.full(30, 10))
    (look,) = readout.looks
    assert look.units == {"a": 15, "b": 15} and look.effects[0].n.control == 15
    reasons = {check.name: check.reason for check in look.checks}
    assert reasons["sample_size"] == "the smallest arm has 15 clusters; the intervals lean on 20 or more"
    assert "of 30 clusters" in reasons["crossover"] and readout.design.unit == "shop"
    assert any("30 of 400 planned clusters are in" in reason for reason in readout.decision.reasons)
    assert all(effect.dof is not None and effect.dof <= 28 for effect in look.effects)
    assert look.effects[1].means.control == pytest.approx(0.15, abs=0.1)


def test_units_one_to_a_cluster_are_as_units_without_clusters(tmp_path: Path) -> None:
    values = np.random.default_rng(7).normal(5, 1, (80, 2))
    text = "unit,shop,arm,y,x\n" + "".join(f"{k},s{k},{'ab'[k % 2]},{y},{x}\n" for k, (y, x) in enumerate(values))
    metric = 'id = "y"\nkind = "mean"\nvalue = "y"\ncovariates = ["x"]'
    alone, clustered = (read(a_table(tmp_path, text, metric, **plan)) for plan in ({}, {"cluster": '"shop"'}))
    one, other = (readout.looks[0].effects[0] for readout in (alone, clustered))
    for field in ("absolute", "relative"):
        numbers, same = (dataclasses.astuple(getattr(effect, field))[:4] for effect in (one, other))
        assert numbers == pytest.approx(same, rel=1e-9)
    assert clustered.clusters[0].design_effect == pytest.approx(1, rel=1e-9) and clustered.clusters[0].icc is None
