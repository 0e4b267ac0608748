"""Policies evaluated on a lake's log of slates, against the exact value of each."""

import json
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from recsys.errors import DataError, RequestError
from recsys.offpolicy.estimate import sums_of
from recsys.offpolicy.estimator import estimator
from recsys.offpolicy.evaluation import evaluate_named, evaluate_policy, weighted
from recsys.offpolicy.policies import Explore, Given, Uniform, logged_share, parse
from recsys.offpolicy.report import as_json, as_text
from recsys.offpolicy.slate_log import logged_policies, read_slates
from store import Workspace
from tests.recsys.offpolicy import slate_facts
from tests.recsys.offpolicy.slate_facts import EPSILON, ITEMS, MARGINS, PLACES, PRICES, START


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return slate_facts.a_log(tmp_path_factory.mktemp("offpolicy") / "shop")


def test_the_log_is_read_as_it_was_written(workspace):
    log = read_slates(workspace, "homepage", "click")
    assert log.reward.shape == (len(log), PLACES) and log.shown.all()
    assert log.policy == "p-1" and set(np.unique(log.reward)) == {0.0, 1.0}
    assert (log.candidates == [ITEMS, ITEMS - 1, ITEMS - 2]).all()
    assert (np.diff(log.time) >= 0).all()
    # The last event lies days after the last slate: no slate is too new.
    assert log.open == 0 and len(log) == 3000


@pytest.mark.parametrize("reward", ["click", "purchase", "revenue", "margin"])
def test_rewards_are_those_of_a_plain_reading(workspace, reward):
    events = workspace.lake.table("events").to_pyarrow().to_pylist()
    log = workspace.lake.table("recommendations").to_pyarrow().to_pylist()
    window = timedelta(days=1 if reward == "click" else 3)
    total = 0.0
    acts = {}
    for act in events:
        acts.setdefault((act["slate_id"], act["item_id"]), []).append(act)
    for place in log:
        met = [
            act
            for act in acts.get((place["slate_id"], place["item_id"]), [])
            if place["time"] <= act["time"] < place["time"] + window
        ]
        bought = [act for act in met if act["kind"] == "purchase"]
        share = MARGINS[int(place["item_id"][1:])] if reward == "margin" else 1.0
        total += {"click": bool(met), "purchase": bool(bought)}.get(reward, sum(a["value"] for a in bought) * share)
    assert total > 0
    assert read_slates(workspace, "homepage", reward).reward.sum() == pytest.approx(total)


def test_a_margin_that_nobody_stated_is_not_taken_for_nothing(tmp_path):
    workspace = Workspace.create(tmp_path / "shop")
    shown = [
        (f"s{k}", 1, f"u{k}", START + timedelta(hours=k), "homepage", f"i{k % 6}", 0.5, "p-1", 6) for k in range(200)
    ]
    acts = [("u7", START + timedelta(hours=8), "purchase", "i1", 1000, "s7")]
    slate_facts.fill(workspace, shown, [*acts, ("u0", START + timedelta(days=30), "view", "i0", None, None)])
    assert read_slates(workspace, "homepage", "margin").reward.sum() == 300
    unsaid = Workspace.create(tmp_path / "unsaid")
    items = [f"i{k}" for k in range(6)]
    slate_facts.fill(unsaid, shown, acts, items=pa.table({"item_id": items, "margin": [0.5, None, *[0.3] * 4]}))
    assert read_slates(unsaid, "homepage", "revenue", until=START + timedelta(days=5)).reward.sum() == 1000
    with pytest.raises(DataError, match="margin of 1 items"):
        read_slates(unsaid, "homepage", "margin", until=START + timedelta(days=5))


def test_slates_whose_reward_is_not_known_yet_are_left_out(workspace):
    end = START + timedelta(days=28)
    young = read_slates(workspace, "homepage", "purchase")
    assert len(young) == 3000
    part = Workspace.open(workspace.path)
    recent = read_slates(part, "homepage", "purchase", since=end - timedelta(days=2))
    assert 0 < len(recent) < 300


@pytest.mark.parametrize(
    ("reward", "said"), [("click", r"counts for 1 day .* Wait until then\.$"), ("purchase", "3 days .* ask of clicks")]
)
def test_where_all_slates_are_too_new_it_says_how_long_to_wait(tmp_path, reward, said):
    workspace = Workspace.create(tmp_path / "shop")
    shown = [(f"s{k}", 1, f"u{k}", START, "homepage", "i1", 0.5, "p-1", 6) for k in range(3)]
    slate_facts.fill(workspace, shown, [("u0", START + timedelta(hours=1), "view", "i1", None, "s0")])
    with pytest.raises(DataError, match=f"all 3 slates .* too new: a {reward} .*{said}"):
        read_slates(workspace, "homepage", reward)


@pytest.mark.parametrize("share", [0.05, 0.6])
def test_another_share_of_exploration_is_valued_right(workspace, share):
    report = evaluate_policy(workspace, Explore(share, EPSILON), surface="homepage")
    truth = slate_facts.true_clicks(share)
    by_name = {each.estimator: each for each in report.estimates}
    assert set(by_name) == {"sips", "iips", "rips", "cascade_dr"}
    for name, each in by_name.items():
        assert each.interval.covers(truth), (name, each, truth)
    logged = slate_facts.true_clicks(EPSILON)
    assert report.logged.interval.covers(logged)
    lifts = dict(zip(by_name, report.lifts, strict=True))
    assert lifts["cascade_dr"].covers(truth / logged - 1)
    if share < EPSILON:
        # What both policies share cancels in their difference.
        width = lifts["cascade_dr"].upper - lifts["cascade_dr"].lower
        assert width * logged < report.logged.interval.upper - report.logged.interval.lower


def test_the_chances_of_another_share_are_those_that_its_own_draws_would_have(workspace):
    log = read_slates(workspace, "homepage", "click")
    rows = workspace.lake.table("recommendations").to_pyarrow().sort_by([("time", "ascending"), ("slate_id", "ascending"), ("position", "ascending")]).to_pylist()  # fmt: skip
    found = Explore(0.05, EPSILON).chances(log)
    for slate in range(50):
        left = np.ones(ITEMS, bool)
        for place in range(PLACES):
            item = int(rows[slate * PLACES + place]["item_id"][1:])
            assert found[slate, place] == pytest.approx(slate_facts.chances(0.05, left)[item], rel=1e-9)
            left[item] = False


def test_the_logged_policy_itself_has_no_change(workspace):
    report = evaluate_policy(workspace, Explore(EPSILON, EPSILON), surface="homepage", reward="revenue")
    for found, lift in zip(report.estimates, report.lifts, strict=True):
        assert found.value == pytest.approx(report.logged.value)
        assert found.support.ratio == pytest.approx(1)
        assert (lift.lower, lift.upper) == pytest.approx((0, 0), abs=1e-9)


def test_the_reward_model_narrows_without_knowing_what_was_shown(workspace):
    slates = weighted(read_slates(workspace, "homepage", "click"), Uniform(), np.random.default_rng(0))
    errors = {name: sums_of(estimator(name).terms(slates), slates).error for name in ("sips", "rips", "cascade_dr")}
    assert errors["cascade_dr"] < 0.97 * errors["rips"] and errors["rips"] < 0.97 * errors["sips"]


def test_a_policy_that_the_log_cannot_hold_is_refused_with_its_figures(workspace):
    log = read_slates(workspace, "homepage", "click")
    # Always the least likely item: hardly anything logged is what it would do.
    least = np.where(log.propensity < EPSILON / log.candidates * 1.3, 1.0, 0.0)
    report = evaluate_policy(workspace, Given("The least likely", least), surface="homepage")
    whole = {each.estimator: each for each in report.estimates}["rips"]
    assert whole.value is None and "effective sample" in whole.refused


def test_a_wrong_epsilon_is_refused(workspace):
    report = evaluate_policy(workspace, Explore(0.01, 0.9), surface="homepage")
    assert "logged propensities lie below" in report.refused and report.estimates == ()
    assert "Not evaluable" in as_text(report)


def test_a_report_says_everything_in_words_and_in_json(workspace):
    reports = evaluate_named(workspace, ["uniform", "epsilon=0.05"], logged_epsilon=EPSILON)
    assert [each.surface for each in reports] == ["homepage", "homepage"]
    text = as_text(reports[1])
    assert "5% of places drawn at random, not 30%" in text and "effective sample" in text and "chosen by p-1" in text
    assert json.loads(as_json(reports))[1]["estimates"][0]["value"] > 0


def test_what_the_command_prints_says_what_exploring_less_leaves_out(workspace):
    less, more = evaluate_named(workspace, ["epsilon=0.05", "epsilon=0.5"], logged_epsilon=EPSILON)
    assert "What draws at random are for is not counted" in as_text(less)
    assert "What draws at random are for is not counted" not in as_text(more)


def test_reports_of_the_command_name_the_shop_s_currency(tmp_path):
    shop = slate_facts.a_log(tmp_path / "shop", slates=200)
    with (shop.path / "holdout.toml").open("a") as file:
        file.write('currency = "€"\n')
    (told,) = json.loads(as_json(evaluate_named(Workspace.open(shop.path), ["uniform"], reward="revenue")))
    assert told["currency"] == "€"


@pytest.mark.parametrize("text", ["best", "epsilon=much", "epsilon=2", "weights=1"])
def test_what_cannot_be_asked_says_what_can(text):
    with pytest.raises(RequestError, match=r"epsilon=0\.01|must be in \[0, 1\]"):
        parse(text, EPSILON)


def test_an_epsilon_needs_the_logged_one():
    with pytest.raises(RequestError, match="--logged-epsilon"):
        parse("epsilon=0.01", None)


def test_an_empty_log_says_how_to_fill_it(tmp_path):
    empty = Workspace.create(tmp_path / "empty")
    with pytest.raises(DataError, match="holdout serve"):
        evaluate_named(empty, ["uniform"])
    assert logged_policies(empty) == {}


def test_a_surface_or_reward_that_is_not_logged_is_named_with_those_that_are(workspace):
    with pytest.raises(DataError, match="homepage by p-1"):
        read_slates(workspace, "cart", "click")
    with pytest.raises(DataError, match="revenue"):
        read_slates(workspace, "homepage", "happiness")
    assert PRICES.min() > 0


def test_the_share_of_exploration_of_the_engines_own_policy_is_known():
    from recsys.surfaces.cart import Cart
    from recsys.surfaces.surface import POLICY

    assert logged_share(f"{POLICY}-ranked-objective-1", "cart") == Cart.exploration.epsilon
    assert logged_share("plain-1", "cart") is None and logged_share(f"{POLICY}-ranked-objective-1", "attic") is None


def test_what_was_logged_by_too_few_people_says_so_in_place_of_a_value(tmp_path):
    text = as_text(
        evaluate_policy(slate_facts.a_log(tmp_path / "shop", slates=40, people=9), Uniform(), surface="homepage")
    )
    assert "as logged: Not evaluable: 9 people" in text
