"""Every part draws every sample: well-formed, escaped, and true to the Readout."""

import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from analysis.readout import Estimate, Readout, Segment, Split
from dashboard.parts import axis, forest, health, looks, picks, segments, summary, verdict
from dashboard.parts.palette import options, palette
from tests.dashboard import sample

SAMPLES = {made.experiment: made for made in [*map(sample.readout, sample.STORIES), sample.with_nulls()]}
every_sample = pytest.mark.parametrize("readout", SAMPLES.values(), ids=SAMPLES.keys())


def parts(readout: Readout) -> str:
    """All HTML of a readout page."""
    arm, look = picks.lead_arm(readout), readout.looks[-1]
    first = picks.primary(readout).id
    return "".join(
        [
            verdict.summary_line(readout),
            verdict.card(readout, arm),
            health.strip(look, readout.design),
            forest.arms(readout, arm, unadjusted=True),
            forest.table(readout, arm, unadjusted=True),
            segments.table(readout, first, arm),
            summary.table([a_row(readout)]),
        ]
    )


def a_row(readout: Readout) -> summary.Row:
    return summary.Row(readout.experiment, readout.design.name, None, summary.Glance(readout, (), None))


def parsed(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{html}</div>")


@every_sample
def test_html_is_well_formed_and_every_drawing_has_words(readout: Readout) -> None:
    root = parsed(parts(readout))
    assert all(svg.get("aria-label") for svg in root.iter("svg") if svg.get("role") == "img")
    assert all(th.get("scope") for th in root.iter("th"))


@every_sample
def test_no_number_is_missing_or_made_up(readout: Readout) -> None:
    text = "".join(parsed(parts(readout)).itertext())
    for wrong in ("None", "nan", "inf", "NaN", "+0.0% to +0.0%"):
        assert wrong not in text


def test_text_from_data_cannot_become_markup() -> None:
    nasty = '<script>alert("x")</script>&'
    made = SAMPLES["mail-subjects"]
    arms = {nasty if arm == "Number" else arm: share for arm, share in made.design.shares.items()}
    plans = tuple(replace(plan, name=nasty) for plan in made.design.metrics)
    design = replace(made.design, name=nasty, owner=nasty, shares=arms, metrics=plans)
    units = {nasty if arm == "Number" else arm: n for arm, n in made.looks[-1].units.items()}
    rename = {"Number": nasty}
    effects = tuple(replace(e, arm=rename.get(e.arm, e.arm), reason=nasty) for e in made.looks[-1].effects)
    checks = tuple(replace(check, reason=nasty) for check in made.looks[-1].checks)
    look = replace(made.looks[-1], units=units, effects=effects, checks=checks)
    decision = replace(made.decision, arms=(), reasons=(nasty,), rule=nasty)
    html = parts(replace(made, design=design, looks=(look,), decision=decision))
    assert "<script" not in html
    assert nasty in "".join(parsed(html).itertext())


def test_a_failed_check_replaces_the_verdict() -> None:
    broken = SAMPLES["ios-home"]
    text = "".join(parsed(verdict.card(broken, "v7")).itertext())
    assert text.startswith("Don’t use these results yet")
    assert "51.9 / 48.1" in text and "50.0%" in text
    assert "up " not in text and "Ship" not in text
    assert "+" not in "".join(parsed(summary.table([a_row(broken)])).find(".//tbody").itertext())


def test_the_blocked_card_says_in_which_slice_the_split_breaks() -> None:
    broken = SAMPLES["ios-home"]
    splits = [
        ("Platform", "iOS", (800, 500), 1e-12),
        ("Platform", "Web", (600, 600), 1.0),
        ("Country", "FR", (700, 550), 1e-6),
    ]
    look = replace(
        broken.looks[-1],
        splits=tuple(Split(Segment(d, v), dict(zip(("v6", "v7"), n, strict=True)), p) for d, v, n, p in splits),
    )
    text = "".join(parsed(verdict.card(replace(broken, looks=(look,)), "v7")).itertext())
    assert "Where it comes from" in text and "iOS61.5 / 38.51,300p < 0.001" in text and "Web" in text
    assert "FR" not in text


def test_the_card_names_the_threats_and_what_is_late() -> None:
    text = "".join(parsed(verdict.card(SAMPLES["checkout-slate"], "v7")).itertext())
    assert "Before you ship" in text
    assert text.count("of v7: it would not ship at its margin") == 3
    assert "31 h behind" in text


def test_failures_come_first_in_the_strip() -> None:
    look, design = SAMPLES["ios-home"].looks[-1], SAMPLES["ios-home"].design
    cells = parsed(health.strip(look, design)).findall(".//li")
    assert cells[0].get("class") == "fail"
    assert len(parsed(health.strip(look, design)).findall(".//a")) == len(cells)
    assert "<a" not in health.strip(look, design, linked=False)


def test_a_null_shows_its_reason_and_no_bar() -> None:
    root = parsed(forest.table(SAMPLES["new-market"], "v7", unadjusted=True))
    row = next(row for row in root.iter("tr") if "Items per slate clicked" in "".join(row.itertext()))
    assert "no variance: every unit has the same value" in "".join(row.itertext())
    assert row.find(".//svg[@role='img']") is None


def test_an_interval_without_an_upper_end_ends_in_an_arrowhead() -> None:
    root = parsed(forest.table(SAMPLES["new-market"], "v7", unadjusted=False))
    row = next(row for row in root.iter("tr") if "Conversion rate" in "".join(row.itertext()))
    assert "or more" in "".join(row.itertext())
    assert [head.get("x") for head in row.findall(".//svg/svg")] == ["100%"]


def test_unadjusted_intervals_can_be_hidden() -> None:
    html = [forest.table(SAMPLES["checkout-slate"], "v7", unadjusted=shown) for shown in (True, False)]
    assert [each.count('class="point') for each in html] == [6, 0]


def test_colour_follows_good_and_bad_not_the_sign() -> None:
    root = parsed(forest.table(SAMPLES["video-tiles"], "v7", unadjusted=False))
    row = next(row for row in root.iter("tr") if "Page load" in "".join(row.itertext()))
    assert row.find(".//rect[@class='bar bad']") is not None
    assert "+5.5%" in "".join(row.itertext()) and "beyond margin" in "".join(row.itertext())


def test_the_list_puts_what_needs_somebody_first() -> None:
    root = parsed(summary.table([summary.Row("none", "No look", None), *map(a_row, SAMPLES.values())]))
    shown = ["".join(cell.itertext()) for cell in root.findall(".//tbody//td[@class='verdict']")]
    assert shown[0] == "Don’t use yet" and shown[-1] == "Keep running"
    assert "".join(root.findall(".//tbody/tr")[-1].itertext()).startswith("No look")


def test_segments_say_how_many_hold() -> None:
    effects = picks.segments(SAMPLES["checkout-slate"].looks[-1], "revenue", "v7")
    said = segments.sentence(effects)
    holding = sum(picks.excludes_zero(effect.simultaneous) for effect in effects)
    assert said.startswith("9 segments in 3 groupings.") and f"{holding} hold" in said
    html = segments.table(SAMPLES["checkout-slate"], "revenue", "v7")
    assert html.count("holds") == holding


@every_sample
def test_the_course_over_looks_is_drawn_from_plain_values(readout: Readout) -> None:
    arm = picks.lead_arm(readout)
    for plan in readout.design.metrics:
        points = picks.history(readout, plan.id, arm)
        figure = looks.figure(points, palette("dark"))
        low, high = figure["layout"]["yaxis"]["range"]
        assert low < 0 < high
        assert looks.alt(points, plan).startswith(plan.name)


def test_the_crossing_is_where_the_interval_stays_clear() -> None:
    points = picks.history(SAMPLES["checkout-slate"], "revenue", "v7")
    since = picks.clear_since(points)
    assert since is not None
    assert not picks.excludes_zero(points[since - 1][1].relative)
    assert all(picks.excludes_zero(effect.relative) for _, effect in points[since:])
    figure = looks.figure(points, palette("light"))
    assert figure["layout"]["annotations"][0]["text"].endswith(f"look {since + 1} of 28")
    assert "annotations" not in looks.figure(points, palette("light"), blocked=True)["layout"]


ends = some.floats(-5, 5, allow_nan=False)


@given(some.lists(some.tuples(ends, ends).map(sorted), max_size=8), some.lists(ends, max_size=3))
def test_zero_and_what_must_be_kept_are_always_on_the_axis(spans: list[list[float]], keep: list[float]) -> None:
    shared = axis.fit([Estimate(sum(span) / 2, 1.0, *span) for span in spans], keep)
    assert all(shared.low < value < shared.high for value in [0.0, *keep])
    assert 0 in shared.ticks or not 3 <= shared.at(0) <= 97
    assert len(shared.ticks) <= 12
    assert all(0 <= shared.at(end) <= 100 for span in spans for end in span)


def test_one_very_wide_interval_does_not_squeeze_the_others() -> None:
    narrow = [Estimate(0.01, 0.01, -0.01, 0.03)] * 4
    assert axis.fit([*narrow, Estimate(1.0, 3.0, -5.0, 7.0)]).high < 0.2


def test_colours_come_from_the_theme_and_green_is_blue() -> None:
    theme = options()
    for mode in ("light", "dark"):
        assert theme[f"theme.{mode}.greenColor"] == theme[f"theme.{mode}.blueColor"] == palette(mode).better


def test_looks_may_have_names_instead_of_dates() -> None:
    made = SAMPLES["checkout-slate"]
    named = replace(made, looks=tuple(replace(look, time=f"day {k}.5") for k, look in enumerate(made.looks, start=1)))
    parsed(parts(named))
    assert "Day 10.5" in verdict.card(named, "v7")
    axis_of_looks = looks.figure(picks.history(named, "revenue", "v7"), palette("light"))["layout"]["xaxis"]
    assert axis_of_looks["ticktext"][0] == "Day 1.5" and len(axis_of_looks["ticktext"]) <= 7


def test_what_stops_an_experiment_is_said_and_only_harm_is_coloured() -> None:
    card = verdict.card(SAMPLES["mail-subjects"], "First name")
    assert "the interval of First name is on the bad side." in card and "is-bad" in card
    flat = replace(SAMPLES["free-returns"].decision, verdict="stop", arms=())
    assert "is-open" in verdict.card(replace(SAMPLES["free-returns"], decision=flat), "v7")


def test_of_several_arms_that_win_the_best_is_shown_first() -> None:
    made = SAMPLES["mail-subjects"]
    all_win = tuple(replace(each, verdict="ship") for each in made.decision.arms)
    assert picks.lead_arm(replace(made, decision=replace(made.decision, arms=all_win))) == "Number"


def test_an_interval_off_the_axis_is_an_arrow_at_the_edge() -> None:
    drawn = axis.bar(axis.Axis.over(-0.1, 0.1), Estimate(1.0, 0.1, 0.8, 1.2), "good", y=18, thick=6)
    assert 'x="100%"' in drawn and "<path" in drawn and "<rect" not in drawn


bounds = some.one_of(some.none(), ends)


@given(bounds, bounds)
def test_every_end_that_the_axis_does_not_show_has_an_arrowhead(one: float | None, other: float | None) -> None:
    lower, upper = sorted((one, other)) if one is not None and other is not None else (one, other)
    shared = axis.Axis.over(-1.0, 2.0)
    root = parsed(axis.bar(shared, Estimate(0.0, 0.1, lower, upper), "open", y=18, thick=6))
    low, high = -math.inf if lower is None else lower, math.inf if upper is None else upper
    expected = [at for at, beyond in (("0%", low < shared.low), ("100%", high > shared.high)) if beyond]
    bounded = lower is not None or upper is not None
    assert [head.get("x") for head in root.findall("svg")] == (expected if bounded else [])
    assert len(root.findall("rect")) == (bounded and low <= shared.high and high >= shared.low)
