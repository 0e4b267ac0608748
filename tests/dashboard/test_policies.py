"""The Policies page says what the log says, and refuses where the log cannot tell."""

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
        "Homepage", POLICY, "All equally likely", "Purchases", "Last 28 days"
    ]  # fmt: skip


def test_the_card_and_the_table_give_the_figures_of_the_report(shop):
    report = evaluate_policy(shop, Explore(0.25, 0.05), surface="homepage")
    said = words_of(parts.card(report))
    assert f"{report.logged.value:.3f}" in said and f"{parts.lead(report)[0].value:.3f}" in said
    assert "1,500 slates shown to" in said
    table = words_of(parts.table(report))
    for title in ("Whole slate", "Places after those above", "Places apart", "Cascade, doubly robust"):
        assert title in table


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
    import dataclasses

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
    assert "Not evaluable: too small." in words_of(parts.card(shown))
    assert "1.00%" in words_of(parts.strip(shown)) and 'class="fail"' in parts.strip(shown)
    assert "not evaluable" in words_of(parts.table(shown))


def test_text_from_the_log_cannot_become_markup(tmp_path):
    shop = slate_facts.a_log(tmp_path / "shop", slates=200, policy="<b>p</b>")
    report = evaluate_policy(shop, Uniform(), surface="homepage")
    assert "<b>p</b>" not in parts.card(report) and "&lt;b&gt;p" in parts.card(report)
