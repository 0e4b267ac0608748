"""What a readout says under each inference, and what its families, segments and decision make of it."""

from dataclasses import replace

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, moments_of, stack
from scipy import special

from analysis import read_collected
from analysis.decision.decide import RULES
from analysis.errors import AnalysisError
from analysis.group_sequential import Spending, boundaries
from analysis.moments import Moments
from analysis.multiplicity.segments import picked
from analysis.readout import GroupSequentialPlan, Prior, Segment

EVERY_RULE = ("confidence_sequence", "group_sequential", "fixed", "bayesian")


def running(*effects: float, looks: int = 4, units: int = 1_000, seed: int = 1, sd: float = 2.0) -> list[list[Moments]]:
    """Running Moments by look of a control and a treatment whose metrics y0, y1, … differ by `effects`."""
    rng = np.random.default_rng(seed)
    total, found = None, []
    for _ in range(looks):
        arms = [
            moments_of(**{f"y{k}": rng.normal(10 + a * effect, sd, units) for k, effect in enumerate(effects)})
            for a in (0, 1)
        ]
        total = arms if total is None else [before + new for before, new in zip(total, arms, strict=True)]
        found.append(total)
    return found


def metrics(n: int, role: str = "primary"):
    return [a_metric(f"y{k}", role=role) for k in range(n)]


def a_design(inference: str, *which, **more):
    return an_experiment(*which, inference=inference, planned_units=more.pop("planned_units", 8_000), **more)


def reach(readout) -> list[float]:
    """Half the width of the first effect's interval in standard errors, look by look."""
    found = [look.effects[0].absolute for look in readout.looks]
    return [(each.upper - each.estimate) / each.standard_error for each in found]


def in_t(bounds, readout) -> np.ndarray:
    """Bounds of z as those of a t with the same tail probability."""
    return -special.stdtrit([look.effects[0].dof for look in readout.looks], special.ndtr(-np.asarray(bounds)))


@pytest.mark.parametrize("inference", EVERY_RULE)
def test_each_rule_names_itself_and_shows_the_others(inference):
    readout = read_collected(a_design(inference, *metrics(1)), collected_of(running(0.1)))
    (effect,) = readout.looks[-1].effects
    assert effect.interval.kind == inference
    assert {other.kind for other in effect.alternatives} == {*EVERY_RULE[:3]} - {inference}
    for other in EVERY_RULE[:3]:
        alone = read_collected(a_design(other, *metrics(1)), collected_of(running(0.1)))
        assert effect.by_rule(other) == alone.looks[-1].effects[0].relative


def test_a_group_sequential_interval_is_that_of_its_bounds():
    plan = GroupSequentialPlan("kim_demets", 2.0, (0.25, 0.5, 0.75, 1.0))
    experiment = a_design("group_sequential", *metrics(1), group_sequential=plan)
    readout = read_collected(experiment, collected_of(running(0.05)))
    want = boundaries([0.25, 0.5, 0.75, 1.0], 0.05, Spending("kim_demets", 2.0))
    assert reach(readout) == pytest.approx(in_t(want, readout), rel=1e-9)


def test_a_look_without_a_planned_analysis_has_no_interval_and_decides_nothing():
    plan = GroupSequentialPlan("obrien_fleming", None, (0.5, 1.0))
    experiment = a_design("group_sequential", *metrics(1), group_sequential=plan)
    readout = read_collected(experiment, collected_of(running(0.3, looks=3)))
    assert [look.effects[0].relative.lower is None for look in readout.looks] == [True, False, True]
    assert "no analysis is planned" in readout.looks[0].effects[0].relative.reason
    assert readout.decision.look == 1 and readout.decision.verdict == "ship"
    early = read_collected(experiment, collected_of(running(0.3, looks=1)))
    assert early.decision.verdict == "keep_running" and "No analysis" in early.decision.reasons[0]


def test_a_design_that_stopped_gives_the_stage_wise_answer_from_then_on():
    experiment = a_design("group_sequential", *metrics(1))
    readout = read_collected(experiment, collected_of(running(0.15)))
    stopped = [look.effects[0].stopped for look in readout.looks]
    first = next(k for k, answer in enumerate(stopped) if answer)
    assert all(answer == stopped[first] for answer in stopped[first:]) and stopped[first].look == first
    effect = readout.looks[first].effects[0]
    assert stopped[first].crossed and effect.relative.lower > 0 < stopped[first].relative.lower
    assert stopped[first].relative.estimate < effect.relative.estimate, "the estimate at the stop leans to its side"


def test_the_stage_wise_answer_leaves_out_zero_exactly_where_a_bound_was_crossed_though_units_go_on_to_spend():
    # Every unit in spends again in each period, so that the error of the totals does not fall from look to look.
    rng, metric = np.random.default_rng(8), a_metric("y0")
    design = a_design("group_sequential", metric, group_sequential=GroupSequentialPlan("pocock", None, ()))
    ends = []
    for _ in range(60):
        spent = rng.normal(2, 2, (2, 4_000, 4)) * (np.arange(4) >= np.arange(4_000)[:, None] // 1_000)
        looks = [
            [moments_of(y0=arm[: 1_000 * (k + 1), : k + 1].sum(axis=1)) for arm in (spent[0], spent[1] + 0.08)]
            for k in range(4)
        ]
        effect = read_collected(design, collected_of(looks)).looks[-1].effects[0]
        ends.append((effect.stopped.crossed, effect.stopped.relative.lower > 0 or effect.stopped.relative.upper < 0))
    assert {crossed for crossed, _ in ends} == {True, False}
    assert all(crossed == clear for crossed, clear in ends)


def test_a_hopeless_design_may_stop_for_futility_and_only_if_that_was_planned():
    looks = (0.25, 0.5, 0.75, 1.0)
    collected = collected_of(running(-0.12, looks=2))
    for power, verdict in ((0.8, "stop"), (None, "keep_running")):
        plan = GroupSequentialPlan("obrien_fleming", None, looks, power)
        readout = read_collected(a_design("group_sequential", *metrics(1), group_sequential=plan), collected)
        assert readout.decision.verdict == verdict
    assert not readout.looks[-1].effects[0].futile


def test_with_a_planned_error_information_is_what_counts_and_not_units():
    experiment = a_design("group_sequential", a_metric("y0", planned_error=0.05))
    readout = read_collected(experiment, collected_of(running(0.0)))
    errors = [look.effects[0].absolute.standard_error for look in readout.looks]
    information = (0.05 / np.array(errors)) ** 2
    want = boundaries(information, 0.05, Spending(), time=[*np.minimum(information[:-1], 1.0), 1.0])
    assert reach(readout) == pytest.approx(in_t(want, readout), rel=1e-9)


def test_primary_metrics_are_judged_together_by_holm_and_secondary_ones_by_false_discovery():
    roles = [*metrics(2), a_metric("y2", role="secondary"), a_metric("y3", role="secondary")]
    collected = collected_of(running(0.13, 0.0, 0.13, 0.0, looks=1, units=2_000))
    effects = read_collected(a_design("fixed", *roles, planned_units=4_000), collected).looks[-1].effects
    assert [effect.family.name for effect in effects] == ["primary"] * 2 + ["secondary"] * 2
    assert all(effect.family.size == 2 for effect in effects)
    p = [effect.p_value for effect in effects]
    assert effects[0].family.p_value == pytest.approx(min(1, 2 * p[0]))
    assert effects[2].family.p_value == pytest.approx(min(1, 2 * p[2]), rel=1e-9) or p[3] < 0.05
    for effect in effects:
        inside = effect.family.relative.lower <= 0 <= effect.family.relative.upper
        assert inside != (effect.family.p_value <= 0.05) or effect.family.relative.lower == 0


def exactly(mean: float, units: int = 2_000) -> np.ndarray:
    """Values with exactly this mean and a standard deviation of 2."""
    values = np.random.default_rng(6).normal(size=units)
    return mean + 2 * (values - values.mean()) / values.std()


def test_one_win_among_many_primary_metrics_must_be_clear_among_them():
    collected = collected_of(
        [[moments_of(**{f"y{k}": exactly(10 + a * 0.13 * (k == 0)) for k in range(8)}) for a in (0, 1)]]
    )
    readout = read_collected(a_design("fixed", *metrics(8), planned_units=4_000), collected)
    first = readout.looks[-1].effects[0]
    assert first.reading == "better" and first.family.p_value > 0.05
    assert readout.decision.verdict == "stop"
    assert any("not clearly among 8 comparisons" in reason for reason in readout.decision.reasons)


def test_a_guardrail_has_a_margin_under_every_rule():
    roles = [*metrics(1), a_metric("y1", role="guardrail", margin=0.05)]
    for inference in EVERY_RULE:
        readout = read_collected(a_design(inference, *roles), collected_of(running(0.3, 0.0)))
        assert readout.looks[-1].effects[1].reading == "within_margin", inference
        assert readout.decision.verdict == "ship", inference
        readout = read_collected(a_design(inference, *roles), collected_of(running(0.3, -1.0)))
        assert readout.looks[-1].effects[1].reading == "beyond_margin", inference


def test_a_bayesian_readout_states_its_prior_and_shrinks_towards_it():
    flat, narrow = (
        read_collected(a_design("bayesian", *metrics(1), prior=Prior(0.0, sd)), collected_of(running(0.1)))
        for sd in (1e6, 0.01)
    )
    assert narrow.design.prior == Prior(0.0, 0.01)
    one, other = (readout.looks[-1].effects[0] for readout in (flat, narrow))
    assert 0 < other.relative.estimate < one.relative.estimate and one.p_value is other.p_value is None
    assert one.relative.estimate == pytest.approx(one.unadjusted.absolute.estimate / one.means.control, rel=1e-9)
    assert (other.relative.lower, other.relative.upper) == (other.posterior.lower, other.posterior.upper)
    assert other.posterior.chance < one.posterior.chance and other.posterior.loss_ship >= 0


def by_segment(*shifts: float, units: int = 3_000, looks: int = 1):
    """A readout's facts with one segment for each effect, at every look the same growth."""
    rng = np.random.default_rng(5)
    cells, total = [], None
    for _ in range(looks):
        parts = [[moments_of(y0=rng.normal(10 + a * shift, 2, units)) for a in (0, 1)] for shift in shifts]
        total = (
            parts
            if total is None
            else [[x + y for x, y in zip(t, p, strict=True)] for t, p in zip(total, parts, strict=True)]
        )
        whole = [sum((segment[a] for segment in total[1:]), start=total[0][a]) for a in (0, 1)]
        cells.append([whole, *total])
    names = (None, *(Segment("country", f"c{k}") for k in range(len(shifts))))
    return replace(collected_of([cell[0] for cell in cells]), segments=names, moments=stack(cells))


@pytest.mark.parametrize("inference", EVERY_RULE[:3])
def test_one_interaction_test_says_whether_segments_differ(inference):
    experiment = a_design(inference, *metrics(1), planned_units=18_000, segments=("country",))
    for shifts, differs in (((0.2, 0.2, 0.2), False), ((0.0, 0.0, 0.8), True)):
        (test,) = read_collected(experiment, by_segment(*shifts)).looks[-1].interactions
        assert test.dimension == "country" and (test.adjusted < 0.05) == differs


def test_picked_segments_get_wider_intervals_the_fewer_are_picked():
    experiment = a_design("confidence_sequence", *metrics(1), planned_units=18_000, segments=("country",))
    readout = read_collected(experiment, by_segment(0.1, 0.2, 0.3))
    segments = [effect.segment for effect in readout.decided.effects if effect.segment]
    ((best, alone),) = picked(readout, "y0", "b", segments[2:])
    everyone = picked(readout, "y0", "b", segments)
    assert alone.lower < best.relative.lower and alone == best.simultaneous
    assert [interval.lower for _, interval in everyone] == pytest.approx(
        [e.relative.lower for e, _ in everyone], rel=1e-12
    )
    with pytest.raises(AnalysisError, match="not in the readout"):
        picked(readout, "y0", "b", [Segment("country", "nowhere")])


def test_rules_are_data_and_the_last_one_always_fits():
    names = {name for rule in RULES for name in (*rule.when, *rule.unless)}
    assert RULES[-1].fits(dict.fromkeys(names, False)) and RULES[-1].fits(dict.fromkeys(names, True))
    assert {rule.call for rule in RULES} == {"ship", "keep_running", "stop", "review"}


def test_the_decision_says_what_would_change_it():
    roles = [*metrics(1), a_metric("y1", role="guardrail", margin=0.02)]
    open_, shipped = (
        read_collected(a_design("confidence_sequence", *roles), collected_of(running(effect, 0.0)))
        for effect in (0.05, 0.4)
    )
    assert open_.decision.verdict != "ship" and "more units" in open_.decision.arms[0].changes[0]
    assert shipped.decision.verdict == "ship"
    assert all("would not ship if the interval reached" in line for line in shipped.decision.arms[0].changes)
    assert "its margin of −2.0%" in shipped.decision.arms[0].changes[1]
