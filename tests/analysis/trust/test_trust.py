"""Re-randomisation: the same as reading every draw alone, only faster; and what it finds where the truth is known."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facts import a_parquet, a_table, an_experiment_file
from scipy import stats

from analysis import AnalysisError, Experiment, SourceError, read_collected
from analysis.collect import collect
from analysis.collected import Collected
from analysis.trust import Rate, RuleTrust, Trust, trust
from analysis.trust.past import read_past
from analysis.trust.relabel import Draws, draw_arms, relabelled, relabelled_clusters
from analysis.trust.rerandomise import verdict_of

START = datetime(2026, 3, 2, tzinfo=UTC)
LOOKS, ENTRY, BACK, MEMORY = 10, 7, 14, 7
METRICS = (
    'id = "revenue"\nkind = "mean"\nvalue = "revenue"\ncovariates = { window_days = 7 }\nrole = "primary"',
    'id = "buyers"\nkind = "proportion"\nwhere = { kind = "buy" }\nwindow_days = 3\nrole = "primary"',
    'id = "order"\nkind = "ratio"\nvalue = "revenue"\ndenominator = { where = { kind = "buy" } }\nrole = "secondary"\n'
    "covariates = { window_days = 7 }",
    'id = "top"\nkind = "mean"\nvalue = "revenue"\naggregation = "max"\ncap = { value = 40 }\nrole = "secondary"\n'
    'covariates = ["age"]',
)


def instants(seconds: np.ndarray) -> list[datetime]:
    return [START + timedelta(seconds=int(s)) for s in seconds]


def a_shop(folder: Path, n: int, *metrics: str, days_before: int = BACK + MEMORY, **plan: str) -> Experiment:
    """Heavy-tailed buyers with `days_before` days of past; in the experiment, arm b spends three times as much."""
    rng = np.random.default_rng(8)
    unit, entry = np.arange(n), rng.uniform(0, ENTRY * 86_400, n)
    arm = rng.choice(["a", "b"], n)
    again = rng.integers(0, n, n // 20)
    shown = np.concatenate([unit, again])
    when = np.concatenate([entry, entry[again] + 3600])
    other = np.concatenate([arm, np.where(rng.random(len(again)) < 0.3, "b", arm[again])])
    age = np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 9, n))
    a_parquet(
        folder / "exposures.parquet",
        {"unit": shown, "time": instants(when), "arm": other, "age": age[shown], "team": shown % 40},
    )
    done = 25 * n
    who = rng.choice(n, done, p=(taste := rng.gamma(0.7, 1, n)) / taste.sum())
    at = rng.uniform(-days_before * 86_400, LOOKS * 86_400 - 1, done)
    bought, late = rng.random(done) < 0.3, (at >= entry[who]) & (arm[who] == "b")
    spent = np.where(bought, np.round(rng.lognormal(2, 1, done), 2) * np.where(late, 3, 1), 0.0)
    a_parquet(
        folder / "events.parquet",
        {"unit": who, "time": instants(at), "kind": np.where(bought, "buy", "look"), "revenue": spent},
    )
    return an_experiment_file(
        folder, 'exposures = "exposures.parquet"\nevents = "events.parquet"', *(metrics or METRICS), **plan
    )


def read_alone(folder: Path, experiment: Experiment, codes: np.ndarray) -> Collected:
    """One draw the long way: exposures rewritten with its arms and moved back, events of later days left out."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "exposures.parquet").to_pydict()
    arms: dict[int, set[str]] = {}
    for unit, arm in zip(table["unit"], table["arm"], strict=True):
        arms.setdefault(unit if experiment.cluster is None else unit % 40, set()).add(arm)
    counted = [unit for unit in sorted(arms) if len(arms[unit]) == 1 or experiment.crossovers == "first"]
    drawn = dict(zip(counted, codes, strict=True))
    key = table["unit"] if experiment.cluster is None else table["team"]
    keep = [k for k, unit in enumerate(key) if unit in drawn]
    moved: dict[str, Any] = {name: [column[k] for k in keep] for name, column in table.items()}
    moved["arm"] = [experiment.arms[drawn[key[k]]] for k in keep]
    moved["time"] = [when - timedelta(BACK) for when in moved["time"]]
    there = folder / "alone"
    there.mkdir(exist_ok=True)
    a_parquet(there / "exposures.parquet", moved)
    events = pq.read_table(folder / "events.parquet").to_pydict()
    old = [k for k, when in enumerate(events["time"]) if when < START - timedelta(BACK - LOOKS)]
    a_parquet(there / "events.parquet", {name: [column[k] for k in old] for name, column in events.items()})
    files = {"exposures": there / "exposures.parquet", "events": there / "events.parquet"}
    return collect(replace(experiment, source=replace(experiment.source, **files)))


def close(found: np.ndarray, expected: np.ndarray, spread: np.ndarray) -> None:
    """Asserts that numbers differ by no more than 1e-9 of `spread`."""
    assert (np.abs(found - expected) <= 1e-9 * spread + 1e-12).all()


CASES = {
    "sequence": {"inference": '"confidence_sequence"', "planned_units": "600"},
    "three arms": {"shares": "{ a = 1, b = 2, c = 1 }"},
    "group sequential": {"inference": '"group_sequential"', "planned_units": "600"},
    "fixed, Lin": {"adjustment": '"lin"'},
}


@pytest.mark.parametrize("case", CASES)
def test_all_draws_at_once_are_each_draw_read_alone(tmp_path: Path, case: str) -> None:
    runs, planned = 4, "\nplanned_error = 0.9" if case == "group sequential" else ""
    experiment = a_shop(tmp_path, 600, METRICS[0] + planned, *METRICS[1:], alpha="0.45", **CASES[case])
    if case == "three arms":
        with_a_third_arm(tmp_path)
    found = trust(experiment, runs=runs, rng=np.random.default_rng(3))
    assert (found.basis, found.days_back, found.looks) == ("before", BACK, LOOKS)
    past = read_past(experiment)
    shares = np.array([experiment.shares[arm] for arm in experiment.arms])
    blocks = list(draw_arms(np.random.default_rng([found.seed, 0]), len(past.course.entry), shares, runs))
    codes, variables = np.concatenate(blocks), past.collected.moments.variables
    fast = relabelled(past.course, Draws.of(iter(blocks), len(shares), runs), [variables]).moments(variables)
    wrong: dict[tuple[str, str, str], int] = {}
    for run in range(runs):
        alone = read_alone(tmp_path, experiment, codes[:, run])
        spread = np.sqrt(np.diagonal(alone.moments.cross, axis1=-2, axis2=-1))
        np.testing.assert_array_equal(fast.n[..., run], alone.moments.n)
        close(fast.mean[..., run, :], alone.moments.mean, spread)
        close(fast.cross[..., run, :, :], alone.moments.cross, spread[..., :, None] * spread[..., None, :])
        for (metric, arm, rule), any_look in false_positives(experiment, alone).items():
            wrong[metric, arm, rule] = wrong.get((metric, arm, rule), 0) + any_look
    counted = {
        (one.metric.id, one.arm, rule.rule): rule.false_positive.count for one in found.metrics for rule in one.rules
    }
    assert counted == wrong
    assert 0 < sum(wrong.values()) < runs * len(wrong)


def with_a_third_arm(folder: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "exposures.parquet").to_pydict()
    table["arm"] = ["c" if unit % 4 == 0 else arm for unit, arm in zip(table["unit"], table["arm"], strict=True)]
    a_parquet(folder / "exposures.parquet", table)


def false_positives(experiment: Experiment, collected: Collected) -> dict[tuple[str, str, str], bool]:
    """Whether any look of the readout has an interval without 0, by metric, arm and rule."""
    found: dict[tuple[str, str, str], bool] = {}
    for look in read_collected(experiment, collected).looks:
        for effect in look.effects:
            claims = {experiment.inference: (effect.absolute.lower, effect.absolute.upper)}
            claims |= {a.kind: (a.relative.lower, a.relative.upper) for a in effect.alternatives if a.kind == "fixed"}
            for rule, (lower, upper) in claims.items():
                key = effect.metric, effect.arm, rule
                found[key] = found.get(key, False) or (lower is not None and not lower <= 0 <= upper)
    return found


def test_clusters_are_drawn_as_a_whole(tmp_path: Path) -> None:
    runs = 3
    experiment = a_shop(tmp_path, 600, cluster='"team"', crossovers='"first"')
    past = read_past(experiment)
    assert past.clusters is not None
    codes = np.concatenate([*draw_arms(np.random.default_rng(5), 40, np.ones(2), runs)])
    fast = relabelled_clusters(past.course, past.clusters, codes, 2)
    named = codes[np.argsort([int(name) for name in past.clusters.names])]
    for run in range(runs):
        alone = read_alone(tmp_path, experiment, named[:, run]).moments
        np.testing.assert_array_equal(fast.n[..., run], alone.n)
        np.testing.assert_allclose(fast.mean[..., run, :], alone.mean, rtol=1e-9)
        np.testing.assert_allclose(fast.cross[..., run, :, :], alone.cross, rtol=1e-9, atol=1e-6)
    found = trust(experiment, runs=50, rng=np.random.default_rng(1))
    assert (found.unit, found.units) == ("team", 40)
    assert {one.verdict for one in found.metrics} <= {"too few runs to say", "too few units to say", "does not hold"}


def own(found: Trust, metric: str) -> RuleTrust:
    return next(one for one in found.metrics if one.metric.id == metric).rules[0]


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Trust]:
    folder = tmp_path_factory.mktemp("shop")
    experiment = a_shop(folder, 4000, inference='"confidence_sequence"', planned_units="4000")
    return experiment, trust(experiment, runs=1000, rng=np.random.default_rng(0))


def test_a_sequence_holds_on_heavy_tails_although_the_experiment_had_an_effect(
    sequence: tuple[Experiment, Trust],
) -> None:
    experiment, found = sequence
    assert min(look.p_value for look in read_collected(experiment, collect(experiment)).looks[-1].effects) < 1e-6
    assert [one.verdict for one in found.metrics] == ["holds"] * 4
    for one in found.metrics:
        for rate in (one.rules[0].false_positive, one.rules[0].false_positive_at_end):
            assert stats.binomtest(rate.count, rate.runs, 0.05, alternative="greater").pvalue > 0.001
        assert stats.binomtest(one.rules[1].false_positive_at_end.count, 1000, 0.05).pvalue > 0.001
        assert stats.binomtest(one.rules[1].coverage_at_end.count, 1000, 0.95).pvalue > 0.001
    assert found.family is not None
    assert stats.binomtest(found.family.count, 1000, 0.05, alternative="greater").pvalue > 0.001
    level = found.sample_ratio_promised
    assert stats.binomtest(found.sample_ratio.count, 1000, level, alternative="greater").pvalue > 0.001


def test_reading_a_fixed_interval_at_every_look_is_found_out(sequence: tuple[Experiment, Trust]) -> None:
    experiment, found = sequence
    for one in found.metrics:
        peeking = one.rules[1]
        assert (peeking.rule, peeking.false_positive.lower > 0.05) == ("fixed", True)
        assert verdict_of(experiment, peeking, 0.05, one.units, one.carriers)[0] == "does not hold"


def test_planned_looks_spend_their_error_and_no_more(tmp_path: Path) -> None:
    experiment = a_shop(tmp_path, 2000, METRICS[0], inference='"group_sequential"', planned_units="2000")
    found = trust(experiment, runs=1000, rng=np.random.default_rng(0))
    assert found.metrics[0].verdict == "holds"
    assert stats.binomtest(own(found, "revenue").false_positive.count, 1000, 0.05).pvalue > 0.001
    assert found.family == own(found, "revenue").false_positive


def test_what_was_interrupted_goes_on_to_the_same_result(tmp_path: Path) -> None:
    experiment = a_shop(tmp_path, 300, *METRICS[:2])
    whole = trust(experiment, runs=550, rng=np.random.default_rng(4))
    assert whole == trust(experiment, runs=550, rng=np.random.default_rng(4))
    assert whole.metrics != trust(experiment, runs=550, rng=np.random.default_rng(5)).metrics
    told: list[Trust] = []

    def stop(found: Trust) -> None:
        told.append(Trust.from_json(found.to_json()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trust(experiment, runs=550, rng=np.random.default_rng(4), progress=stop)
    rest = trust(experiment, runs=550, rng=np.random.default_rng(99), done=told[0])
    assert (told[0].runs, rest) == (250, whole)
    with pytest.raises(AnalysisError, match="550 runs are done, expected a multiple of 250"):
        trust(experiment, runs=800, rng=np.random.default_rng(4), done=whole)
    with pytest.raises(AnalysisError, match="not of this experiment"):
        trust(experiment, runs=800, rng=np.random.default_rng(4), done=replace(told[0], units=1))


def test_a_past_that_is_too_short_is_said_and_outcomes_are_taken_as_they_are(tmp_path: Path) -> None:
    experiment = a_shop(tmp_path, 300, METRICS[0], days_before=15)
    found = trust(experiment, runs=20, rng=np.random.default_rng(4))
    assert (found.basis, found.days_back, found.looks) == ("observed", 0, LOOKS)
    assert "the 10 days before the first exposure on 2026-03-02, and 7 more" in found.notes[0]
    assert "first event is of 2026-02-15, 2 days too late" in found.notes[0]


def test_whole_weeks_only_where_the_past_is_long_enough(tmp_path: Path) -> None:
    experiment = a_shop(tmp_path, 300, METRICS[0], days_before=18)
    assert read_past(experiment).days_back == LOOKS


def test_no_green_badge_from_few_units_or_runs_and_none_without_a_promise(tmp_path: Path) -> None:
    text = "unit,arm,y,load\n" + "".join(f"u{k},{'ab'[k % 2]},{k % 7},{k}\n" for k in range(900))
    quantile = 'id = "slow"\nkind = "quantile"\nquantile = 0.9\nvalue = "load"'
    mean = 'id = "y"\nkind = "mean"\nvalue = "y"\nrole = "primary"'
    plans = {"fixed": "holds", "confidence_sequence": "too few units to say", "bayesian": "nothing promised"}
    for inference, verdict in plans.items():
        experiment = a_table(
            tmp_path, text, mean, quantile, inference=f'"{inference}"', planned_units="900", segments='["y"]'
        )
        found = trust(experiment, runs=200, rng=np.random.default_rng(1))
        assert [one.verdict for one in found.metrics] == [verdict]
        assert (found.basis, found.start, len(found.notes)) == ("observed", None, 2)
        assert "slow" in found.notes[1].lower()
        assert (found.family is None) == (inference == "bayesian")
    assert trust(replace(experiment, inference="fixed"), runs=199, rng=np.random.default_rng(1)).metrics[0].verdict == (
        "too few runs to say"
    )


def test_sources_without_units_are_refused(tmp_path: Path) -> None:
    experiment = a_table(tmp_path, "unit,arm,y\n1,a,1\n2,b,2\n")
    summary = replace(experiment, source=replace(experiment.source, kind="moments"))
    with pytest.raises(SourceError, match="a moments source has no units"):
        trust(summary, rng=np.random.default_rng(1))
    quantile = a_table(
        tmp_path, "unit,arm,y\n1,a,1\n2,b,2\n", 'id = "y"\nkind = "quantile"\nquantile = 0.5\nvalue = "y"'
    )
    with pytest.raises(SourceError, match="every metric is a quantile"):
        trust(quantile, rng=np.random.default_rng(1))
    with pytest.raises(AnalysisError, match="runs is 0"):
        trust(experiment, runs=0, rng=np.random.default_rng(1))


@pytest.mark.parametrize(("count", "runs"), [(0, 1), (1, 1), (0, 250), (13, 250), (50, 1000), (1000, 1000)])
def test_bounds_are_those_of_clopper_and_pearson(count: int, runs: int) -> None:
    exact = stats.binomtest(count, runs).proportion_ci(0.95)
    found = Rate.of(count, runs)
    assert (found.lower, found.share, found.upper) == pytest.approx((exact.low, count / runs, exact.high), abs=1e-12)


def test_a_draw_of_a_unit_costs_next_to_nothing(tmp_path: Path) -> None:
    experiment = a_shop(tmp_path, 20_000, *METRICS[:3], inference='"confidence_sequence"', planned_units="20000")
    start = time.process_time()
    trust(experiment, runs=500, rng=np.random.default_rng(1))
    # A million units drawn a thousand times may take two cores a minute: this is a hundredth of it.
    assert time.process_time() - start < 0.01 * 2 * 60
