"""The wording rules: what is said, and what is never said."""

from dataclasses import replace
from typing import get_args

import pytest

from analysis.experiment import INFERENCES
from analysis.readout import Call, Effect, Estimate, Reading, Verdict
from dashboard.parts import picks, rules, words
from tests.dashboard import rich, sample

SHIP, FLAT, HARM, BROKEN, ARMS, SINGLE = map(sample.readout, sample.STORIES)


def primary(**changes: object) -> Effect:
    effect = picks.effect_of(SHIP.looks[-1], "revenue", "v7")
    assert effect is not None
    return replace(effect, **changes)


def test_every_reading_call_and_verdict_has_words() -> None:
    assert set(words.READINGS) == set(get_args(Reading))
    assert set(words.CALLS) == set(get_args(Call))
    assert set(words.CHECKS) == set(get_args(Verdict))


def test_a_clear_lift_is_up_or_down_with_its_interval() -> None:
    up = Estimate(0.025, 0.008, 0.008, 0.041)
    down = Estimate(-0.025, 0.008, -0.041, -0.008)
    said = words.in_words(primary(relative=up, reading="better"), sample.REVENUE)
    assert said == "Revenue per visitor is up 2.5% (95% interval +0.8% to +4.1%)."
    said = words.in_words(primary(relative=down, reading="worse"), sample.REVENUE)
    assert said == "Revenue per visitor is down 2.5% (95% interval −4.1% to −0.8%)."


def test_what_is_not_clear_is_not_called_flat() -> None:
    said = words.in_words(primary(relative=Estimate(0.003, 0.01, -0.017, 0.023), reading="unclear"), sample.REVENUE)
    assert "can’t tell yet" in said
    assert "+0.3% (95% interval −1.7% to +2.3%)" in said
    assert "no effect" not in said and "flat" not in said


def test_a_missing_lift_says_why() -> None:
    none = Estimate(None, None, None, None, "the control value is 0")
    said = words.in_words(primary(relative=none, reason=None, reading="unknown"), sample.REVENUE)
    assert said == "Revenue per visitor: no lift can be given, the control value is 0."


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ([], ""),
        (["within_margin"], "The guardrail is inside its agreed margin."),
        (["unclear"], "The guardrail could still be beyond its agreed margin."),
        (["within_margin"] * 3, "All 3 guardrails are inside their agreed margin."),
        (["within_margin", "unclear"], "1 of 2 guardrails could still be beyond the agreed margin."),
        (["beyond_margin", "unclear"], "1 of 2 guardrails is beyond the agreed margin."),
        (["beyond_margin", "worse", "within_margin"], "1 of 3 guardrails is beyond the agreed margin."),
    ],
)
def test_guardrails_are_said_in_one_sentence(readings: list[Reading], said: str) -> None:
    assert words.guardrails([primary(reading=reading) for reading in readings]) == said


@pytest.mark.parametrize(
    ("column", "one", "many"),
    [
        ("customer_id", "customer", "customers"),
        ("userid", "user", "users"),
        ("visitor", "visitor", "visitors"),
        ("household_id", "household", "households"),
        ("city_id", "city", "cities"),
        ("day", "day", "days"),
        ("id", "visitor", "visitors"),  # the metrics say "per visitor"
    ],
)
def test_a_column_gives_the_noun(column: str, one: str, many: str) -> None:
    design = replace(SHIP.design, unit=column)
    assert (words.unit(design), words.units(design)) == (one, many)


def test_shares_are_whole_where_they_are_and_have_one_decimal_where_not() -> None:
    assert words.split([1, 1]) == "50 / 50"
    assert words.split([267_397, 247_818]) == "51.9 / 48.1"
    assert words.split([2, 1, 1, 1]) == "40 / 20 / 20 / 20"


def test_every_check_has_a_question_and_its_numbers() -> None:
    for check in SHIP.looks[-1].checks:
        name, question = words.name_of(check, SHIP.design)
        measured, limit = words.check_numbers(check, SHIP.design)
        assert name and question and measured and limit


def test_a_check_that_nobody_foresaw_is_still_readable() -> None:
    check = replace(SHIP.looks[-1].checks[0], name="bot_share", p_value=None, value=0.12, limit=0.05)
    assert words.name_of(check, SHIP.design)[0] == "Bot share"
    assert words.check_numbers(check, SHIP.design) == ("0.12", "limit 0.05")


def test_every_inference_is_in_words_and_a_posterior_is_not_promised_an_error_rate() -> None:
    assert words.INFERENCES.keys() == rules.NAMES.keys() == rules.HOLDS.keys() == set(INFERENCES)
    for readout, error_rate in ((SHIP, True), (rich.stopped(), True), (rich.bayesian(), False)):
        said = " ".join(words.methods(readout))
        assert words.INFERENCES[readout.design.inference] in said
        assert ("wrong in at most" in said) == ("p-value" in said) == error_rate


def test_forbidden_words_are_nowhere() -> None:
    from pathlib import Path

    pages = Path(words.__file__).parents[1]
    text = "\n".join(file.read_text("utf-8") for file in pages.rglob("*.py")) + (pages / "definitions.toml").read_text()
    for phrase in ("not significant", "no effect was", "uplift", "SRM", "stat sig", "95 % chance"):
        assert phrase not in text, phrase


def test_clusters_and_times_have_one_name_on_a_page() -> None:
    design = replace(SHIP.design, unit="community", metrics=())
    assert words.named("90 of 900 planned clusters are in.", design) == "90 of 900 planned communities are in."
    assert (
        words.named("the look of 2026-11-09T00:00:00Z, the first", design)
        == "the look of 9 Nov 2026, 00:00 UTC, the first"
    )
