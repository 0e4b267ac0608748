"""The demo shop's facts and whether its stated truth is true."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy import stats

from analysis.experiment import Experiment, load_experiment
from analysis.metrics import Quantity
from analysis.variables import Variable
from recsys.world import DESIGNS, Change, Design, Simulation, World
from recsys.world.builder import DEFINITIONS
from store.check import check
from store.contract import load_contract

IDS = [design.id for design in DESIGNS]
FRIENDLY = DESIGNS[IDS.index("group_buy_invite")]


@cache
def the_demo() -> Simulation:
    return World().simulate()


@cache
def defined(id: str) -> Experiment:
    return load_experiment(DEFINITIONS / f"{id}.toml")


def the_metrics() -> dict[str, Quantity]:
    """Every metric of the demo's experiment files, by id, as it is of one person."""
    return {metric.id: metric.outcome for id in IDS if not defined(id).cluster for metric in defined(id).metrics}


def ask(sql: str, **tables: pa.Table) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)
    return connection.execute(sql)


def per_unit(simulation: Simulation, design: Design, variables: list[Variable]) -> dict[str, np.ndarray]:
    """Plain SQL, one row a unit that was seen in one arm: `treated`, and v0, v1 … in the order of `variables`."""
    columns = ", ".join(f"coalesce({_aggregate(v)}, 0)::DOUBLE AS v{k}" for k, v in enumerate(variables))
    return ask(
        f"""WITH unit AS (SELECT unit_id, min(time) AS first, min(arm) AS arm FROM exposures
                          WHERE experiment_id = '{design.id}' GROUP BY 1 HAVING count(DISTINCT arm) = 1)
            SELECT unit_id, any_value(arm) = '{design.treatment}' AS treated, {columns}
            FROM unit JOIN events USING (unit_id) GROUP BY unit_id""",
        **simulation.tables,
    ).fetchnumpy()


def _aggregate(variable: Variable) -> str:
    rows = " AND ".join(f"{column} = '{value}'" for column, value in variable.where)
    if variable.pre:
        rows += f" AND time < first AND time >= first - INTERVAL {variable.days:g} DAY"
    else:
        rows += " AND time >= first"
        rows += f" AND time <= first + INTERVAL {variable.days:g} DAY" if variable.days else ""
    return {"sum": "sum(value)", "count": "count(*)", "any": "max(1)"}[variable.aggregation] + f" FILTER ({rows})"


def mean_and_error(numerator: np.ndarray, denominator: np.ndarray | None) -> tuple[float, float]:
    if denominator is None:
        return numerator.mean(), numerator.std() / np.sqrt(len(numerator))
    ratio = numerator.sum() / denominator.sum()
    return ratio, (numerator - ratio * denominator).std() / denominator.mean() / np.sqrt(len(numerator))


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_stated_truth_is_what_a_large_sample_shows_for_every_metric(design: Design) -> None:
    plain = replace(design, share=1.0, loss=None, passed_on=Change(), by_circle=False)
    everyone_in = World(people=80_000, seed=11, designs=(plain,)).simulate()
    metrics, truth = the_metrics(), everyone_in.truth.effects[design.id]
    variables = list(dict.fromkeys(v for quantity in metrics.values() for v in quantity.variables))
    units = per_unit(everyone_in, design, variables)
    assert metrics.keys() == truth.keys()
    # Two arms and their difference, all metrics and experiments: one false alarm in a thousand runs.
    limit = stats.norm.isf(0.001 / 2 / (3 * len(metrics) * len(DESIGNS)))
    for name, quantity in metrics.items():
        columns = [units[f"v{variables.index(v)}"] for v in quantity.variables] + [None]
        (c, c_error), (t, t_error) = (
            mean_and_error(columns[0][arm], None if columns[1] is None else columns[1][arm])
            for arm in (~units["treated"], units["treated"])
        )
        true = truth[name]
        assert abs(c - true.control) < limit * c_error, name
        assert abs(t - true.treatment) < limit * t_error, name
        assert abs(t - c - true.absolute) < limit * np.hypot(c_error, t_error), name


def test_stated_spillover_is_what_a_large_sample_shows_along_the_share_of_friends_treated() -> None:
    design = replace(FRIENDLY, share=1.0, by_circle=False)
    simulation, metrics = World(people=60_000, seed=11, designs=(design,)).simulate(), ("wishlist", "orders")
    units = per_unit(simulation, design, [the_metrics()[name].numerator for name in metrics])
    joined = ask(
        """SELECT user_id AS unit_id, avg(friend.treated::INT) AS share, any_value(community) AS circle
           FROM friendships JOIN units own ON user_id = own.unit_id JOIN units friend ON friend_id = friend.unit_id
           JOIN communities USING (user_id) WHERE since < TIMESTAMPTZ '2026-10-20 00:00Z' GROUP BY user_id""",
        units=pa.table({name: units[name] for name in ("unit_id", "treated")}),
        **simulation.tables,
    ).fetchnumpy()
    limit = stats.norm.isf(0.001 / 2 / (4 * len(metrics)))
    for k, name in enumerate(metrics):
        direct, passed = (of[design.id][name] for of in (simulation.truth.direct, simulation.truth.spillover))
        both = direct.treatment * passed.treatment / passed.control
        for treated, ends in ((False, (passed.control, passed.treatment)), (True, (direct.treatment, both))):
            rows = ask(
                f"SELECT share, circle, v{k} AS y FROM joined JOIN units USING (unit_id) WHERE treated = {treated}",
                joined=pa.table(joined),
                units=pa.table(units),
            ).fetchnumpy()
            for found, error, true in zip(*ends_of_line(**rows), ends, strict=True):
                assert abs(found - true) < limit * error, (name, treated)


def ends_of_line(share: np.ndarray, circle: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A straight line at shares 0 and 1, and its errors, those of one circle taken together."""
    x = np.stack([1 - share, share], axis=1)
    inverse = np.linalg.inv(x.T @ x)
    ends = inverse @ x.T @ y
    _, code = np.unique(circle, return_inverse=True)
    scores = x * (y - x @ ends)[:, None]
    sums = np.stack([np.bincount(code, column) for column in scores.T], axis=1)
    return ends, np.sqrt(np.diag(inverse @ sums.T @ sums @ inverse))


def test_friends_keep_to_circles_and_circles_to_one_experiment() -> None:
    tables = the_demo().tables
    ((sizes, friends, inside),) = ask(
        """SELECT (SELECT [min(n), max(n)] FROM (SELECT count(*) AS n FROM communities GROUP BY community)),
                  count(*) / (SELECT count(*) FROM users), avg((one.community = other.community)::INT)
           FROM friendships JOIN communities one USING (user_id) JOIN communities other ON friend_id = other.user_id""",
        **tables,
    ).fetchall()
    assert sizes[0] >= 1 and sizes[1] == 30 and 2.5 < friends < 3 and 0.7 < inside < 0.8
    mixed = """SELECT experiment_id, max(arms) FROM (SELECT experiment_id, community, count(DISTINCT arm) AS arms
                      FROM exposures JOIN communities ON unit_id = user_id GROUP BY ALL) GROUP BY 1"""
    arms = dict(ask(mixed, **tables).fetchall())
    assert arms == {design.id: 1 if design.by_circle else 2 for design in DESIGNS}
    spread = """SELECT max(n) FROM (SELECT count(DISTINCT experiment_id) AS n FROM exposures
                JOIN communities ON unit_id = user_id GROUP BY community)"""
    assert ask(spread, **tables).fetchall() == [(1,)]


def test_the_known_effects_are_the_ones_that_the_story_needs() -> None:
    effects = the_demo().truth.effects
    assert effects["slate_ranker"]["revenue"].relative == pytest.approx(0.14)
    assert {round(true.relative, 12) for true in effects["wishlist_badge"].values()} == {0.0}
    assert effects["deep_discount_drop"]["orders"].relative == pytest.approx(0.25)
    assert effects["deep_discount_drop"]["full_price_orders"].relative == pytest.approx(-0.2)
    # Less than the 60 % of its own orders: refunds of orders from before the exposure count too, and stay as they were.
    assert 0.45 < effects["deep_discount_drop"]["refund_rate"].relative < 0.60
    assert effects["checkout_redirect"]["revenue"].relative == pytest.approx(0.05)
    friendly = the_demo().truth
    assert set(friendly.direct) == set(friendly.spillover) == {FRIENDLY.id}
    assert friendly.direct[FRIENDLY.id]["wishlist"].relative == pytest.approx(0.35)
    assert friendly.spillover[FRIENDLY.id]["wishlist"].relative == pytest.approx(0.25)
    # People without friends in it get the direct effect alone.
    assert 0.35 < effects[FRIENDLY.id]["wishlist"].relative < 1.35 * 1.25 - 1


def test_the_same_seed_gives_the_same_shop_and_another_seed_another() -> None:
    one, two, other = (World(2_000, seed).simulate() for seed in (1, 1, 2))
    assert one.tables.keys() == {"users", "items", "friendships", "communities", "exposures", "events"}
    assert all(one.tables[name].equals(two.tables[name]) for name in one.tables)
    assert one.truth == two.truth
    assert not any(one.tables[name].equals(other.tables[name]) for name in one.tables)


def test_every_row_keeps_its_contract() -> None:
    for name, table in World(5_000).simulate().tables.items():
        contract = load_contract(name)
        assert {*contract.required} <= {*table.column_names} <= {*contract.names}
        assert [field.type for field in table.schema] == [contract.schema.field(each).type for each in table.column_names]
        assert not any(check(batch, contract).problems for batch in table.to_batches())
        if contract.key:
            assert len(table.group_by(list(contract.key)).aggregate([])) == len(table)


def test_events_and_exposures_lie_on_the_calendar_and_nobody_acts_before_being_seen() -> None:
    tables, calendar = the_demo().tables, World().calendar
    events = tables["events"]
    assert pc.min(events["time"]).as_py() >= calendar.begin
    assert pc.max(events["time"]).as_py().date().isoformat() == "2026-11-16"
    assert pc.min(tables["exposures"]["time"]).as_py() >= calendar.start
    early = "SELECT count(*) FROM events JOIN users ON unit_id = user_id WHERE time < date_trunc('hour', first_seen)"
    assert ask(early, **tables).fetchall() == [(0,)]


@pytest.mark.parametrize("attribute", ["country", "platform", "buyer_type"])
@pytest.mark.parametrize("design", DESIGNS[:3], ids=IDS[:3])
def test_arms_are_drawn_without_looking_at_the_person(design: Design, attribute: str) -> None:
    counts = ask(
        f"""PIVOT (SELECT DISTINCT user_id, arm, {attribute} FROM exposures JOIN users ON unit_id = user_id
                   WHERE experiment_id = '{design.id}') ON arm USING count(*) GROUP BY {attribute}""",
        **the_demo().tables,
    ).fetchnumpy()
    table = np.stack([counts[design.control], counts[design.treatment]])
    assert stats.chi2_contingency(table).pvalue > 0.001 / 9


@pytest.mark.parametrize(("metric", "least"), [("revenue", 0.15), ("visits", 0.35)])
def test_history_explains_enough_to_be_worth_adjusting_for(metric: str, least: float) -> None:
    plan = next(each for each in defined("slate_ranker").metrics if each.id == metric)
    after, before = plan.outcome.numerator, plan.covariates[0].numerator
    units = per_unit(the_demo(), DESIGNS[0], [after, before])
    assert np.corrcoef(units["v0"], units["v1"])[0, 1] ** 2 > least


def test_people_arrive_over_days_come_again_and_a_few_are_seen_in_both_arms() -> None:
    exposures = the_demo().tables["exposures"]
    ((units, crossed, repeated),) = ask(
        """SELECT count(*), avg((arms > 1)::INT), avg((rows > 1)::INT) FROM
           (SELECT count(DISTINCT arm) AS arms, count(*) AS rows FROM exposures GROUP BY experiment_id, unit_id)""",
        exposures=exposures,
    ).fetchall()
    first = ask("SELECT min(time) AS time FROM exposures GROUP BY unit_id", exposures=exposures).fetchnumpy()["time"]
    arrivals = np.unique(first.astype("datetime64[D]"), return_counts=True)[1]
    assert exposures.num_rows > units > 45_000
    assert 0.001 < crossed < 0.003 and repeated > 0.5
    assert len(arrivals) == 28 and arrivals.min() > 100


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_each_experiment_reaches_its_planned_units_save_the_broken_and_the_running_one(design: Design) -> None:
    treated = ask(
        f"""SELECT any_value(arm) = '{design.treatment}' AS treated FROM exposures JOIN communities ON unit_id = user_id
            WHERE experiment_id = '{design.id}' GROUP BY {"community" if design.by_circle else "unit_id"}
            HAVING count(DISTINCT arm) = 1""",
        **the_demo().tables,
    ).fetchnumpy()["treated"]
    p = stats.binomtest(int(treated.sum()), len(treated)).pvalue
    assert (p < 1e-6) if design.loss else (p > 0.001 / 4)
    running = defined(design.id).end is None
    assert (len(treated) < defined(design.id).planned_units) == (running or design.loss is not None)


def test_only_treated_people_on_phones_are_lost_and_only_from_the_stated_day() -> None:
    broken = DESIGNS[3]
    whole = World(designs=(*DESIGNS[:3], replace(broken, loss=None), *DESIGNS[4:])).simulate().tables["exposures"]
    missing = ask(
        """SELECT any_value(experiment_id), any_value(platform), min(time) >= TIMESTAMPTZ '2026-10-29 00:00Z',
                  arg_min(arm, time), unit_id IN (SELECT unit_id FROM exposures)
           FROM (FROM whole EXCEPT ALL FROM exposures) JOIN users ON unit_id = user_id GROUP BY unit_id""",
        whole=whole,
        **the_demo().tables,
    ).fetchall()
    assert len(missing) > 500
    assert set(missing) == {("checkout_redirect", "phone", True, "redirect", False)}


def test_a_lost_person_leaves_no_events_after_the_exposure_that_was_lost() -> None:
    broken = replace(DESIGNS[3], share=1.0)
    kept = World(people=20_000, designs=(broken,)).simulate().tables
    whole = World(people=20_000, designs=(replace(broken, loss=None),)).simulate().tables["exposures"]
    lost, late = ask(
        """WITH lost AS
             (SELECT unit_id, min(time) AS first FROM whole ANTI JOIN exposures USING (unit_id) GROUP BY unit_id)
           SELECT count(DISTINCT unit_id), count(*) FILTER (kind <> 'refund' AND time >= first)
           FROM lost LEFT JOIN events USING (unit_id)""",
        whole=whole,
        **kept,
    ).fetchall()[0]
    assert lost > 500 and late == 0


def test_the_packaged_definitions_are_the_designs() -> None:
    assert sorted(file.stem for file in Path(DEFINITIONS).glob("*.toml")) == sorted(IDS)
    for design in DESIGNS:
        experiment = defined(design.id)
        assert experiment.arms == (design.control, design.treatment)
        assert experiment.cluster == ("community" if design.by_circle else None)
        assert experiment.source.kind == "lake" and len(set(experiment.shares.values())) == 1
        for metric in experiment.metrics:
            assert metric.outcome.numerator == the_metrics()[metric.id].numerator
            assert metric.outcome == the_metrics()[metric.id] or experiment.cluster
