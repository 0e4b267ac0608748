"""Every row that tea-tasting printed, with each of its options, from our Moments of the same users."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from builders import a_metric, moments_of, quantiles_of
from scipy import special, stats
from shared import GOLDEN, needs_golden

from analysis.contrasts import Contrast
from analysis.effects import pooled_contrast, unadjusted_contrast
from analysis.inference.intervals import FixedHorizon, fieller
from analysis.multiplicity.corrections import benjamini_hochberg, holm
from analysis.planning.power import OneLook
from analysis.sample_ratio import fixed_p_value

pytestmark = needs_golden
EXACT = 1e-9
PER_SESSION = {"orders": "orders_covariate", "revenue": "revenue_covariate"}
METRICS = {
    "sessions": (("sessions",), ()),
    "orders": (("orders",), ()),
    "revenue": (("revenue",), ()),
    "ops": (("orders", "sessions"), ()),
    "orders_cuped": (("orders",), ("orders_covariate",)),
    "revenue_cuped": (("revenue",), ("revenue_covariate",)),
    "ops_cuped": (("orders", "sessions"), (("orders_covariate", "sessions_covariate"),)),
    "rps_cuped": (("revenue", "sessions"), (("revenue_covariate", "sessions_covariate"),)),
}
OPTIONS = ("{}", '{"equal_var": true}', '{"use_t": false}', '{"alternative": "greater"}', '{"alternative": "less"}')
OPTIONS += ('{"confidence_level": 0.9}',)


@pytest.fixture(scope="module")
def golden() -> dict:
    return json.loads((GOLDEN / "exp_tea_tasting.json").read_text())


@pytest.fixture(scope="module")
def users() -> np.ndarray:
    return np.genfromtxt(GOLDEN / "exp_tt_users.csv", delimiter=",", names=True)


def arm(users: np.ndarray, which: int, *names: str) -> dict[str, np.ndarray]:
    return {name: users[name][users["variant"] == which] for name in names}


def contrast(users: np.ndarray, name: str) -> Contrast:
    outcome, covariates = METRICS[name]
    kind = "ratio" if len(outcome) == 2 else "mean"
    metric = a_metric(*outcome, kind=kind, covariates=covariates)
    columns = dict.fromkeys(
        (*outcome, *(c for pair in covariates for c in ((pair,) if isinstance(pair, str) else pair)))
    )
    both = [moments_of(**arm(users, which, *columns)) for which in (0, 1)]
    return pooled_contrast(metric, *both) if covariates else unadjusted_contrast(metric, *both)


@dataclass(frozen=True)
class Pivot:
    """An estimate with its error and the degrees of freedom of its pivot, inf for a normal one."""

    estimate: float
    error: float
    dof: float

    @classmethod
    def of(cls, estimate: float, per_unit: np.ndarray, n: np.ndarray, settings: dict) -> "Pivot":
        """From variances of one unit in each arm: Welch's, Student's with one variance, or normal."""
        if settings.get("equal_var"):
            pooled = float(per_unit @ (n - 1)) / (n.sum() - 2)
            return cls(estimate, np.sqrt(pooled * np.sum(1 / n)), n.sum() - 2)
        each = per_unit / n
        dof = each.sum() ** 2 / np.sum(each**2 / (n - 1)) if settings.get("use_t", True) else np.inf
        return cls(estimate, float(np.sqrt(each.sum())), float(dof))

    def ends(self, settings: dict) -> list[float]:
        alpha, side = 1 - settings.get("confidence_level", 0.95), settings.get("alternative")
        reach = FixedHorizon().critical(2 * alpha if side else alpha, np.asarray(np.inf), np.asarray(self.dof))
        low, high = self.estimate - float(reach) * self.error, self.estimate + float(reach) * self.error
        return [-np.inf if side == "less" else low, np.inf if side == "greater" else high]

    def p(self, settings: dict) -> float:
        z, side = self.estimate / self.error, settings.get("alternative")
        if side is None:
            return float(FixedHorizon().p_value(np.asarray(z), np.asarray(np.inf), np.asarray(self.dof)))
        turned = z if side == "less" else -z
        return float(special.ndtr(turned) if np.isinf(self.dof) else special.stdtr(self.dof, turned))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", METRICS)
def test_means_ratios_and_covariates_with_every_option(golden, users, name, option):
    want, settings = golden["outputs_1_14_0"][f"{name}|{option}"], json.loads(option)
    found = contrast(users, name)
    n = np.array([found.n_control, found.n_treatment], float)
    values = np.array([found.control, found.treatment], float)
    assert [want["control"], want["treatment"]] == pytest.approx(list(values), rel=EXACT, abs=0)
    # Both adjusted values carry the shared covariate mean, which cancels in the difference: each arm's own part.
    per_unit = own_variances(users, name, found) * n
    absolute = Pivot.of(float(found.difference), per_unit, n, settings)
    if not {"equal_var", "use_t"} & set(settings):
        assert [absolute.error, absolute.dof] == pytest.approx(
            [float(found.standard_error), float(found.dof)], rel=EXACT, abs=0
        )
    assert want["effect_size"] == pytest.approx(absolute.estimate, rel=EXACT, abs=0)
    assert ends(want) == pytest.approx(absolute.ends(settings), rel=EXACT, abs=0)
    assert want["statistic"] == pytest.approx(absolute.estimate / absolute.error, rel=EXACT, abs=0)
    assert want["pvalue"] == pytest.approx(absolute.p(settings), rel=EXACT, abs=0)
    # Their lift is read on the logarithmic scale, with degrees of freedom of its own; ours is Fieller's.
    logarithm = Pivot.of(float(np.log(values[1] / values[0])), per_unit / values**2, n, settings)
    assert want["rel_effect_size"] == pytest.approx(values[1] / values[0] - 1, rel=EXACT, abs=0)
    lifted = [end if np.isinf(end) else np.expm1(end) for end in logarithm.ends(settings)]
    assert ends(want, "rel_") == pytest.approx(lifted, rel=EXACT, abs=0)


def ends(want: dict, start: str = "") -> list[float]:
    """Both ends as numbers; infinite ones are words."""
    return [float(want[f"{start}effect_size_ci_{end}"]) for end in ("lower", "upper")]


def own_variances(users: np.ndarray, name: str, found: Contrast) -> np.ndarray:
    """Variance of each arm's value around the shared covariate mean, from the rows by plain numpy."""
    outcome, covariates = METRICS[name]
    variances = []
    for which in (0, 1):
        rows = arm(users, which, *users.dtype.names)
        score = linear(rows, outcome)
        for slope, pair in zip(np.ravel(found.slopes), covariates, strict=True):
            score = score - slope * linear(rows, (pair,) if isinstance(pair, str) else pair, users)
        variances.append(np.var(score, ddof=1) / len(score))
    return np.array(variances)


def linear(rows: dict, columns: tuple[str, ...], everybody: np.ndarray | None = None) -> np.ndarray:
    if len(columns) == 1:
        return rows[columns[0]]
    y, d = rows[columns[0]], rows[columns[1]]
    return (y - y.mean() / d.mean() * d) / d.mean()


@pytest.mark.parametrize("name", METRICS)
def test_our_lift_leaves_out_zero_exactly_where_the_p_value_says_so_and_theirs_is_near(golden, users, name):
    want, found = golden["outputs_1_14_0"][f"{name}|{{}}"], contrast(users, name)
    critical = FixedHorizon().critical(0.05, np.asarray(np.inf), found.dof)
    lower, upper = (float(end) for end in fieller(found.control, found.treatment, found.covariance, critical))
    assert (lower > 0 or upper < 0) == (want["pvalue"] < 0.05)
    width = want["rel_effect_size_ci_upper"] - want["rel_effect_size_ci_lower"]
    assert abs(lower - want["rel_effect_size_ci_lower"]) < 0.1 * width
    assert abs(upper - want["rel_effect_size_ci_upper"]) < 0.1 * width


METHODS = ("{}", *(f'{{"method": "{name}"}}' for name in ("fisher", "log-likelihood", "norm", "pearson")))


@pytest.mark.parametrize("option", METHODS)
def test_proportions_by_every_method(golden, users, option):
    """Ours keeps the arms' variances apart, as the interval does that it goes with; theirs pool them and correct for continuity."""
    want, method = golden["outputs_1_14_0"][f"prop|{option}"], json.loads(option).get("method", "norm")
    both = [moments_of(**arm(users, which, "converted")) for which in (0, 1)]
    found = unadjusted_contrast(a_metric("converted", kind="proportion"), *both)
    n, p = np.array([found.n_control, found.n_treatment], float), np.array([found.control, found.treatment], float)
    assert [want["control"], want["treatment"]] == pytest.approx(list(p), rel=EXACT, abs=0)
    assert [want["effect_size"], want["rel_effect_size"]] == pytest.approx(
        [p[1] - p[0], p[1] / p[0] - 1], rel=EXACT, abs=0
    )
    table = np.array([p * n, (1 - p) * n]).T
    pooled = table.sum(axis=0)[0] / n.sum()
    if method == "norm":
        gap = abs(p[1] - p[0]) - np.sum(1 / n) / 2
        theirs = 2 * stats.norm.sf(gap / np.sqrt(pooled * (1 - pooled) * np.sum(1 / n)))
    elif method == "fisher":
        theirs = stats.fisher_exact(np.rint(table).astype(int)).pvalue
    else:
        kind = {"pearson": 1.0, "log-likelihood": 0.0}[method]
        theirs = stats.chi2_contingency(np.rint(table), correction=True, lambda_=kind).pvalue
    assert want["pvalue"] == pytest.approx(theirs, rel=EXACT, abs=0)
    ours = float(FixedHorizon().p_value(found.difference / found.standard_error, n.sum(), np.asarray(np.inf)))
    # The correction for continuity makes theirs larger; without it the pooled variance alone is a small matter.
    assert ours < want["pvalue"] < 1.12 * ours
    assert ours == pytest.approx(stats.chi2_contingency(np.rint(table), correction=False).pvalue, rel=5e-3)
    if want["effect_size_ci_lower"] is None:
        assert method in ("fisher", "log-likelihood", "pearson")
        return
    # Their intervals pool and correct too, of the lift on the logarithmic scale: an interval of the null hypothesis.
    z, correction = stats.norm.isf(0.025), np.sum(1 / n) / 2
    half = z * np.sqrt(pooled * (1 - pooled) * np.sum(1 / n)) + correction
    assert ends(want) == pytest.approx([p[1] - p[0] - half, p[1] - p[0] + half], rel=EXACT, abs=0)
    reach = float(FixedHorizon().critical(0.05, n.sum(), np.asarray(np.inf)) * found.standard_error)
    assert half - reach == pytest.approx(correction, rel=0.05)
    log_half = z * np.sqrt((1 - pooled) / pooled * np.sum(1 / n)) + correction / p[0]
    assert ends(want, "rel_") == pytest.approx(
        [p[1] / p[0] * np.exp(s * log_half) - 1 for s in (-1, 1)], rel=EXACT, abs=0
    )


@pytest.mark.parametrize(("name", "shares"), [("srm", [1, 1]), ("srm_2_1", [1, 2])])
def test_sample_ratio(golden, users, name, shares):
    want = golden["outputs_1_14_0"][name]
    counts = [float((users["variant"] == which).sum()) for which in (0, 1)]
    assert [want["control"], want["treatment"]] == counts
    n, share = sum(counts), shares[0] / sum(shares)
    if n < 1000:
        raise AssertionError("theirs would be the exact binomial test")
    # Theirs of many users is normal with a correction for continuity; ours is chi-square without.
    z = (abs(counts[0] - n * share) - 0.5) / np.sqrt(n * share * (1 - share))
    assert want["pvalue"] == pytest.approx(2 * stats.norm.sf(z), rel=EXACT, abs=0)
    corrected = (z * np.sqrt(n * share * (1 - share)) + 0.5) / np.sqrt(n * share * (1 - share))
    assert float(fixed_p_value(counts, shares)) == pytest.approx(2 * stats.norm.sf(corrected), rel=EXACT, abs=0)


def test_a_median_that_is_an_atom_is_refused_where_a_bootstrap_says_zero(golden, users):
    """Most users have no revenue: the bootstrap's interval of the median's difference is [0, 0]; ours refuses."""
    for version in ("outputs_1_14_0", "outputs_2_0_0_bootstrap_only"):
        want = golden[version]["quantile_boot_q0.5|rng=42,n_resamples=10000"]
        assert {want[key] for key in want if not key.startswith("rel_")} == {0.0}
        assert all(want[key] is None for key in want if key.startswith("rel_"))
    metric = a_metric("revenue", kind="quantile", quantile=0.5)
    values = [arm(users, which, "revenue")["revenue"] for which in (0, 1)]
    assert [float(np.median(each)) for each in values] == [0, 0]
    cells = quantiles_of(metric, [each[None] for each in values])["revenue"]
    assert cells.atom(0.5).all()


BOOTSTRAPS, CHANCE = 4000, 1e-4


@pytest.mark.parametrize("version", ["outputs_1_14_0", "outputs_2_0_0_bootstrap_only"])
def test_a_high_quantile_with_the_interval_of_a_bootstrap(golden, users, version):
    """The estimate is exact. The interval is one draw of 10,000 resamples: ours and theirs within binomial error."""
    want = golden[version]["quantile_boot_q0.9|rng=42,n_resamples=10000"]
    values = [arm(users, which, "revenue")["revenue"] for which in (0, 1)]
    metric = a_metric("revenue", kind="quantile", quantile=0.9)
    cells = quantiles_of(metric, [each[None] for each in values])["revenue"]
    quantiles = [float(np.quantile(each, 0.9)) for each in values]
    assert [want["control"], want["treatment"]] == pytest.approx(quantiles, rel=EXACT, abs=0)
    difference = quantiles[1] - quantiles[0]
    assert [want["effect_size"], want["rel_effect_size"]] == pytest.approx(
        [difference, quantiles[1] / quantiles[0] - 1], rel=EXACT, abs=0
    )
    assert float(np.diff(cells.value.ravel())[0]) == pytest.approx(difference, abs=0.02)
    rng = np.random.default_rng(42)
    draws = np.array([[np.quantile(rng.choice(v, len(v)), 0.9) for v in values] for _ in range(BOOTSTRAPS)])
    for start, drawn in (("", draws[:, 1] - draws[:, 0]), ("rel_", draws[:, 1] / draws[:, 0] - 1)):
        for end, level in (("lower", 0.025), ("upper", 0.975)):
            below = int(np.sum(drawn < want[f"{start}effect_size_ci_{end}"]))
            # Theirs has an error of its own, of 10,000 draws, and corrects the ends for bias, which plain shares of
            # draws do not: one to two percent points of the tail.
            spread = np.sqrt(level * (1 - level) * (1 / BOOTSTRAPS + 1 / 10_000))
            assert abs(below / BOOTSTRAPS - level) < stats.norm.isf(CHANCE / 2) * spread + 0.012
    error = float(np.sqrt(np.square(cells.standard_error).sum()))
    half = (want["effect_size_ci_upper"] - want["effect_size_ci_lower"]) / 2
    assert stats.norm.isf(0.025) * error == pytest.approx(half, rel=0.12)


def test_ranks(golden, users):
    """We have no rank test: it says nothing of how much. Its numbers are those of the ranks themselves."""
    want = golden["outputs_1_14_0"]["mannwhitney_revenue"]
    control, treatment = (arm(users, which, "revenue")["revenue"] for which in (0, 1))
    n, m = len(treatment), len(control)
    ranks = stats.rankdata(np.concatenate([treatment, control]))
    above = ranks[:n].sum() - n * (n + 1) / 2
    assert [want["statistic"], want["treatment"], want["control"]] == pytest.approx(
        [above, above / (n * m), 1 - above / (n * m)], rel=EXACT, abs=0
    )
    assert want["effect_size"] == pytest.approx(2 * above / (n * m) - 1, rel=EXACT, abs=0)
    ties = np.unique(ranks, return_counts=True)[1]
    total = n + m
    spread = n * m / 12 * ((total + 1) - np.sum(ties**3 - ties) / (total * (total - 1)))
    z = (abs(above - n * m / 2) - 0.5) / np.sqrt(spread)
    assert want["pvalue"] == pytest.approx(2 * stats.norm.sf(z), rel=EXACT, abs=0)


def stepped(p: np.ndarray, constant: np.ndarray, up: bool, sidak: bool) -> np.ndarray:
    """Adjusted p-values of a step procedure: of the k-th smallest, with a number of tests for each k."""
    order = np.argsort(p)
    steps = 1 - (1 - p[order]) ** constant if sidak else p[order] * constant
    steps = np.minimum.accumulate(steps[::-1])[::-1] if up else np.maximum.accumulate(steps)
    back = np.empty_like(steps)
    back[order] = np.minimum(steps, 1)
    return back


PROCEDURES = ("bh", "by", "hochberg_sidak", "holm_bonf", "holm_sidak")


@pytest.mark.parametrize("name", PROCEDURES)
def test_adjusted_p_values(golden, users, name):
    rows = golden["outputs_1_14_0"][f"adjust_{name}"]
    metrics = {"sessions": "sessions", "orders": "orders_cuped", "revenue": "revenue_cuped", "ops": "ops_cuped"}
    assert [row["metric"] for row in rows] == list(metrics)
    ours = []
    for row in rows:
        found = contrast(users, metrics[row["metric"]])
        z = np.asarray(found.difference / found.standard_error)
        ours.append(float(FixedHorizon().p_value(z, np.asarray(np.inf), found.dof)))
        assert row["pvalue"] == pytest.approx(ours[-1], rel=EXACT, abs=0)
    p, m = np.array(ours), 4
    left, harmonic = m - np.arange(m), np.sum(1 / np.arange(1, m + 1))
    wanted = {
        "bh": benjamini_hochberg(p),
        "by": stepped(p, m * harmonic / np.arange(1, m + 1), up=True, sidak=False),
        "hochberg_sidak": stepped(p, left, up=True, sidak=True),
        "holm_bonf": holm(p),
        "holm_sidak": stepped(p, left, up=False, sidak=True),
    }[name]
    assert [row["pvalue_adj"] for row in rows] == pytest.approx(list(wanted), rel=EXACT, abs=0)
    assert [bool(row["null_rejected"]) for row in rows] == list(wanted <= 0.05)
    levels = np.sort([row["alpha_adj"] for row in rows])
    assert list(levels) == pytest.approx(list(np.sort(level_of(name, wanted, p))), rel=EXACT, abs=0)


def level_of(name: str, adjusted: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The level at which theirs says that each comparison was tested: of its own step, or that of the last that is."""
    m, rank = len(p), np.argsort(np.argsort(p))
    harmonic = np.sum(1 / np.arange(1, m + 1))
    steps = {
        "bh": 0.05 * (rank + 1) / m,
        "by": 0.05 * (rank + 1) / m / (harmonic if name == "by" else 1),
        "holm_bonf": 0.05 / (m - rank),
    }.get(name, 1 - 0.95 ** (1 / (m - rank)))
    step_up, rejected = name in ("bh", "by", "hochberg_sidak"), adjusted <= 0.05
    if step_up and rejected.any():
        return np.where(rejected, steps[rejected].max(), steps)
    if not step_up and (~rejected).any():
        return np.where(rejected, steps, steps[~rejected].min())
    return steps


def test_planned_effects_have_the_power_that_they_are_planned_for(golden, users):
    """Numbers themselves: see the tests of power. Here that every printed field is of one piece with the others."""
    rows = [*golden["outputs_1_14_0"]["power_rel_effect_size"], *golden["outputs_1_14_0"]["power_n_obs_5pct"]]
    for row in rows:
        name = {"ops": "ops_cuped"}.get(row.get("metric", "orders"), "orders_cuped")
        outcome, covariates = METRICS[name]
        metric = a_metric(*outcome, kind="ratio" if len(outcome) == 2 else "mean", covariates=covariates)
        columns = dict.fromkeys(
            (*outcome, *(c for pair in covariates for c in ((pair,) if isinstance(pair, str) else pair)))
        )
        control = moments_of(**arm(users, 0, *columns))
        found = pooled_contrast(metric, control, control)
        assert row["effect_size"] / float(found.control) == pytest.approx(row["rel_effect_size"], rel=EXACT, abs=0)
        error = float(found.standard_error) * np.sqrt(float(control.n) * 2 / row["n_obs"])
        power = OneLook().power(row["effect_size"], error, row["n_obs"] - 2)
        # One row asks for whole users: they are rounded up.
        assert power == pytest.approx(row["power"], abs=1e-9 if "metric" in row else 3e-5)
        assert power >= row["power"] - 1e-9
        assert row["power"] == pytest.approx(0.8, rel=EXACT, abs=0)
        assert row["n_obs"] == round(row["n_obs"])
        if "metric" not in row:
            fewer = float(found.standard_error) * np.sqrt(float(control.n) * 2 / (row["n_obs"] - 1))
            assert OneLook().power(row["effect_size"], fewer, row["n_obs"] - 3) < row["power"]
