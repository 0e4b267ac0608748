"""What the tabs of a readout and a metric's page say: true to the Readout, well-formed, and in words."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from analysis.multiplicity.segments import picked
from analysis.readout import Check, Estimate, Readout
from dashboard.parts import (
    checkup,
    compare,
    course,
    friends,
    looks,
    picks,
    posterior,
    rules,
    segments,
    sensitivity,
    trust,
    verdict,
    words,
)
from tests.dashboard import rich, sample

WHOLE, STOPPED, BAYESIAN = rich.whole(), rich.stopped(), rich.bayesian()
every_rich = pytest.mark.parametrize("readout", [WHOLE, STOPPED, BAYESIAN], ids=["whole", "stopped", "bayesian"])


def text(html: str) -> str:
    return "".join(ElementTree.fromstring(f"<div>{html}</div>").itertext())


@every_rich
def test_every_tab_is_well_formed_and_no_number_is_missing_or_made_up(readout: Readout) -> None:
    assert not re.search(r"\b(None|nan|inf)\b", text(tabs(readout)))


def tabs(readout: Readout) -> str:
    """All HTML of the tabs and of a metric's page."""
    drawn = [checkup.checks(readout), checkup.splits(readout), checkup.clusters(readout)]
    drawn += [
        friends.section(readout, "v7"),
        checkup.learning(readout, "v7"),
        posterior.table(readout, "v7"),
        sensitivity.strip(readout, "v7"),
    ]
    for plan in readout.design.metrics:
        points = picks.history(readout, plan.id, "v7")
        drawn += [
            rules.comparison(points, plan),
            course.drawing(points, "in words"),
            segments.table(readout, plan.id, "v7"),
        ]
    return "".join(drawn)


def test_the_price_of_a_sequence_is_its_width_over_that_of_one_look() -> None:
    points = picks.history(WHOLE, "revenue", "v7")
    own, once = points[-1][1].relative, points[-1][1].by_rule("fixed")
    ratio = (own.upper - own.lower) / (once.upper - once.lower)
    assert f"{ratio:.2g} times as wide as an interval that is read once" in rules.price(points, "confidence_sequence")
    assert f"× {ratio:.2g}" in text(rules.comparison(points, sample.REVENUE))


def test_a_group_sequential_course_has_its_analyses_only() -> None:
    points = picks.history(WHOLE, "revenue", "v7")
    read = rules.under(points, "group_sequential", sample.REVENUE)
    assert [points.index(next(p for p in points if p[0] is look)) + 1 for look, _ in read] == [7, 14, 21, 28]
    assert all(effect.relative.lower is not None for _, effect in read)


@pytest.mark.parametrize("kind", ["fixed", "confidence_sequence", "group_sequential"])
def test_the_chart_shows_the_rule_that_was_asked(kind: str) -> None:
    points = rules.under(picks.history(WHOLE, "revenue", "v7"), kind, sample.REVENUE)
    figure = looks.figure(points, looks.Palette(*["#112233"] * 6))
    assert figure["data"][1]["name"].startswith(f"95% interval: {rules.NAMES[kind].lower()}")
    assert figure["data"][1]["y"] == [effect.by_rule(kind).upper for _, effect in points]
    assert any("Fixed-horizon" in trace.get("name", "") for trace in figure["data"]) == (kind != "fixed")


def test_reading_another_rule_can_change_what_is_clear() -> None:
    points = picks.history(WHOLE, "revenue", "v7")
    early = [clear(points, kind) for kind in ("fixed", "confidence_sequence")]
    assert early[0] < early[1]
    assert f"first clear at look {early[0] + 1} of 28" in text(rules.comparison(points, sample.REVENUE))


def clear(points: rules.Points, kind: str) -> int:
    return next(k for k, (_, effect) in enumerate(points) if picks.excludes_zero(effect.by_rule(kind)))


def test_what_stopped_gives_the_answer_that_allows_for_the_stop() -> None:
    said = rules.stopped(picks.history(STOPPED, "revenue", "v7")[-1][1], STOPPED.looks)
    assert "crossed its boundary at look 19" in said
    assert "median-unbiased lift +3.0%" in said and "+1.4% to +4.6%" in said
    assert "After stoppingstage-wise, median-unbiased" in text(
        rules.comparison(picks.history(STOPPED, "revenue", "v7"), sample.REVENUE)
    )
    assert rules.stopped(picks.history(WHOLE, "revenue", "v7")[-1][1], WHOLE.looks) == ""


def test_a_family_shows_its_interval_and_takes_back_what_is_clear_only_alone() -> None:
    effect = picks.effect_of(WHOLE.looks[-1], "clicks", "v7")
    assert words.among(effect).text == "better"
    weak = replace(effect, family=replace(effect.family, p_value=0.2))
    assert words.among(weak).text == "better alone, not clear among 3" and words.among(weak).tone == "open"


def test_every_failed_check_says_what_to_do() -> None:
    broken = sample.readout(sample.STORIES[3])
    assert "What to do" in text(checkup.checks(broken))
    assert "What to do" not in text(checkup.checks(sample.readout(sample.STORIES[1])))


def test_the_broken_slice_comes_first_with_its_day() -> None:
    said = text(checkup.splits(WHOLE))
    assert said.index("GB") < said.index("FR")
    assert "55.6 / 44.4" in said and "2 Nov 2025" in said


def test_learning_is_said_or_why_not() -> None:
    said = text(checkup.learning(WHOLE, "v7"))
    assert "wears off" in said and "−3.0%" in said and "needs 100 units" in said
    assert "Not estimated" in checkup.learning(sample.readout(sample.STORIES[0]), "v7")


def test_what_reaches_control_through_friends_is_said_along_the_dose_and_warned_of() -> None:
    said = text(friends.section(WHOLE, "v7"))
    assert "control: Revenue per visitor +3.0% (+1.4% to +4.6%) from no friend treated to all." in said
    assert "4,100 of 5,200 visitors have friends in the experiment" in said and "75% of the 6,300" in said
    assert "hardly ever get to one of the two sides: 420 (Direct)." in said and "Page load" not in said
    assert "fewer than two communities" in said and "The lift leaves that out" not in said
    warning = Check("spillover", "warn", 0.001, 0.03, 0.01, "friends of treated units behave differently")
    warned = replace(WHOLE, looks=(replace(WHOLE.looks[-1], checks=(warning,)),))
    assert "to all. The lift leaves that out: randomise whole communities" in text(friends.section(warned, "v7"))


def test_randomised_by_community_what_friends_pass_on_is_a_contrast_and_may_be_unclear() -> None:
    said = text(friends.section(replace(WHOLE, network=rich.friends("clusters")), "v7"))
    assert "+1.0% (−0.6% to +2.6%) from few friends treated to many: can’t tell yet." in said
    assert "Total" in said and "Along the share" not in said
    assert friends.section(replace(WHOLE, network=None), "v7") == ""


def test_a_mean_of_a_clustered_design_is_per_unit_inside() -> None:
    design = replace(WHOLE.design, unit="community")
    facts = text(verdict.card(replace(WHOLE, design=design), "v7"))
    assert "Change per visitor" in facts and "Per 1,000 visitors" in facts
    assert "Change per community" in text(verdict.card(replace(WHOLE, design=design, clusters=()), "v7"))


def test_the_interaction_is_one_sentence_with_corrected_p_values() -> None:
    said = segments.differs(WHOLE.looks[-1], "revenue", "v7", 0.05)
    assert said == (
        "The effect differs by device (p = 0.012). Can’t tell whether it differs by country (p = 0.6) and visitor "
        "(too little to test). p-values allow for 3 groupings."
    )
    assert segments.differs(WHOLE.looks[-1], "clicks", "v7", 0.05) == ""


def test_picked_segments_are_wider_than_on_their_own() -> None:
    chosen = [effect.segment for effect in picks.segments(WHOLE.looks[-1], "revenue", "v7")][:2]
    found = picked(WHOLE, "revenue", "v7", chosen)
    said = text(segments.picked(found, sample.REVENUE, "visitors"))
    assert all(segments.label(segment) in said for segment in chosen)
    assert all(width(interval) > width(effect.relative) for effect, interval in found)


def width(estimate: Estimate) -> float:
    return estimate.upper - estimate.lower


def test_sensitivity_says_whether_the_call_depends_on_a_choice() -> None:
    said = sensitivity.sentence(WHOLE, "v7")
    assert (
        said
        == "The call depends on the analysis: it is Ship as planned, but would be Keep running (covariates: not used)."
    )
    steady = replace(WHOLE, variations=WHOLE.variations[:1])
    assert sensitivity.sentence(steady, "v7").startswith("The call does not depend on it: Ship as planned")
    assert "No other choice" in sensitivity.sentence(replace(WHOLE, variations=()), "v7")
    assert "No lift: no window" in text(sensitivity.strip(WHOLE, "v7"))


def test_a_wide_guardrail_leaves_the_primary_metric_readable() -> None:
    other = next(plan.id for plan in WHOLE.design.metrics if plan.role == "guardrail")
    wide = replace(WHOLE.variations[0], metric=other, relative=Estimate(0.1, 3.0, -9.0, 9.0))
    drawn = sensitivity.strip(replace(WHOLE, variations=(WHOLE.variations[0], *[wide] * 9)), "v7")
    assert float(re.search(r'class="bar \w+" x="[\d.]+%" width="([\d.]+)%"', drawn)[1]) > 4


def test_the_word_chance_belongs_to_posteriors_and_the_prior_is_stated() -> None:
    assert "Chance that v7 is better" in text(posterior.table(BAYESIAN, "v7"))
    assert "standard deviation of 10.0%" in text(posterior.table(BAYESIAN, "v7"))
    assert posterior.table(WHOLE, "v7") == ""
    said = segments.sentence(picks.segments(WHOLE.looks[-1], "revenue", "v7"))
    assert "chance" not in (text(tabs(WHOLE)) + said).lower()


def test_text_from_data_cannot_become_markup() -> None:
    nasty = '<script>alert("x")</script>&'
    line = compare.Line(nasty, Estimate(0.1, 0.1, 0.0, 0.2), nasty, nasty, words.Word("up", nasty, "good"), nasty)
    html = compare.table((nasty,) * 4, {nasty: [line]})
    html += course.drawing(picks.history(WHOLE, "revenue", "v7"), nasty)
    html += sensitivity.strip(
        replace(WHOLE, variations=(replace(WHOLE.variations[0], name=nasty, choice=nasty),)), "v7"
    )
    html += checkup.checks(replace(WHOLE, looks=(replace(WHOLE.looks[-1], checks=bad_checks(nasty)),)))
    assert "<script" not in html and nasty in text(html)


def bad_checks(nasty: str) -> tuple:
    return tuple(replace(check, reason=nasty, name=nasty) for check in WHOLE.looks[-1].checks)


@pytest.mark.parametrize(
    ("verdict", "starts"),
    [("holds", "Held its 5% promise"), ("does not hold", "Broke its 5% promise"), ("too few units to say", "Proof")],
)
def test_a_proof_stands_beside_the_result(verdict: str, starts: str) -> None:
    proof = rich.proof(verdict)
    said = text(trust.badge(proof, "revenue", "v7"))
    assert (
        said.startswith(starts) and "in 1,000 re-randomisations of your own users" in said and "(4.1%, 3.0–5.5)" in said
    )
    assert "4.1%3.0–5.5" in text(trust.table(proof, "revenue", "v7", "visitors"))
    assert trust.badge(proof, "load", "v7") == trust.badge(None, "revenue", "v7") == ""


def test_looks_that_are_no_analysis_break_no_course() -> None:
    whole = picks.history(STOPPED, "revenue", "v7")
    points = rules.under(whole, "group_sequential", sample.REVENUE)
    assert len(points) == 4 and picks.clear_since(whole) in (6, 13, 20, 27)
    waiting = whole[:5]
    assert rules.under(waiting, "group_sequential", sample.REVENUE) == waiting
    assert "no analysis is planned at this look" in text(rules.comparison(waiting, sample.REVENUE))
    looks.figure(waiting, looks.Palette(*["#112233"] * 6))
