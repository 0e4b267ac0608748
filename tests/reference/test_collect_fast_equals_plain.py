"""The fast local path and the plain Ibis expression return the same, whatever the facts look like."""

import tempfile
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from facts import a_parquet, a_table, an_experiment_file
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from analysis import Experiment, ExperimentError
from analysis.collect import collect
from analysis.collect.plain import collect_plain
from analysis.collected import Collected
from analysis.moments import Moments
from analysis.quantiles import QuantileCells

START = datetime(2026, 3, 1, 22, tzinfo=UTC)
METRICS = (
    'id = "revenue"\nkind = "mean"\nvalue = "revenue"\ncovariates = { window_days = 1.5 }\ncap = { quantile = 0.8 }',
    'id = "orders"\nkind = "count"\nwhere = { is_order = 1 }\nwindow_days = 1\ncap = { value = 1 }',
    'id = "buyers"\nkind = "proportion"\nvalue = "revenue"\nwhere = { kind = "buy" }\ncovariates = { window_days = 2 }',
    'id = "top"\nkind = "mean"\nvalue = "revenue"\naggregation = "max"\ncovariates = ["age"]',
    'id = "low"\nkind = "mean"\nvalue = "revenue"\naggregation = "max"\nwhere = { kind = "buy" }\ncap = { value = -1 }',
    'id = "ratio"\nkind = "ratio"\nvalue = "revenue"\ncovariates = { window_days = 1 }\n'
    'denominator = { aggregation = "count", where = { kind = "look" } }',
    'id = "back"\nkind = "retention"\nwindow_days = [0.5, 1.5]\nwhere = { kind = "buy" }',
    'id = "p80"\nkind = "quantile"\nquantile = 0.8\nvalue = "revenue"\nwhere = { kind = "buy" }\nwindow_days = 2',
    'id = "p50"\nkind = "quantile"\nquantile = 0.5\nvalue = "revenue"',
)
CAPPED = (
    'id = "revenue"\nkind = "mean"\nvalue = "revenue"\ncap = { quantile = 0.9, window_days = 2 }\n'
    "covariates = { window_days = 1 }",
    'id = "ratio"\nkind = "ratio"\nvalue = "revenue"\ncap = { quantile = 0.8 }\nwindow_days = 2\n'
    "denominator = { cap = { quantile = 0.9, window_days = 3 } }",
    'id = "returned"\nkind = "retention"\nvalue = "revenue"\nwindow_days = [0, 2]\ncovariates = { window_days = 2 }',
    'id = "p50"\nkind = "quantile"\nquantile = 0.5\nvalue = "revenue"',
)
# Sums of whole columns, which are read without DuckDB.
BARE = (
    'id = "revenue"\nkind = "mean"\nvalue = "revenue"\ncovariates = { window_days = 1.5 }\ncap = { quantile = 0.8 }',
    'id = "orders"\nkind = "count"\nvalue = "is_order"\naggregation = "sum"\nwindow_days = 2\ncovariates = ["age"]',
    'id = "buyers"\nkind = "proportion"\nvalue = "is_order"\naggregation = "any"',
    'id = "ratio"\nkind = "ratio"\nvalue = "revenue"\ndenominator = { value = "is_order" }\ncovariates = { window_days = 1 }',
)


def same(fast: Collected, plain: Collected) -> None:
    """Asserts that two scans saw the same."""
    for name in ("arms", "segments", "looks", "left_out", "last_exposure", "last_event", "nonnegative"):
        assert getattr(fast, name) == getattr(plain, name), name
    assert fast.moments.variables == plain.moments.variables
    np.testing.assert_array_equal(fast.crossed, plain.crossed)
    assert fast.caps == pytest.approx(plain.caps, rel=1e-12)
    same_moments(fast.moments, plain.moments)
    assert fast.quantiles.keys() == plain.quantiles.keys()
    for id in plain.quantiles:
        for cells in fields(QuantileCells):
            found, wanted = (getattr(scan.quantiles[id], cells.name) for scan in (fast, plain))
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12, err_msg=f"{id} {cells.name}")
    assert (fast.inside is None) == (plain.inside is None)
    if fast.inside is not None and plain.inside is not None:
        same_moments(fast.inside, plain.inside)


def same_moments(fast: Moments, plain: Moments) -> None:
    np.testing.assert_array_equal(fast.n, plain.n)
    np.testing.assert_allclose(fast.mean, plain.mean, rtol=1e-9, atol=1e-12)
    spread = np.sqrt(np.abs(np.diagonal(plain.cross, axis1=-2, axis2=-1)))
    slack = 1e-9 * spread[..., :, None] * spread[..., None, :] + 1e-12
    assert (np.abs(fast.cross - plain.cross) <= slack).all()


def files(folder: Path, exposures: dict[str, Any], events: dict[str, Any], *metrics: str, **plan: str) -> Experiment:
    a_parquet(folder / "exposures.parquet", exposures)
    a_parquet(folder / "events.parquet", events)
    return an_experiment_file(folder, 'exposures = "exposures.parquet"\nevents = "events.parquet"', *metrics, **plan)


def hours(many: list[int]) -> list[datetime]:
    return [START + timedelta(hours=hour) for hour in many]


exposure = st.tuples(
    st.integers(0, 9),
    st.sampled_from("aaabbbc"),
    st.integers(0, 60),
    st.sampled_from(["x", "y", None]),
    st.sampled_from(["u", "v"]),
    st.sampled_from([1.5, 30.0, None]),
)
event = st.tuples(
    st.integers(0, 11), st.integers(-60, 90), st.sampled_from(["buy", "look", None]), st.sampled_from([0, 1, None]),
    st.sampled_from([0.0, 2.5, 7.0, -3.0, None]),
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.lists(exposure, max_size=25), st.lists(event, min_size=1, max_size=60), st.booleans())
def test_fast_scan_equals_plain_scan_on_small_experiments(
    exposures: list[tuple[Any, ...]], events: list[tuple[Any, ...]], whole: bool
) -> None:
    exposures = [(20, "a", 3, "x", "u", 2.0), (21, "b", 30, "y", "v", None), *exposures]
    unit, arm, hour, place, device, age = zip(*exposures, strict=True)
    who, when, kind, is_order, revenue = zip(*events, strict=True)
    name = (lambda ids: list(ids)) if whole else (lambda ids: [f"u{k}" for k in ids])
    with tempfile.TemporaryDirectory() as folder:
        experiment = files(
            Path(folder),
            {"unit": name(unit), "arm": arm, "time": hours(hour), "place": place, "device": device, "age": age},
            {
                "unit": name(who),
                "time": hours(when),
                "kind": pa.array(kind, pa.string()),
                "is_order": is_order,
                "revenue": revenue,
            },
            *METRICS,
            segments='["place", "device"]',
        )
        try:
            fast = collect(experiment)
        except ExperimentError as wrong:
            # So few bought that the quantile is 0: refused before anything is compared.
            assume("the cap comes to" not in str(wrong))
            raise
        same(fast, collect_plain(experiment))


@pytest.mark.parametrize("metrics", [METRICS, BARE, CAPPED])
def test_fast_scan_equals_plain_scan_on_a_larger_experiment(
    metrics: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few that increments of one unit and day are joined many times.
    monkeypatch.setattr("analysis.collect.events.KEEP", 500)
    rng = np.random.default_rng(11)
    n, shown, done = 400, 600, 4000
    moments = [START + timedelta(seconds=int(s)) for s in rng.integers(0, 4 * 86_400, shown)]
    acts = [START + timedelta(seconds=int(s)) for s in rng.integers(-3 * 86_400, 6 * 86_400, done)]
    unit = rng.integers(0, n, shown)
    arm = np.where(rng.random(shown) < 0.02, "c", np.array(["a", "b"])[unit % 2])
    age = np.where(rng.random(shown) < 0.1, np.nan, rng.normal(40, 9, shown))
    with tempfile.TemporaryDirectory() as folder:
        experiment = files(
            Path(folder),
            {
                "unit": unit, "arm": arm, "time": moments, "place": rng.choice(["x", "y", "z"], shown),
                "device": rng.choice(["u", "v"], shown), "age": age,
            },
            {
                "unit": rng.integers(0, n + 50, done), "time": acts, "kind": rng.choice(["buy", "look", "zero"], done),
                "is_order": rng.integers(0, 2, done), "revenue": 1e6 + np.round(rng.lognormal(3, 1, done), 2),
            },
            *(metric.replace("value = -1", "value = 0.5") for metric in metrics),
            segments='["place", "device"]',
        )  # fmt: skip
        fast = collect(experiment)
        assert len(fast.looks) == 7
        assert fast.crossed.sum() > 0
        same(fast, collect_plain(experiment))


@pytest.mark.parametrize("crossovers", ["exclude", "first"])
@pytest.mark.parametrize("clustered", [False, True])
def test_fast_scan_equals_plain_scan_under_either_crossover_policy_for_units_and_clusters(
    crossovers: str, clustered: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(12)
    n, shown, done = 300, 500, 2000
    unit = rng.integers(0, n, shown)
    # A few units move to another cluster between two exposures.
    shop = np.where(rng.random(shown) < 0.02, rng.integers(0, 40, shown), unit % 40)
    arm = np.where(rng.random(shown) < 0.02, "c", np.array(["a", "b"])[shop % 2])
    arm = np.where(shop == 7, "a", arm)
    plan = {"segments": '["place"]', "crossovers": f'"{crossovers}"'} | ({"cluster": '"shop"'} if clustered else {})
    experiment = files(
        tmp_path,
        {
            "unit": unit, "arm": arm, "shop": shop, "place": np.array(["x", "y", "z"])[shop % 3],
            "time": [START + timedelta(seconds=int(s)) for s in rng.integers(0, 4 * 86_400, shown)],
            "age": np.where(rng.random(shown) < 0.1, np.nan, rng.normal(40, 9, shown)),
        },
        {
            "unit": rng.integers(0, n + 50, done), "kind": rng.choice(["buy", "look"], done),
            "time": [START + timedelta(seconds=int(s)) for s in rng.integers(-3 * 86_400, 6 * 86_400, done)],
            "is_order": rng.integers(0, 2, done), "revenue": np.round(rng.lognormal(3, 1, done), 2),
        },
        *METRICS[:4],
        METRICS[-1],
        **plan,
    )  # fmt: skip
    fast = collect(experiment)
    assert fast.crossed[-1].sum() > 0 and len(fast.looks) == 7
    same(fast, collect_plain(experiment))


@pytest.mark.parametrize("crossovers", ["exclude", "first"])
def test_fast_scan_equals_plain_scan_of_a_table_of_clusters(crossovers: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    lines = "unit,arm,shop,place,day,y,x\n" + "".join(
        f"{k},{'ab'[shop % 2 if k != 60 else 1]},s{shop:02d},{'pq'[shop // 2 % 2]},2026-03-{1 + k % 5:02d},"
        f"{rng.normal(100, 10):.3f},{'' if k % 9 == 0 else round(rng.normal(), 3)}\n"
        for k, shop in enumerate(rng.integers(0, 12, 200).tolist())
    )
    experiment = a_table(
        tmp_path, lines, 'id = "y"\nkind = "mean"\nvalue = "y"\ncovariates = ["x"]', more='time = "day"',
        cluster='"shop"', segments='["place"]', crossovers=f'"{crossovers}"',
    )  # fmt: skip
    fast = collect(experiment)
    assert fast.crossed[-1].sum() > 0 and len(fast.looks) == 5
    same(fast, collect_plain(experiment))
