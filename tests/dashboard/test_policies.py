"""The Policies page says what the log says, and refuses where the log cannot tell."""

import dataclasses
import re
from functools import partial

import pytest

from dashboard.parts import policy as parts
from recsys.offpolicy.evaluation import evaluate_policy
from recsys.offpolicy.policies import Explore, Uniform
from store import Workspace
from tests.dashboard import opening
from tests.dashboard.opening import words_of
from tests.recsys.offpolicy import slate_facts

POLICY = "slates-1-ranked-objective-1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return slate_facts.a_log(tmp_path_factory.mktemp("policies") / "shop", slates=1500, epsilon=0.05, policy=POLICY)


opened = partial(opening.opened, "policies")


def test_the_page_shows_the_report_of_the_question_in_its_address(shop, monkeypatch):
    test = opened(shop, monkeypatch, what_if="All equally likely", reward="Purchases")
    assert not test.exception
    assert test.header[0].value == "Every candidate equally likely"
    assert [box.value for box in test.selectbox] == [
        "Homepage", POLICY, "All equally likely", "Purchases", "The last 28 days"
    ]  # fmt: skip


def test_the_card_and_the_table_give_the_figures_of_the_report(shop):
    report = evaluate_policy(shop, Explore(0.25, 0.05), surface="homepage")
    said = words_of(parts.card(report))
    assert f"{report.logged.value:.3f}" in said and f"{parts.lead(report)[0].value:.3f}" in said
    assert "1,500 slates shown to" in said
    table = words_of(parts.table(report))
    titles = ("Cascade, doubly robust", "Places after those above", "Places apart", "Whole slate")
    assert sorted(titles, key=table.index) == list(titles)


def test_money_has_the_shop_s_currency_and_a_window(tmp_path):
    shop = slate_facts.a_log(tmp_path / "shop", slates=600, epsilon=0.05, policy=POLICY)
    with (shop.path / "holdout.toml").open("a") as file:
        file.write('currency = "€"\n')
    report = evaluate_policy(Workspace.open(shop.path), Explore(0.25, 0.05), surface="homepage", reward="revenue")
    said = words_of(parts.card(report))
    assert f"€{report.logged.value / 100:,.2f}" in said
    assert "What counts is what follows a slate within 3 days." in said


def test_less_exploring_is_never_praised_without_what_exploring_is_for(shop):
    less, more = (
        words_of(parts.card(evaluate_policy(shop, Explore(share, 0.05), surface="homepage"))) for share in (0.01, 0.1)
    )
    assert "What draws at random are for is not counted" in less
    assert "What draws at random are for is not counted" not in more


def test_a_refusal_takes_the_place_of_the_number(shop):
    # The share that is said to have been logged is wrong: no weight can be worked out.
    report = evaluate_policy(shop, Explore(0.01, 0.9), surface="homepage")
    said = words_of(parts.card(report))
    assert "The log cannot tell" in said and "logged propensities lie below" in said
    assert "Would have been" not in said and parts.strip(report) == ""


def test_a_policy_with_too_small_an_effective_sample_shows_the_figures_and_no_value(shop, monkeypatch):
    report = evaluate_policy(shop, Uniform(), surface="homepage")
    refused = tuple(
        dataclasses.replace(
            each,
            value=None,
            interval=None,
            support=dataclasses.replace(each.support, effective=15.0, refused="Not evaluable: too small."),
            refused="Not evaluable: too small.",
        )
        for each in report.estimates
    )
    shown = dataclasses.replace(report, estimates=refused, lifts=(None,) * len(refused))
    assert "The log cannot tell Too small." in words_of(parts.card(shown))
    assert "1.00%" in words_of(parts.strip(shown)) and 'class="fail"' in parts.strip(shown)
    # The card has said why: four rows would say it four times more.
    assert parts.table(shown) == ""
    one = dataclasses.replace(report, estimates=(refused[0], *report.estimates[1:]))
    assert "not evaluable" in words_of(parts.table(one))


def test_what_was_logged_and_the_answer_are_shown_with_digits_that_tell_them_apart(shop):
    report = evaluate_policy(shop, Explore(0.04, 0.05), surface="homepage")
    found, _ = parts.lead(report)
    near = dataclasses.replace(found, value=report.logged.value * 1.0004)
    estimates = tuple(near if each is found else each for each in report.estimates)
    said = words_of(parts.card(dataclasses.replace(report, estimates=estimates)))
    was, would = re.search(r"Instead of ([\d.]+) items .* about ([\d.]+\d)", said).groups()
    assert was != would and float(was) == pytest.approx(report.logged.value, rel=1e-3)


def test_the_heading_says_what_there_would_have_been_more_or_fewer_of(shop):
    report = evaluate_policy(shop, Explore(0.25, 0.05), surface="homepage")
    found, lift = parts.lead(report)
    at = [each.estimator for each in report.estimates].index(found.estimator)
    for low, high, reward, heading in (
        (0.1, 0.2, "click", "Would have brought more clicks"),
        (-0.2, -0.1, "click", "Would have brought fewer clicks"),
        (-0.2, -0.1, "revenue", "Would have brought less revenue"),
        (-0.1, 0.1, "click", "Can’t tell yet"),
    ):
        lifts = list(report.lifts)
        lifts[at] = dataclasses.replace(lift, lower=low, upper=high)
        shown = dataclasses.replace(report, lifts=tuple(lifts), reward=reward)
        assert f"{heading} Instead of" in words_of(parts.card(shown))


def test_text_from_the_log_cannot_become_markup(tmp_path):
    shop = slate_facts.a_log(tmp_path / "shop", slates=200, policy="<b>p</b>")
    report = evaluate_policy(shop, Uniform(), surface="homepage")
    assert "<b>p</b>" not in parts.card(report) and "&lt;b&gt;p" in parts.card(report)
