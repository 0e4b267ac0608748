"""Our quantiles against numbers that other programs printed."""

import json

import numpy as np
import pytest
from builders import a_metric, collected_of, moments_of, quantiles_of
from scipy.optimize import LinearConstraint, milp
from shared import GOLDEN, needs_golden

from analysis.collect.ranks import Ranked, quantile_cells
from analysis.contrasts import contrast_of
from analysis.inference.intervals import ConfidenceSequence
from analysis.quantiles import Z

pytestmark = needs_golden
SIDES = ("control", "treatment")


@pytest.fixture(scope="module")
def peer():
    return json.loads((GOLDEN / "exp_gbstats.json").read_text())


@pytest.fixture(scope="module")
def users():
    return np.genfromtxt(GOLDEN / "exp_users_small.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")


@pytest.mark.parametrize("nu", [0.5, 0.9])
def test_quantiles_of_one_value_a_unit_with_their_errors_and_sequences(peer, users, nu):
    metric, id = a_metric("y", kind="quantile", quantile=nu), f"q{100 * nu:.0f}"
    arms = [users["y"][users["z"] == arm] for arm in (0, 1)]
    cells = quantiles_of(metric, [arm[None] for arm in arms])["y"]
    wanted = [peer["inputs"][id][side] for side in SIDES]
    np.testing.assert_allclose(cells.value.ravel(), [w["quantile_hat"] for w in wanted], rtol=1e-9)
    widths = [w["quantile_upper"] - w["quantile_lower"] for w in wanted]
    np.testing.assert_allclose(cells.standard_error.ravel(), np.array(widths) / (2 * Z), rtol=1e-9)
    collected = collected_of([[moments_of(y=arm) for arm in arms]], quantiles={"y": cells})
    found = contrast_of(metric, collected, 1)
    # The peer takes a variance of n rows as one of n - 1, and divides by n.
    n = np.array([len(arm) for arm in arms])
    found.covariance[...] *= (n - 1) / n
    for row in peer["outputs_head"]:
        if row["metric"] != id or not row["test"].startswith("sequential_two_sided_N"):
            continue
        relative = row["difference_type"] == "relative"
        estimate = found.difference / (found.control if relative else 1)
        error = found.relative_standard_error if relative else found.standard_error
        half = error * ConfidenceSequence(float(row["test"].split("_N")[1])).critical(0.05, n.sum(), np.inf)
        numbers = [estimate, error, estimate - half, estimate + half]
        assert [float(x.item()) for x in numbers] == pytest.approx([row["expected"], row["se"], *row["ci"]], rel=1e-9)


def rows_like(sums: dict[str, float], each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units and values of rows with a peer's sums over units of rows and of rows at or below the quantile.

    Which unit has how many below is not in the sums; any that fits them does.
    """
    kinds = [(n, below) for n in np.unique(each) for below in range(n + 1)]
    n, below = np.array(kinds).T
    equal = [below, below**2, below * n, *(n == size for size in np.unique(each))]
    goal = [sums["main_sum"], sums["main_sum_squares"], sums["main_denominator_sum_product"]]
    goal += [(each == size).sum() for size in np.unique(each)]
    found = milp(np.zeros(len(kinds)), constraints=LinearConstraint(np.array(equal), goal, goal), integrality=1)
    units = np.repeat(kinds, np.rint(found.x).astype(int), axis=0)
    unit = np.repeat(np.arange(len(units)), units[:, 0])
    low = np.concatenate([np.arange(n) < below for n, below in units])
    return unit, np.where(low, 0.0, 1e6) + np.arange(len(unit))


@pytest.mark.parametrize("nu", [0.5, 0.9])
@pytest.mark.parametrize("arm", [0, 1])
def test_error_of_the_share_of_rows_clustered_by_unit(peer, users, nu, arm):
    sums = peer["inputs"][f"qcluster{100 * nu:.0f}"][SIDES[arm]]
    each = users["d"][users["z"] == arm].astype(int)
    assert (each.sum(), (each**2).sum()) == (sums["denominator_sum"], sums["denominator_sum_squares"])
    unit, value = rows_like(sums, each)
    rows = Ranked.of(unit, value, np.zeros(len(unit), np.uint16), alone=False)
    cells = quantile_cells(rows, (nu,), 1, np.zeros(len(each), int), 1, [])[0]
    vectors = json.loads((GOLDEN / "exp_reference_methods.json").read_text())["vectors"]
    wanted = vectors["clustered_quantile"][f"q{100 * nu:.0f}"]["sd_of_indicator_cluster"][arm]
    assert cells.share_error.item() == pytest.approx(wanted, rel=1e-9)
    assert (cells.rows.item(), cells.units.item()) == (sums["n"], sums["n_clusters"])
