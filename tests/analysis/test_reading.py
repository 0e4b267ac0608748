import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, moments_of, stack

from analysis import Readout, read_collected
from analysis.metrics import Quantity
from analysis.moments import Moments
from analysis.readout import Segment
from analysis.variables import Variable


def draws(mean: float, sd: float, n: int) -> np.ndarray:
    """Normal-looking values with exactly this mean and standard deviation, shuffled by a seed that depends on n."""
    values = np.random.default_rng(n).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std()


def two_arms(effect: float = 0.0, n: int = 2_000) -> list:
    return [moments_of(y=draws(10 + shift, 2, n)) for shift in (0.0, effect)]


def only_effect(readout: Readout):
    (effect,) = readout.looks[-1].effects
    return effect


def test_a_readout_survives_json():
    experiment = an_experiment(a_metric("y"), inference="confidence_sequence", planned_units=4_000)
    readout = read_collected(experiment, collected_of([two_arms(0.5)]))
    assert Readout.from_json(readout.to_json()) == readout


def test_the_json_has_the_promised_fields():
    found = json.loads(read_collected(an_experiment(a_metric("y")), collected_of([two_arms(0.5)])).to_json())
    assert {"experiment", "looks", "decision"} <= found.keys()
    look = found["looks"][0]
    assert {"time", "units", "checks", "effects"} <= look.keys() and look["units"] == {"a": 2_000, "b": 2_000}
    assert {"name", "verdict", "p_value", "value", "limit"} <= look["checks"][0].keys()
    effect = look["effects"][0]
    assert {"metric", "role", "arm", "control", "segment", "n", "means", "adjustment"} <= effect.keys()
    assert {"absolute", "relative", "unadjusted", "p_value", "interval", "variance_reduction"} <= effect.keys()
    assert {"estimate", "standard_error", "lower", "upper"} <= effect["relative"].keys()
    assert {"absolute", "relative"} <= effect["unadjusted"].keys() and {"kind", "level"} == effect["interval"].keys()
    assert {"verdict", "reasons"} <= found["decision"].keys()


NOTHING = {
    "zero variance": ([moments_of(y=np.full(500, 3.1)), moments_of(y=np.full(500, 3.1))], "no variance"),
    "one unit": ([moments_of(y=[3.0]), moments_of(y=[1.0, 2.0])], "control has 1 unit"),
    "no units": ([moments_of(y=[1.0, 2.0]), moments_of(y=np.empty(0))], "treatment has 0 units"),
}


@pytest.mark.parametrize("case", NOTHING)
def test_an_interval_that_cannot_be_computed_is_null_with_a_reason(case):
    arms, reason = NOTHING[case]
    effect = only_effect(read_collected(an_experiment(a_metric("y")), collected_of([arms])))
    for estimate in (effect.absolute, effect.relative):
        assert (estimate.standard_error, estimate.lower, estimate.upper) == (None, None, None)
        assert reason in estimate.reason
    assert effect.p_value is None and effect.reading == "unknown"


def test_a_lift_on_a_control_of_zero_is_null_but_the_difference_is_not():
    arms = [moments_of(y=np.zeros(500)), moments_of(y=draws(1, 1, 500))]
    effect = only_effect(read_collected(an_experiment(a_metric("y")), collected_of([arms])))
    assert effect.absolute.lower > 0 and effect.reading == "better"
    assert effect.relative.estimate is None and "control value is 0" in effect.relative.reason


def test_a_control_near_zero_has_a_lift_without_bounds():
    arms = [moments_of(y=draws(0.01, 1, 200)), moments_of(y=draws(1, 1, 200))]
    effect = only_effect(read_collected(an_experiment(a_metric("y")), collected_of([arms])))
    assert effect.relative.lower is None and "no bounds" in effect.relative.reason


def test_a_ratio_without_denominator_says_so():
    arms = [moments_of(y=draws(1, 1, 50), d=np.zeros(50)), moments_of(y=draws(1, 1, 50), d=np.ones(50))]
    effect = only_effect(read_collected(an_experiment(a_metric("y", "d", kind="ratio")), collected_of([arms])))
    assert effect.absolute.estimate is None and "denominator is 0" in effect.absolute.reason


def test_a_lift_on_a_negative_control_keeps_the_sign_of_the_change():
    arms = [moments_of(y=draws(-10, 1, 500)), moments_of(y=draws(-9, 1, 500))]
    effect = only_effect(read_collected(an_experiment(a_metric("y")), collected_of([arms])))
    assert 0.05 < effect.relative.lower < effect.relative.estimate < effect.relative.upper < 0.15


def test_segments_carry_a_simultaneous_interval_that_is_wider():
    looks = [two_arms(0.5), two_arms(0.5), two_arms(0.5)]
    wide = collected_of([two_arms(0.5)], segments=(None, Segment("s", "x"), Segment("s", "y")), moments=stack([looks]))
    readout = read_collected(an_experiment(a_metric("y"), segments=("s",)), wide)
    overall, *segments = readout.looks[0].effects
    assert overall.simultaneous is None and [e.segment.value for e in segments] == ["x", "y"]
    for effect in segments:
        assert effect.simultaneous.lower < effect.relative.lower < effect.relative.upper < effect.simultaneous.upper


def test_a_better_metric_within_margins_ships():
    experiment = an_experiment(a_metric("y"), inference="confidence_sequence", planned_units=4_000)
    assert read_collected(experiment, collected_of([two_arms(0.5)])).decision.verdict == "ship"


def test_lower_is_better_turns_the_reading_round():
    experiment = an_experiment(
        a_metric("y", direction="decrease"), inference="confidence_sequence", planned_units=4_000
    )
    readout = read_collected(experiment, collected_of([two_arms(0.5)]))
    assert only_effect(readout).reading == "worse" and readout.decision.verdict == "stop"


def test_a_flat_metric_runs_on_until_the_planned_units_are_in():
    flat = collected_of([two_arms(0.0)])
    for planned, verdict in ((10_000, "keep_running"), (4_000, "stop")):
        experiment = an_experiment(a_metric("y"), inference="confidence_sequence", planned_units=planned)
        assert read_collected(experiment, flat).decision.verdict == verdict


def test_a_fixed_horizon_does_not_ship_before_its_planned_units():
    experiment = an_experiment(a_metric("y"), inference="fixed", planned_units=10_000)
    decision = read_collected(experiment, collected_of([two_arms(0.5)])).decision
    assert decision.verdict == "keep_running" and "read once" in decision.reasons[0]


def test_a_win_beyond_a_guardrails_margin_is_for_review():
    arms = [moments_of(y=draws(10 + s, 2, 4_000), g=draws(10 - 2 * s, 2, 4_000)) for s in (0.0, 0.5)]
    experiment = an_experiment(
        a_metric("y"),
        a_metric("g", role="guardrail", margin=0.02),
        inference="confidence_sequence",
        planned_units=8_000,
    )
    decision = read_collected(experiment, collected_of([arms])).decision
    assert decision.verdict == "review" and any("beyond its margin of 2.0%" in reason for reason in decision.reasons)


def test_several_arms_must_clear_a_stricter_level_to_win():
    rng = np.random.default_rng(1)
    columns = rng.normal(10, 2, (12, 1_000))
    arms = tuple("abcdefghijkl")
    # The last arm is set to p of about 0.02: enough alone, not among eleven.
    columns[-1] += columns[0].mean() - columns[-1].mean() + 2.33 * np.sqrt(8 / 1_000)
    experiment = an_experiment(a_metric("y"), shares={arm: 1.0 for arm in arms})
    readout = read_collected(experiment, collected_of([[moments_of(y=c) for c in columns]], arms=arms))
    last = next(effect for effect in readout.looks[0].effects if effect.arm == "l")
    assert 0.01 < last.p_value < 0.05 and last.reading == "better"
    assert next(d for d in readout.decision.arms if d.arm == "l").verdict != "ship"


def test_a_broken_sample_ratio_blocks_the_decision():
    arms = [moments_of(y=draws(10, 2, n)) for n in (5_000, 5_500)]
    readout = read_collected(an_experiment(a_metric("y")), collected_of([arms]))
    assert readout.decision.verdict == "blocked"
    assert next(c for c in readout.looks[0].checks if c.name == "sample_ratio").verdict == "fail"


def test_with_several_looks_the_sequential_sample_ratio_decides():
    looks = [[moments_of(y=draws(10, 2, n * day)) for n in (5_000, 5_500)] for day in (1, 2, 3)]
    readout = read_collected(an_experiment(a_metric("y")), collected_of(looks))
    verdicts = {check.name: check.verdict for check in readout.looks[-1].checks}
    assert verdicts["sample_ratio_sequential"] == "fail" and readout.decision.verdict == "blocked"
    assert "used again once the cause is found" in readout.decision.arms[0].changes[0]


def test_crossovers_warn_above_one_percent():
    for crossed, verdict in ((10.0, "pass"), (100.0, "warn"), (1_000.0, "fail")):
        readout = read_collected(
            an_experiment(a_metric("y")), collected_of([two_arms()], crossed=np.array([[crossed / 2, crossed / 2]]))
        )
        assert next(c for c in readout.looks[0].checks if c.name == "crossover").verdict == verdict


def test_an_imbalance_before_exposure_fails():
    arms = [moments_of(y=draws(10, 2, 2_000), x=draws(shift, 1, 2_000)) for shift in (0.0, 0.3)]
    readout = read_collected(an_experiment(a_metric("y", covariates=("x",))), collected_of([arms]))
    balance = next(c for c in readout.looks[0].checks if c.name == "pre_period_balance")
    assert balance.verdict == "fail" and balance.value > 5


def test_stale_facts_warn():
    now = datetime(2026, 11, 20, tzinfo=UTC)
    for age, verdict in ((1, "pass"), (72, "warn")):
        seen = now - timedelta(hours=age)
        collected = collected_of([two_arms()], last_exposure=seen, last_event=seen)
        readout = read_collected(an_experiment(a_metric("y")), collected, now=now)
        assert next(c for c in readout.looks[0].checks if c.name == "freshness").verdict == verdict


def test_a_sequence_gives_no_interval_where_an_arm_has_too_few_units_with_a_value():
    rare = [moments_of(y=np.r_[np.ones(k), np.zeros(2_000 - k)]) for k in (4, 40)]
    plan = {"inference": "confidence_sequence", "planned_units": 10_000}
    for metric, known in ((a_metric("y", kind="proportion"), frozenset()), (a_metric("y"), frozenset([Variable("y")]))):
        for treated, thin in ((1.0, False), (9.0, True)):
            experiment = an_experiment(metric, shares={"a": 1.0, "b": treated}, **plan)
            effect = only_effect(read_collected(experiment, collected_of([rare], nonnegative=known)))
            assert (effect.absolute.lower is None) == thin == (effect.reading == "unknown")
            assert not thin or "too few units with a value" in effect.absolute.reason


def test_a_proportion_of_one_unit_has_no_interval():
    arms = [moments_of(y=[0.0]), moments_of(y=np.tile([0.0, 1.0], 25))]
    effect = only_effect(read_collected(an_experiment(a_metric("y", kind="proportion")), collected_of([arms])))
    assert effect.p_value is None and "control has 1 unit" in effect.absolute.reason


def test_a_rare_harm_is_beyond_its_margin_also_where_its_lift_has_no_bounds():
    arms = [moments_of(y=np.r_[np.ones(k), np.zeros(5_000 - k)]) for k in (2, 250)]
    crashes = a_metric("y", kind="proportion", role="guardrail", margin=0.02, direction="decrease")
    effect = only_effect(read_collected(an_experiment(crashes), collected_of([arms])))
    assert effect.relative.lower is None and effect.reading == "beyond_margin"


@pytest.mark.parametrize("level", [-12.0, 12.0])
def test_a_margin_and_a_bounded_lift_say_the_same(level):
    for shift in np.linspace(-0.6, 0.2, 30):
        arms = [moments_of(y=draws(level, 2, 900)), moments_of(y=draws(level + shift, 2, 1_100))]
        metric = a_metric("y", role="guardrail", margin=0.02)
        effect = only_effect(read_collected(an_experiment(metric), collected_of([arms])))
        lift = effect.relative
        expected = "within_margin" if lift.lower > -0.02 else "beyond_margin" if lift.upper < -0.02 else None
        assert expected is None or effect.reading == expected


def test_a_ratio_of_covariates_beside_its_own_part_adjusts_as_least_squares_does():
    rng = np.random.default_rng(6)
    columns = {name: 1 + rng.gamma(2, 1, (2, 3_000)) for name in "ab"}
    y = 2 * columns["a"] + rng.normal(size=(2, 3_000))
    arms = [moments_of(y=y[k], a=columns["a"][k], b=columns["b"][k]) for k in (0, 1)]
    estimates = []
    for covariates in ((("a", "b"), "a"), ("a", ("a", "b")), (("a", "b"), "a", "b")):
        experiment = an_experiment(a_metric("y", covariates=covariates))
        estimates.append(only_effect(read_collected(experiment, collected_of([arms]))).absolute)
    assert estimates[0].estimate == pytest.approx(estimates[1].estimate, rel=1e-9)
    assert all(e.standard_error == pytest.approx(np.sqrt(2 / 3_000), rel=0.05) for e in estimates)


def test_a_covariate_without_a_value_explains_nothing_and_hides_nothing():
    arms = [moments_of(y=draws(3 + s, 1, 500), d=np.ones(500), x=np.zeros(500), e=np.zeros(500)) for s in (0, 0.5)]
    metric = a_metric("y", "d", kind="ratio", covariates=(("x", "e"),))
    effect = only_effect(read_collected(an_experiment(metric), collected_of([arms])))
    assert effect.absolute == effect.unadjusted.absolute and effect.absolute.estimate == pytest.approx(0.5)


def test_a_fixed_horizon_is_decided_at_the_first_look_with_the_planned_units():
    looks = [two_arms(shift, n) for shift, n in ((0.0, 1_000), (0.0, 2_000), (0.5, 3_000))]
    planned = an_experiment(a_metric("y"), planned_units=4_000)
    decision = read_collected(planned, collected_of(looks)).decision
    assert decision.verdict == "stop" and any("read once" in reason for reason in decision.reasons)
    unplanned = read_collected(an_experiment(a_metric("y")), collected_of(looks)).decision
    assert any("No planned units are stated" in reason for reason in unplanned.reasons)


def test_no_call_is_made_while_the_window_of_most_units_is_open():
    window = Quantity(Variable("y", "sum", days=7))
    metric = type(a_metric("y"))(**{**vars(a_metric("y")), "outcome": window})
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in range(2, 20)]
    looks = [
        [Moments(window.variables, m.n, m.mean, m.cross) for m in two_arms(0.5, 500 * (k + 1))]
        for k in range(len(days))
    ]
    experiment = an_experiment(metric, inference="confidence_sequence", planned_units=50_000)
    for upto, verdict in ((8, "keep_running"), (18, "ship")):
        decision = read_collected(experiment, collected_of(looks[:upto], looks=tuple(days[:upto]))).decision
        assert decision.verdict == verdict, upto


def test_a_fixed_horizon_is_read_when_the_windows_of_its_planned_units_have_ended():
    window = Quantity(Variable("y", "sum", days=7))
    metric = type(a_metric("y"))(**{**vars(a_metric("y")), "outcome": window})
    days = tuple(datetime(2026, 11, day, tzinfo=UTC) for day in range(2, 20))
    looks = [
        [Moments(window.variables, m.n, m.mean, m.cross) for m in two_arms(0.5, 500 * min(k + 1, 6))]
        for k in range(len(days))
    ]
    decision = read_collected(an_experiment(metric, planned_units=6_000), collected_of(looks, looks=days)).decision
    assert decision.verdict == "ship" and decision.look == 5 + 7


def test_an_arm_that_loses_more_units_to_crossing_fails():
    for lost, verdict in (((40.0, 44.0), "pass"), ((5.0, 60.0), "fail")):
        collected = collected_of([two_arms(n=20_000)], crossed=np.array([lost]))
        check = next(
            c for c in read_collected(an_experiment(a_metric("y")), collected).looks[0].checks if c.name == "crossover"
        )
        assert check.verdict == verdict, check


def test_a_check_that_failed_at_the_deciding_look_blocks_also_when_it_passes_later():
    rng = np.random.default_rng(4)
    early = [moments_of(y=rng.normal(10 + s, 2, 2_000), x=rng.normal(0.3 * s, 1, 2_000)) for s in (0, 1)]
    late = [moments_of(y=rng.normal(10 + s, 2, 60_000), x=rng.normal(0, 1, 60_000)) for s in (0, 1)]
    looks = [early, [a + b for a, b in zip(early, late, strict=True)]]
    experiment = an_experiment(a_metric("y", covariates=("x",)), planned_units=4_000)
    readout = read_collected(experiment, collected_of(looks))
    verdicts = [next(c.verdict for c in look.checks if c.name == "pre_period_balance") for look in readout.looks]
    assert verdicts[0] == "fail" != verdicts[1] and readout.decision.verdict == "blocked"


def test_the_readout_says_which_look_the_decision_rests_on():
    looks = [two_arms(shift, n) for shift, n in ((0.0, 1_000), (0.0, 2_000), (0.5, 3_000))]
    fixed = read_collected(an_experiment(a_metric("y"), planned_units=4_000), collected_of(looks))
    assert fixed.decision.look == 1 and fixed.decided.effects[0].reading == "unclear"
    assert any("read once" in note for note in fixed.decision.notes)
    plan = {"inference": "confidence_sequence", "planned_units": 4_000}
    assert read_collected(an_experiment(a_metric("y"), **plan), collected_of(looks)).decision.look == 2
