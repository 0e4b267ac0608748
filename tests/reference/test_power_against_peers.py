"""Power and sample size beside statsmodels, tea-tasting and simulated operating characteristics."""

import csv
import json
import math

import numpy as np
import pytest
from builders import a_metric, moments_of
from scipy import special, stats
from shared import GOLDEN, needs_golden

from analysis.effects import pooled_contrast
from analysis.planning.power import Comparison, ManyLooks, OneLook, minimum_detectable_effect, sample_size

pytestmark = needs_golden
# statsmodels ends its search for n up to 9e-9 beside the closed form, where there is one.
SEARCH = 1e-8
SIMULATED = 200_000


def golden(name: str) -> dict:
    return json.loads((GOLDEN / f"exp_{name}.json").read_text(encoding="utf-8")) if GOLDEN.is_dir() else {}


def means() -> list[dict]:
    return golden("power_statsmodels").get("means", [])


@pytest.mark.parametrize("case", means(), ids=lambda case: "-".join(str(v) for v in list(case.values())[:5]))
@pytest.mark.parametrize("pivot", ["t", "normal"])
def test_power_and_sample_size_agree_with_statsmodels(case, pivot):
    test = OneLook(case["alpha"], 2 if case["alternative"] == "two-sided" else 1)
    comparison, effect, suffix = Comparison(1, 1, case["n2_over_n1"]), case["effect_size_d"], pivot[0].replace("n", "z")
    if "n1" in case:
        n = case["n1"]
        power = test.power(effect, comparison.error(n), comparison.dof(n, pivot))
        assert power == pytest.approx(case[f"power_{suffix}"], abs=1e-9)
    else:
        n = sample_size(test, comparison, effect, case["power"], pivot)
        assert n == pytest.approx(case[f"n1_{suffix}"], rel=SEARCH)
        assert test.power(effect, comparison.error(n), comparison.dof(n, pivot)) == pytest.approx(
            case["power"], abs=1e-11
        )
        assert minimum_detectable_effect(test, comparison, n, case["power"], pivot) == pytest.approx(effect, rel=1e-11)
        if pivot == "normal" and test.sides == 1:
            z = special.ndtri([1 - case["alpha"], case["power"]]).sum()
            assert n == pytest.approx((z / effect) ** 2 * (1 + 1 / case["n2_over_n1"]), rel=1e-11)


@pytest.mark.parametrize("case", golden("power_statsmodels").get("proportions", []), ids=lambda case: str(case["p1"]))
def test_proportions_agree_with_statsmodels(case):
    p, q = case["p1"], case["p2"]
    # The closed form counts one tail.
    unpooled = sample_size(OneLook(0.025, 1), Comparison(p * (1 - p), q * (1 - q)), q - p, 0.8)
    assert unpooled == pytest.approx(case["n_per_arm_unpooled_normal"], rel=1e-9)
    assert sample_size(OneLook(), Comparison(1, 1), case["cohen_h"], 0.8) == pytest.approx(
        case["n_per_arm_arcsine"], rel=SEARCH
    )


def test_detectable_effects_with_covariates_agree_with_tea_tasting():
    peer = golden("tea_tasting")["outputs_1_14_0"]
    with open(GOLDEN / "exp_tt_users.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["variant"] == "0"]
    columns = ("orders", "sessions", "orders_covariate", "sessions_covariate")
    moments = moments_of(**{name: [float(row[name]) for row in rows] for name in columns})
    metrics = {
        "orders": a_metric("orders", covariates=("orders_covariate",)),
        "ops": a_metric("orders", "sessions", kind="ratio", covariates=(("orders_covariate", "sessions_covariate"),)),
    }
    for given in (*peer["power_rel_effect_size"], *peer["power_n_obs_5pct"]):
        contrast = pooled_contrast(metrics[given.get("metric", "orders")], moments, moments)
        variance, value = float(contrast.standard_error**2 * len(rows) / 2), float(contrast.control)
        comparison = Comparison(variance, variance)
        if "metric" in given:
            effect = minimum_detectable_effect(OneLook(), comparison, given["n_obs"] / 2, given["power"], "t")
            assert effect == pytest.approx(given["effect_size"], rel=1e-9)
            assert effect / value == pytest.approx(given["rel_effect_size"], rel=1e-9)
        else:
            n = sample_size(OneLook(), comparison, given["rel_effect_size"] * value, given["power"], "t")
            assert math.ceil(2 * n) == given["n_obs"]


def operating() -> list[tuple[dict, list[float]]]:
    given = golden("operating_characteristics")
    # A bound of 1e9 stands for a look that is not taken.
    return [
        (row, given["boundaries"][row["method"]])
        for row in given.get("rows", [])
        if max(given["boundaries"][row["method"]]) < 1e6
    ]


@pytest.mark.parametrize(
    ("row", "critical"),
    operating(),
    ids=lambda value: "" if isinstance(value, list) else f"{value['scenario']}-{value['method']}",
)
def test_power_over_28_looks_agrees_with_simulated_experiments(row, critical):
    looks = ManyLooks(tuple((np.arange(28) + 1) / 28), tuple(critical))
    once = OneLook().detectable(1.0, 0.8)
    drift = {"H0": 0.0, "H1: fixed-horizon power 80%": once, "H1: 1.5x that effect": 1.5 * once}[row["scenario"]]
    seen = round(row["reject"] * SIMULATED)
    assert stats.binomtest(seen, SIMULATED, looks.power(drift, 1.0)).pvalue > 0.001
    assert looks.expected_information(drift, 1.0) == pytest.approx(
        # A share between 0 and 1 has a standard deviation of a half at most.
        row["mean_fraction_of_planned_sample"],
        abs=3.3 * 0.5 / math.sqrt(SIMULATED),
    )
