"""The planner on pasts whose answers are known, and on the demo shop from end to end."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from facts import a_table, an_experiment_file
from scipy import stats

from analysis import ExperimentError, Plan, SourceError, load_experiment, plan, read
from analysis.experiment import Experiment
from analysis.planning.report import as_text
from recsys.world import build
from store import Workspace

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
SPEND = 'id = "spend"\nkind = "mean"\nvalue = "value"\nwhere = { kind = "buy" }\nrole = "primary"'
BUYERS = 'id = "buyers"\nkind = "proportion"\nwhere = { kind = "buy" }\nrole = "guardrail"\nmargin = 0.12'


def a_log_of(
    folder: Path, rows: list[tuple[str, datetime, str, float]], *metrics: str, more: str = "", **design: str
) -> Experiment:
    """An experiment over these events, without exposures yet."""
    lines = [f"{unit},{time:%Y-%m-%dT%H:%M:%SZ},{kind},{value}" for unit, time, kind, value in rows]
    (folder / "events.csv").write_text("\n".join(["unit,time,kind,value", *lines]) + "\n", encoding="utf-8")
    source = f'exposures = "exposures.csv"\nevents = "events.csv"\n{more}'
    return an_experiment_file(folder, source, *(metrics or (SPEND,)), **design)


# A hundred amounts that every day's buyers spend between them.
AMOUNTS = np.round(stats.gamma(2, scale=10).ppf((np.arange(100) + 0.5) / 100), 2)


def a_shop(days: int = 21) -> list[tuple[str, datetime, str, float]]:
    """Each day 200 other people come; every second buys at once, and every day's amounts are the same."""
    rows = []
    for k in range(days * 200):
        time = MONDAY + timedelta(days=k // 200, minutes=7 * (k % 200))
        rows.append((f"u{k}", time, "visit", 0.0))
        if k % 2:
            rows.append((f"u{k}", time + timedelta(seconds=5), "buy", AMOUNTS[k // 2 % 100]))
    return rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Experiment]:
    experiment = a_log_of(tmp_path_factory.mktemp("shop"), a_shop(), SPEND, BUYERS, planned_units="2800")
    return plan(experiment, effect=0.1), experiment


def test_the_past_gives_traffic_values_and_spread(shop):
    made, _ = shop
    spend, buyers = made.metrics
    assert (made.start, made.days_of_past) == ("2026-03-02", 21)
    assert [t.units for t in made.traffic[:3]] == [200, 400, 600]
    assert made.traffic[-1].units == 84 * 200 and made.traffic[-1].extrapolated and not made.traffic[20].extrapolated
    everyone = np.append(AMOUNTS, np.zeros(100))
    assert spend.value == pytest.approx(everyone.mean()) and spend.deviation == pytest.approx(everyone.std(), rel=1e-3)
    assert (buyers.value, buyers.deviation) == (pytest.approx(0.5), pytest.approx(0.5))
    assert spend.skewness == pytest.approx(stats.skew(everyone), rel=1e-9)


def test_the_three_numbers_follow_from_the_past(shop):
    made, _ = shop
    spend = made.metrics[0]
    own, fixed = spend.answers[0], next(a for a in spend.answers if a.inference == "fixed")
    assert (made.days, made.share) == (14, 1.0) and made.lift == own.lift
    closed = 2.8015818 * spend.deviation / spend.value * np.sqrt(2 / 1400)
    assert fixed.lift == own.lift == pytest.approx(closed, rel=1e-3)
    n = 2 * (2.8015818 * spend.deviation / spend.value / 0.1) ** 2 * 2
    assert fixed.units == pytest.approx(n, rel=1e-3) and fixed.days == np.ceil(n / 200 / 7) * 7


def test_a_guardrail_is_planned_for_its_margin_and_what_cannot_be_shown_is_said(shop):
    made, experiment = shop
    guard = made.metrics[1]
    assert guard.effect == 0.12 and guard.answers[0].power > 0.8 and guard.warnings == ()
    narrow = replace(experiment, metrics=(experiment.metrics[0], replace(experiment.metrics[1], margin=0.01)))
    strict = plan(narrow).metrics[1]
    assert strict.answers[0].power < 0.2 and "margin of 1%" in strict.warnings[0]
    # The least margin that can be shown does not depend on the one that was asked for.
    assert strict.answers[0].lift == pytest.approx(guard.answers[0].lift, rel=1e-6)


def test_more_units_and_more_days_detect_less_and_peeking_costs(shop):
    made, _ = shop
    for forecast in made.metrics:
        for kind in ("fixed", "group_sequential", "confidence_sequence", "bayesian"):
            lifts = [reach.lifts[kind] for reach in forecast.curve]
            assert lifts == sorted(lifts, reverse=True)
        by_kind = {answer.inference: answer.lift for answer in forecast.answers}
        assert by_kind["fixed"] < by_kind["group_sequential"] < by_kind["confidence_sequence"]
    once, obf, pocock, sequence, naive = made.price
    assert (once.looks, obf.looks, once.power) == (1, 14, pytest.approx(0.8))
    assert once.needed_units == pytest.approx(1) and 1 < obf.needed_units < pocock.needed_units < sequence.needed_units
    assert 1 < obf.width < pocock.width < sequence.width
    assert naive.false_positives > 0.2 and not naive.valid
    assert all(price.false_positives <= 0.0501 for price in made.price if price.valid)


def test_a_share_of_the_traffic_takes_longer_for_the_same_units(shop):
    made, experiment = shop
    half = plan(experiment, effect=0.1, traffic=0.5)
    assert [t.units for t in half.traffic] == [t.units // 2 for t in made.traffic]
    assert (half.planned_units, half.days, half.share) == (2800, 2 * made.days, made.share * 0.5)
    # Two weeks of half the traffic are the units of one week of all of it; their variance is divided by n - 1 of twice
    # as many, 2,800, of the past.
    week, weeks = made.metrics[0].curve[0].lifts["fixed"], half.metrics[0].curve[1].lifts["fixed"]
    assert weeks == pytest.approx(week * np.sqrt(1399 / 1400 * 2800 / 2799), rel=1e-7)


def test_a_design_with_its_own_looks_is_priced_as_planned(tmp_path):
    experiment = a_log_of(tmp_path, a_shop(days=7), planned_units="1400", inference='"group_sequential"')
    assert len(plan(experiment).price) == 5
    file = experiment.file
    file.write_text(file.read_text() + '[group_sequential]\nspending = "kim_demets"\nlooks = [0.5, 1.0]\n')
    own = next(price for price in plan(load_experiment(file)).price if "as planned" in price.rule)
    assert own.looks == 2 and own.false_positives == pytest.approx(0.05, abs=1e-9) and 1 < own.needed_units < 1.1


def test_primary_comparisons_share_the_level(tmp_path):
    rows, second = a_shop(days=7), SPEND.replace('"spend"', '"again"')
    one = a_log_of(tmp_path, rows, SPEND, planned_units="1000", alpha="0.04")
    two = a_log_of(tmp_path, rows, SPEND, second, planned_units="1000", alpha="0.04", shares="{ a = 1, b = 1, c = 1 }")
    assert [m.alpha for m in plan(one).metrics] == [0.04]
    found = plan(two, effect=0.3)
    assert [m.alpha for m in found.metrics] == [0.01, 0.01]
    # Posteriors are corrected for no family, so that more metrics take nothing from their power.
    alone = plan(
        a_log_of(tmp_path, rows, SPEND, planned_units="1000", alpha="0.04", shares="{ a = 1, b = 1, c = 1 }"),
        effect=0.3,
    )
    powers = [
        [answer.power for answer in one.metrics[0].answers if answer.inference == "bayesian"] for one in (found, alone)
    ]
    assert powers[0] == pytest.approx(powers[1], rel=1e-12)
    posterior = a_log_of(tmp_path, rows, SPEND, second, planned_units="1000", alpha="0.04", inference='"bayesian"')
    assert [m.alpha for m in plan(posterior).metrics] == [0.04, 0.04]


def test_unequal_arms_need_more_units(tmp_path):
    rows = a_shop(days=7)
    even, odd = (
        plan(a_log_of(tmp_path, rows, planned_units="1000", shares=shares), effect=0.1).metrics[0].answers[0]
        for shares in ("{ a = 1, b = 1 }", "{ a = 1, b = 9 }")
    )
    # Per unit, the variance of a difference is 1 / (share x (1 - share)).
    assert odd.units / even.units == pytest.approx(0.25 / 0.09, rel=0.01)


def test_the_window_is_whole_days_of_traffic_that_would_be_exposed(tmp_path):
    rows = [*a_shop(days=9), ("late", MONDAY + timedelta(days=9, hours=1), "visit", 0.0)]
    assert plan(a_log_of(tmp_path, rows, planned_units="500")).days_of_past == 7
    file = tmp_path / "experiment.toml"
    file.write_text(file.read_text() + '[plan]\nstart = 2026-03-03\ndays = 5\ntraffic = { kind = "buy" }\n')
    made = plan(load_experiment(file))
    buyers = sum(kind == "buy" and 1 <= (time - MONDAY).days < 6 for _, time, kind, _ in rows)
    assert (made.start, made.days_of_past, made.traffic[4].units) == ("2026-03-03", 5, buyers)
    assert made.metrics[0].value == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("start = 2026-02-27", "from 2026-03-02 up to 2026-03-09.*change start or days"),
        ("start = 2030-02-27", "the plan asks for the days from 2030-02-27"),
        ("days = 30", "asks for 30 days"),
        ('traffic = { kind = "gift" }', "no event with kind = gift from 2026-03-02"),
        ('traffic = { sort = "gift" }', "has no column 'sort'"),
    ],
)
def test_a_window_without_facts_is_refused(tmp_path, table, message):
    a_log_of(tmp_path, a_shop(days=7), planned_units="500")
    file = tmp_path / "experiment.toml"
    file.write_text(file.read_text() + f"[plan]\n{table}\n")
    with pytest.raises(SourceError, match=message):
        plan(load_experiment(file))


def test_covariates_without_a_past_are_noted(tmp_path):
    metric = f"{SPEND}\ncovariates = {{ window_days = 5 }}"
    made = plan(a_log_of(tmp_path, a_shop(days=7), metric, planned_units="500"))
    assert "look back 5 days, but only 0" in made.warnings[0]
    named = f'{SPEND}\ncovariates = ["age"]'
    made = plan(a_log_of(tmp_path, a_shop(days=7), named, planned_units="500"))
    assert "no column age" in made.warnings[0] and made.metrics[0].metric.covariates == ()


def test_a_table_without_time_is_planned_in_units(tmp_path):
    rng = np.random.default_rng(2)
    rows = "".join(f"{k},{rng.normal(5, 2):.4f},{rng.normal():.4f}\n" for k in range(2_000))
    metric = 'id = "y"\nkind = "mean"\nvalue = "y"\nrole = "primary"\ncovariates = ["x"]'
    made = plan(a_table(tmp_path, f"unit,y,x\n{rows}", metric, planned_units="2000"), effect=0.05)
    (forecast,) = made.metrics
    assert (made.days, made.start, made.traffic, forecast.curve) == (None, None, (), ())
    assert forecast.answers[0].units == pytest.approx(4 * (2.8016 * 0.4 / 0.05) ** 2, rel=0.1)
    assert Plan.from_json(made.to_json()) == made and "2,000 planned units" in as_text(made)


def test_retention_is_planned_from_units_whose_window_has_ended(tmp_path):
    rows = [
        *a_shop(days=28),
        *((f"u{k}", MONDAY + timedelta(days=k // 200 + 9), "back", 0.0) for k in range(0, 5600, 2)),
    ]
    metric = 'id = "back"\nkind = "retention"\nwindow_days = [7, 14]\nwhere = { kind = "back" }'
    experiment = a_log_of(tmp_path, rows, metric, planned_units="1400")
    experiment.file.write_text(experiment.file.read_text() + "[plan]\ndays = 28\nstart = 2026-03-02\n")
    (forecast,) = plan(load_experiment(experiment.file)).metrics
    assert forecast.value == pytest.approx(0.5) and forecast.deviation == pytest.approx(0.5, rel=1e-3)
    assert forecast.answers[0].lift == pytest.approx(2.8015818 * 1.0 * np.sqrt(2 / 700), rel=0.01)


def test_clusters_are_the_units_and_their_design_effect_multiplies(tmp_path):
    rng, shops, size = np.random.default_rng(6), 400, 10
    values = 20 + rng.normal(0, 1, (shops, 1)) + rng.normal(0, 2, (shops, size))
    rows = "".join(f"{s}_{u},{s},{values[s, u]:.6f}\n" for s in range(shops) for u in range(size))
    metric = 'id = "y"\nkind = "mean"\nvalue = "y"'
    by_shop = plan(a_table(tmp_path, f"unit,shop,y\n{rows}", metric, planned_units="300", cluster='"shop"')).metrics[0]
    by_unit = plan(a_table(tmp_path, f"unit,shop,y\n{rows}", metric, planned_units="3000")).metrics[0]
    effect = size * values.mean(axis=1).var(ddof=1) / values.var(ddof=1)
    assert effect > 2 and size * (by_shop.deviation / by_unit.deviation) ** 2 == pytest.approx(effect, rel=1e-3)
    assert by_shop.answers[0].lift / by_unit.answers[0].lift == pytest.approx(np.sqrt(effect), rel=0.01)


def test_a_table_has_no_window(tmp_path):
    experiment = a_table(tmp_path, "unit,y\n1,2\n2,3\n")
    experiment.file.write_text(experiment.file.read_text() + "[plan]\ndays = 7\n")
    with pytest.raises(ExperimentError, match="a table is planned from whole"):
        plan(load_experiment(experiment.file))


def test_skew_few_units_and_dead_metrics_are_said(tmp_path):
    rng = np.random.default_rng(2)
    rows = "".join(f"{k},{rng.lognormal(0, 2):.4f},{k % 50 == 0:d},7\n" for k in range(3_000))
    metrics = (
        'id = "y"\nkind = "mean"\nvalue = "y"\nrole = "primary"',
        'id = "rare"\nkind = "proportion"\nvalue = "rare"',
        'id = "same"\nkind = "mean"\nvalue = "same"',
        'id = "cut"\nkind = "mean"\nvalue = "y"\ncap = { value = 20 }',
    )
    made = plan(a_table(tmp_path, f"unit,y,rare,same\n{rows}", *metrics, planned_units="800"))
    skewed, rare, same, cut = made.metrics
    assert "so skewed" in skewed.warnings[0] and skewed.enough_units == np.ceil(355 * skewed.skewness**2)
    assert rare.warnings == ("an arm gets about 8 of the rarer outcome, too few",)
    assert "nothing varies" in same.reason and same.answers == ()
    assert 0.02 < cut.capped < 0.12 and cut.enough_units < skewed.enough_units


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("demo")
    build(folder, people=6_000, seed=5)
    return Workspace.open(folder)


def test_a_plan_of_the_demo_shop_agrees_with_its_readout(demo):
    experiment = load_experiment(demo.experiments / "slate_ranker.toml")
    made = plan(experiment, demo, effect=0.1, days=28, now=datetime(2026, 11, 10, tzinfo=UTC))
    assert Plan.from_json(made.to_json()) == made
    look = read(experiment, demo).looks[-1]
    for forecast in made.metrics:
        seen = next(e for e in look.effects if e.metric == forecast.metric.id and e.segment is None)
        assert forecast.value == pytest.approx(seen.means.control, rel=0.25), forecast.metric.id
        n = np.sqrt(1 / seen.n.control + 1 / seen.n.treatment)
        assert forecast.deviation == pytest.approx(seen.absolute.standard_error / n, rel=0.35), forecast.metric.id
    shared = {overlap.experiment: overlap.share for overlap in made.overlaps}
    assert set(shared) >= {"wishlist_badge", "deep_discount_drop", "checkout_redirect"}
    # Everybody is in every experiment of the demo.
    assert all(0.8 < share <= 1 for share in shared.values())
    later = plan(experiment, demo, now=datetime(2027, 1, 1, tzinfo=UTC)).overlaps
    assert not {"wishlist_badge", "deep_discount_drop"} & {overlap.experiment for overlap in later}
    text = as_text(made)
    assert "Revenue per visitor (primary)" in text and "The price of peeking" in text and "covariates save" in text


def test_experiments_of_one_layer_are_told_from_others(demo):
    file = demo.experiments / "new.toml"
    text = (demo.experiments / "slate_ranker.toml").read_text().replace('"slate_ranker"', '"new"')
    file.write_text(text + '[assignment]\nlayer = "home"\n')
    record = demo.registry.experiment("wishlist_badge")
    demo.registry.save_experiment(
        record.definition + '\n[assignment]\nlayer = "home"\n', id=record.id, name=record.name, owner=record.owner
    )
    made = plan(load_experiment(file), demo, now=datetime(2026, 11, 10, tzinfo=UTC))
    assert {o.experiment: o.same_layer for o in made.overlaps}["wishlist_badge"]
    assert sum(o.same_layer for o in made.overlaps) == 1
    assert date.fromisoformat(made.start or "") == date(2026, 10, 20)
