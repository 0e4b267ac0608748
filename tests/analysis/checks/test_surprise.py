"""Effects too good to be true, and assumptions that broke: found where planted, and quiet where all is well."""

from dataclasses import replace

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, moments_of
from scipy import stats

from analysis.experiment import Experiment
from analysis.metrics import Quantity
from analysis.moments import Moments
from analysis.reading import read_collected
from analysis.readout import Check, Prior
from analysis.variables import Variable


def checks_of(experiment: Experiment, *looks: list, **more) -> list[dict[str, Check]]:
    readout = read_collected(experiment, collected_of(list(looks), **more))
    return [{check.name: check for check in look.checks} for look in readout.looks]


def two_arms(rng: np.random.Generator, lift: float, n: int = 2_000) -> list:
    return [moments_of(y=rng.normal(10 * factor, 10, n)) for factor in (1.0, 1 + lift)]


@pytest.mark.parametrize(
    ("lift", "surprise", "verdict"),
    [(0.9, 0.5, "warn"), (-0.9, 0.5, "warn"), (0.3, 0.5, "pass"), (0.3, 0.2, "warn"), (0.9, 2.0, "pass")],
)
def test_a_lift_beyond_its_surprise_warns(lift: float, surprise: float, verdict: str):
    experiment = an_experiment(a_metric("y", surprise=surprise))
    (checks,) = checks_of(experiment, two_arms(np.random.default_rng(1), lift))
    assert checks["surprise"].verdict == verdict
    assert ("check the logging" in checks["surprise"].reason) == (verdict == "warn")


def test_a_large_lift_that_may_be_chance_does_not_warn():
    (checks,) = checks_of(an_experiment(a_metric("y")), two_arms(np.random.default_rng(2), 0.7, n=15))
    assert checks["surprise"].value > 0.5 and checks["surprise"].verdict == "pass"


def test_a_lift_that_the_stated_prior_rules_out_warns_in_a_bayesian_design_only():
    arms = two_arms(np.random.default_rng(3), 0.3, n=20_000)
    prior = Prior(0.0, 0.03)
    for inference, verdict in (("bayesian", "warn"), ("fixed", "pass")):
        (checks,) = checks_of(an_experiment(a_metric("y"), inference=inference, prior=prior), arms)
        assert checks["surprise"].verdict == verdict


def test_no_effect_is_seldom_called_too_good_at_any_of_28_looks():
    rng, runs = np.random.default_rng(4), 400
    experiment = an_experiment(a_metric("y"), inference="confidence_sequence", planned_units=2_800)
    alarms = 0
    for _ in range(runs):
        days = [[moments_of(y=rng.lognormal(0, 1.5, 50)) for _ in "ab"] for _ in range(28)]
        looks = [days[0]]
        for day in days[1:]:
            looks.append([a + b for a, b in zip(looks[-1], day, strict=True)])
        alarms += any(checks["surprise"].verdict == "warn" for checks in checks_of(experiment, *looks))
    assert stats.binomtest(alarms, runs, 0.01, alternative="greater").pvalue > 0.001


def test_a_slope_that_changes_its_sign_between_arms_warns():
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, (2, 2_000))
    experiment = an_experiment(a_metric("y", covariates=("x",)))
    for signs, verdict in (((1, 1), "pass"), ((1, -1), "warn")):
        arms = [moments_of(y=sign * x[k] + rng.normal(10, 1, 2_000), x=x[k]) for k, sign in enumerate(signs)]
        (checks,) = checks_of(experiment, arms)
        assert checks["covariates"].verdict == verdict


def own_past(rng: np.random.Generator, n: int, slope: float = 0.0) -> list[Moments]:
    """Two arms of a score, with the same before exposure: of either sign, for spending hardly ever seems to fall."""
    variables = (Variable("y"), Variable("y", days=14, pre=True))
    before = rng.normal(0, 1, (2, n))
    return [Moments.of(np.stack([rng.normal(0, 1, n) + slope * x, x], -1), variables) for x in before]


WITH_PAST = replace(a_metric("y"), covariates=(Quantity(Variable("y", days=14, pre=True)),))


def test_a_metric_that_falls_with_its_own_past_warns():
    for slope, verdict in ((0.5, "pass"), (-0.5, "warn")):
        (checks,) = checks_of(an_experiment(WITH_PAST), own_past(np.random.default_rng(6), 5_000, slope))
        assert checks["covariates"].verdict == verdict


def test_unrelated_pasts_seldom_warn_at_any_of_28_looks():
    rng, runs, alarms = np.random.default_rng(6), 300, 0
    for _ in range(runs):
        looks = [own_past(rng, 50)]
        for _ in range(27):
            looks.append([a + b for a, b in zip(looks[-1], own_past(rng, 50), strict=True)])
        alarms += any(checks["covariates"].verdict == "warn" for checks in checks_of(an_experiment(WITH_PAST), *looks))
    assert stats.binomtest(alarms, runs, 0.001, alternative="greater").pvalue > 0.001


def test_a_cap_that_cuts_more_of_one_arm_warns():
    arms = two_arms(np.random.default_rng(7), 0.0, n=10_000)
    for cut, verdict in (((100.0, 112.0), "pass"), ((60.0, 140.0), "warn")):
        (checks,) = checks_of(an_experiment(a_metric("y")), arms, capped={"y capped at 50": np.array(cut)})
        assert checks["capping"].verdict == verdict
    (checks,) = checks_of(an_experiment(a_metric("y")), arms)
    assert "capping" not in checks


def test_a_metric_that_a_few_units_hold_warns():
    rng = np.random.default_rng(8)
    few = [moments_of(y=np.append(rng.uniform(0, 0.01, 4_997), [900.0, 1_000.0, 1_100.0])) for _ in "ab"]
    (checks,) = checks_of(an_experiment(a_metric("y")), few, nonnegative=frozenset(few[0].variables))
    assert checks["sample_size"].verdict == "warn" and checks["sample_size"].value == pytest.approx(3, rel=0.05)
