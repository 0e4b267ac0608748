"""Quantiles: the intervals hold what they promise, and none is given where none can be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, moments_of, quantiles_of
from facts import a_table
from scipy import stats

from analysis import ExperimentError, read, read_collected
from analysis.collect.ranks import Ranked, quantile_cells
from analysis.contrasts import contrast_of
from analysis.inference.estimates import Estimates
from analysis.inference.intervals import ConfidenceSequence, FixedHorizon
from analysis.metrics.quantile import Quantile
from analysis.moments import Moments
from analysis.quantiles import QuantileCells
from analysis.readout import Effect


def a_quantile(share: float, **more: object) -> Quantile:
    metric = a_metric("y", kind="quantile", quantile=share, **more)
    assert isinstance(metric, Quantile)
    return metric


def test_intervals_of_clustered_rows_hold_once_and_at_all_looks_together() -> None:
    rng, runs, units, looks = np.random.default_rng(21), 500, 300, 10
    metrics, blank = [a_quantile(0.5), a_quantile(0.9)], collected_of([[moments_of(y=[0.0])] * 2])
    missed_last, missed_ever = np.zeros(2), np.zeros(2)
    for _ in range(runs):
        arm, entry = rng.integers(0, 2, units), np.sort(rng.integers(0, looks, units))
        unit = np.repeat(np.arange(units), 1 + rng.poisson(3, units))
        value = np.exp(0.5 * rng.normal(size=units)[unit] + 0.8 * rng.normal(size=len(unit)))
        late = rng.integers(0, 3, len(unit))
        look = np.minimum(entry[unit] + late, looks - 1).astype(np.uint16)
        rows = Ranked.of(unit, value, look, alone=False)
        n = np.array([[[(entry[arm == a] <= k).sum() for a in (0, 1)]] for k in range(looks)], float)
        moments = Moments((), n, np.zeros((*n.shape, 0)), np.zeros((*n.shape, 0, 0)))
        for k, cells in enumerate(quantile_cells(rows, (0.5, 0.9), looks, arm, 2, [])):
            collected = replace(blank, moments=moments, quantiles={"y": cells})
            contrast = contrast_of(metrics[k], collected, 1)
            once, ever = (Estimates(contrast, rule, 0.05) for rule in (FixedHorizon(), ConfidenceSequence(units)))
            missed_last[k] += abs(contrast.difference[-1, 0]) > once.half[-1, 0]
            missed_ever[k] += (np.abs(contrast.difference) > ever.half).any()
    for last, ever in zip(missed_last, missed_ever, strict=True):
        assert stats.binomtest(int(last), runs, 0.05).pvalue > 0.001
        assert stats.binomtest(int(ever), runs, 0.05, alternative="greater").pvalue > 0.001


def test_rows_of_one_unit_count_as_one_where_they_are_all_alike() -> None:
    rng = np.random.default_rng(22)
    arms = [rng.normal(10, 2, (1, 2_000)), rng.normal(11, 2, (1, 2_000))]
    once, often = (quantiles_of(a_quantile(0.9), [np.repeat(arm, k, axis=0) for arm in arms])["y"] for k in (1, 5))
    np.testing.assert_allclose(often.value, once.value, rtol=0.01)
    np.testing.assert_allclose(often.share_error, once.share_error, rtol=0.01)


def effect_of(share: float, arms: list[np.ndarray]) -> Effect:
    metric = a_quantile(share)
    collected = collected_of([[moments_of(y=arm[0]) for arm in arms]], quantiles=quantiles_of(metric, arms))
    return read_collected(an_experiment(metric), collected).looks[0].effects[0]


def test_intervals_of_rows_in_whole_numbers_hold() -> None:
    rng, runs, missed = np.random.default_rng(28), 1_000, 0
    for _ in range(runs):
        # Of the rows 2.7 % share the value at the median: left as they are, 9 % would be false alarms.
        arms = [np.round(rng.normal(50, 15, (1, 1_000))) for _ in range(2)]
        cells = quantiles_of(a_quantile(0.5), arms)["y"]
        assert not (cells.few(0.5) | cells.atom(0.5)).any()
        missed += abs(np.diff(cells.value.ravel()).item()) > 1.96 * np.sqrt(np.square(cells.standard_error).sum())
    assert stats.binomtest(missed, runs, 0.05).pvalue > 0.001


def test_a_quantile_on_a_value_that_many_rows_share_is_refused_and_not_zero() -> None:
    rng = np.random.default_rng(23)
    mostly_zero = [np.where(rng.random((1, 4_000)) < 0.6, 0.0, rng.lognormal(3, 1, (1, 4_000))) for _ in range(2)]
    median, tail = effect_of(0.5, mostly_zero), effect_of(0.9, mostly_zero)
    assert (median.absolute.estimate, median.relative.estimate, median.p_value) == (None, None, None)
    assert "of the rows of control share one value" in str(median.reason)
    assert tail.reason is None and tail.absolute.lower is not None


def test_a_quantile_beside_a_value_that_many_rows_share_is_refused_too() -> None:
    rng = np.random.default_rng(24)
    # 49.5 % are 0: the median is a small number, and its lower end is 0.
    beside = [np.concatenate([np.zeros(1_980), rng.uniform(1, 2, 2_020)])[None] for _ in range(2)]
    assert "share one value" in str(effect_of(0.5, beside).reason)


@pytest.mark.parametrize(("share", "least"), [(0.5, 5), (0.9, 37), (0.1, 37), (0.99, 397)])
def test_the_fewest_rows_that_give_an_interval(share: float, least: int) -> None:
    rng = np.random.default_rng(25)
    enough = effect_of(share, [rng.normal(100, size=(1, least)) for _ in range(2)])
    few = effect_of(share, [rng.normal(100, size=(1, least - 2)) for _ in range(2)])
    assert enough.reason is None and enough.absolute.lower is not None
    assert few.absolute.estimate is None and f"control has {least - 2} rows of {least - 2} units" in str(few.reason)


def test_an_arm_without_rows_is_unknown_and_not_zero() -> None:
    empty = QuantileCells(*np.full((4, 1, 1, 2), np.nan), *np.zeros((2, 1, 1, 2)))
    collected = collected_of([[moments_of(y=np.zeros(9))] * 2], quantiles={"y": empty})
    effect = read_collected(an_experiment(a_quantile(0.5)), collected).looks[0].effects[0]
    assert effect.absolute.estimate is None and "control has 0 rows of 0 units" in str(effect.reason)


def test_a_guardrail_on_a_percentile_is_held_to_its_margin() -> None:
    rng = np.random.default_rng(26)
    metric = a_quantile(0.9, role="guardrail", direction="decrease", margin=0.1)
    arms = [rng.lognormal(0, 0.5, (3, 20_000)) * scale for scale in (1.0, 1.02, 1.3)]

    def reading(other: np.ndarray) -> str:
        pair = [arms[0], other]
        collected = collected_of([[moments_of(y=arm[0]) for arm in pair]], quantiles=quantiles_of(metric, pair))
        return read_collected(an_experiment(metric), collected).looks[0].effects[0].reading

    assert (reading(arms[1]), reading(arms[2])) == ("within_margin", "beyond_margin")


def test_a_quantile_of_a_table_is_that_of_its_units_in_every_segment(tmp_path: Path) -> None:
    rng = np.random.default_rng(27)
    y = np.round(rng.lognormal(3, 1, 600), 3)
    lines = "unit,arm,place,y\n" + "".join(f"{k},{'ab'[k % 2]},{'pqr'[k % 3]},{v}\n" for k, v in enumerate(y))
    readout = read(
        a_table(tmp_path, lines, 'id = "p75"\nkind = "quantile"\nquantile = 0.75\nvalue = "y"', segments='["place"]')
    )
    for effect in readout.looks[0].effects:
        inside = np.arange(600) % 3 == "pqr".index(effect.segment.value) if effect.segment else np.ones(600, bool)
        wanted = [np.quantile(y[inside & (np.arange(600) % 2 == arm)], 0.75) for arm in (0, 1)]
        assert [effect.means.control, effect.means.treatment] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("cap = { value = 3 }", "hardly moves with a few huge values"),
        ('covariates = ["x"]', "a quantile takes none"),
        ("quantile = 90", "a number between 0 and 1"),
    ],
)
def test_what_makes_no_sense_for_a_quantile_is_refused(tmp_path: Path, line: str, wanted: str) -> None:
    share = "" if line.startswith("quantile") else "\nquantile = 0.9"
    with pytest.raises(ExperimentError, match=wanted):
        a_table(tmp_path, "unit,arm,y,x\n1,a,1,1\n", f'id = "p"\nkind = "quantile"\nvalue = "y"{share}\n{line}')
