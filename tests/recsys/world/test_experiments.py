"""The demo's experiments: who is in them, what goes wrong in them, and whether their stated truth is true."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from analysis.experiment import Experiment, load_experiment
from analysis.metrics import Quantity
from analysis.variables import Variable
from recsys.world import DESIGNS, Design, Shop, ShopPlan, true_effects
from recsys.world.demo import DEFINITIONS
from tests.recsys.world.a_shop import ask, facts, lived

IDS = [design.id for design in DESIGNS]
DEMO = ShopPlan(days=84, experiments=28)
SMALL = ShopPlan(people=600, days=40, seed=11, experiments=28)
BROKEN = next(design for design in DESIGNS if design.loss)


@cache
def defined(id: str) -> Experiment:
    return load_experiment(DEFINITIONS / f"{id}.toml")


def the_metrics() -> dict[str, Quantity]:
    """Every metric of the experiment files, by id, as it is of one person."""
    return {metric.id: metric.outcome for id in IDS if not defined(id).cluster for metric in defined(id).metrics}


@cache
def at_the_opening(plan: ShopPlan) -> Shop:
    shop = Shop.open(plan)
    for _ in shop.until(plan.days - plan.experiments, shop.plain):
        pass
    return shop


def lived_again(shop: Shop, **trials: object) -> dict[str, pa.Table]:
    """The facts of the days of experiments, with something about them changed."""
    changed = replace(shop.setting, trials=replace(shop.setting.trials, **trials))
    again = Shop(changed, deepcopy(shop.state), shop.names)
    parts: dict[str, list[pa.Table]] = {}
    for day in again.until(again.setting.calendar.days, again.plain):
        for name, table in day.items():
            parts.setdefault(name, []).append(table)
    return {name: pa.concat_tables(each, promote_options="default") for name, each in parts.items()}


@cache
def exposures_if_nobody_is_lost() -> pa.Table:
    return lived_again(at_the_opening(DEMO), losses=False)["exposures"]


def aggregate(variable: Variable) -> str:
    rows = " AND ".join(f"{column} = '{value}'" for column, value in variable.where)
    rows += " AND time < first AND time >= first - INTERVAL 28 DAY" if variable.pre else " AND time >= first"
    rows += f" AND time <= first + INTERVAL {variable.days:g} DAY" if variable.days and not variable.pre else ""
    return {"sum": "sum(value)", "count": "count(*)", "any": "max(1)"}[variable.aggregation] + f" FILTER ({rows})"


def per_unit(tables: dict[str, pa.Table], units: str, variables: list[Variable]) -> np.ndarray:
    """Plain SQL over `units` (unit_id, first): one row a unit, one column a variable."""
    columns = ", ".join(f"coalesce({aggregate(v)}, 0)::DOUBLE" for v in variables)
    return np.array(
        ask(f"WITH units AS ({units}) SELECT {columns} FROM units JOIN events USING (unit_id) GROUP BY unit_id", tables)
    )


@pytest.mark.parametrize("id", IDS)
def test_stated_truth_is_what_plain_queries_find_with_everybody_in_one_arm(id: str) -> None:
    shop, k = at_the_opening(SMALL), IDS.index(id)
    truth, names = true_effects(shop, id).effects, shop.names.people.to_pylist()
    crossed = {names[p] for p in np.flatnonzero(shop.setting.trials.crossed[:, k])}
    units = f"""SELECT unit_id, min(time) AS first FROM exposures WHERE experiment_id = '{id}'
                AND unit_id NOT IN (SELECT unit_id FROM crossed) GROUP BY 1"""
    metrics = {
        name: quantity for name, quantity in the_metrics().items() if name in {m.id for m in defined(id).metrics}
    }
    assert len(metrics) == len(defined(id).metrics)
    for arm, treated in (("control", False), ("treatment", True)):
        arms = shop.setting.trials.treated.copy()
        arms[:, k] = treated
        losses = DESIGNS[k].loss is None
        tables = lived_again(shop, treated=arms, friends_treated=arms, losses=losses)
        tables["crossed"] = pa.table({"unit_id": pa.array(sorted(crossed), pa.string())})
        for name, quantity in metrics.items():
            found = per_unit(tables, units, list(quantity.variables)).sum(axis=0)
            ((n,),) = ask(f"SELECT count(*) FROM ({units})", tables)
            value = found[0] / found[1] if len(found) > 1 else found[0] / n
            assert value == pytest.approx(getattr(truth[name], arm), rel=1e-12), name


def test_only_what_is_passed_on_has_a_direct_effect_and_a_spillover() -> None:
    shop = at_the_opening(SMALL)
    for design in DESIGNS[-2:]:
        truth = true_effects(shop, design.id)
        assert (truth.direct is not None) == (truth.spillover is not None) == (design.id == "group_buy_invite")
    assert truth.direct and truth.spillover
    assert (
        truth.effects["wishlist"].relative
        > truth.direct["wishlist"].relative
        > truth.spillover["wishlist"].relative
        > 0
    )


def test_truth_leaves_the_shop_as_it_was() -> None:
    shop = at_the_opening(SMALL)
    first = true_effects(shop, "slate_ranker")
    assert shop.state.day == SMALL.days - 28 and true_effects(shop, "slate_ranker") == first


def test_an_experiment_changes_nothing_before_it_begins() -> None:
    without = facts(replace(SMALL, experiments=0))["events"]
    with_them = facts(SMALL)["events"]
    before = sum(
        time.as_py() < at_the_opening(SMALL).setting.calendar.at((SMALL.days - 28) * 86_400)
        for time in with_them["time"]
    )
    assert with_them.slice(0, before).equals(without.slice(0, before))
    assert not with_them.slice(before).equals(without.slice(before))


def test_what_is_passed_on_follows_the_share_of_treated_friends() -> None:
    shop, _ = lived(SMALL)
    trials, friends, k = shop.setting.trials, shop.setting.friends, IDS.index("group_buy_invite")
    met = shop.state.exposed[:, k] >= 0
    reached = trials.reached(k, met, friends)
    for person in range(300):
        mine = [
            friends.friend[row]
            for row in range(friends.start[person], friends.start[person + 1])
            if friends.since[row] < trials.opening and met[friends.friend[row]]
        ]
        assert reached[person] == (np.mean(trials.treated[mine, k]) if mine else 0)


def test_everybody_is_in_every_experiment_and_circles_stay_together_where_they_are_the_units() -> None:
    arms = ask(
        """SELECT experiment_id, max(arms) FROM (SELECT experiment_id, community, count(DISTINCT arm) AS arms
           FROM exposures JOIN communities ON unit_id = user_id GROUP BY ALL) GROUP BY 1""",
        facts(DEMO),
    )
    assert dict(arms) == {design.id: 1 if design.by_circle else 2 for design in DESIGNS}
    ((share,),) = ask(
        "SELECT avg((n = 6)::INT) FROM (SELECT count(DISTINCT experiment_id) AS n FROM exposures GROUP BY unit_id)",
        facts(DEMO),
    )
    assert share > 0.8


def test_friends_keep_to_circles() -> None:
    ((sizes, friends, inside),) = ask(
        """SELECT (SELECT [min(n), max(n)] FROM (SELECT count(*) AS n FROM communities GROUP BY community)),
                  count(*) / (SELECT count(*) FROM users), avg((one.community = other.community)::INT)
           FROM friendships JOIN communities one USING (user_id) JOIN communities other ON friend_id = other.user_id""",
        facts(DEMO),
    )
    assert sizes[0] >= 1 and sizes[1] == 30 and 3 < friends < 4 and 0.7 < inside < 0.8


def test_arms_of_two_experiments_have_nothing_to_do_with_each_other() -> None:
    treated = lived(DEMO)[0].setting.trials.treated
    counts = [treated[:, k] for k in range(len(DESIGNS)) if not DESIGNS[k].by_circle]
    for k, one in enumerate(counts):
        for other in counts[k + 1 :]:
            table = [[np.sum((one == a) & (other == b)) for a in (False, True)] for b in (False, True)]
            assert stats.chi2_contingency(table).pvalue > 0.001 / 10


@pytest.mark.parametrize("attribute", ["country", "platform", "buyer_type"])
@pytest.mark.parametrize("design", DESIGNS[:3], ids=IDS[:3])
def test_arms_are_drawn_without_looking_at_the_person(design: Design, attribute: str) -> None:
    rows = ask(
        f"""SELECT {attribute}, count(DISTINCT user_id) FILTER (arm = '{design.control}'),
                   count(DISTINCT user_id) FILTER (arm = '{design.treatment}')
            FROM exposures JOIN users ON unit_id = user_id WHERE experiment_id = '{design.id}' GROUP BY 1""",
        facts(DEMO),
    )
    assert stats.chi2_contingency([row[1:] for row in rows]).pvalue > 0.001 / 9


@pytest.mark.parametrize(("metric", "least"), [("revenue", 0.15), ("visits", 0.35)])
def test_history_explains_enough_to_be_worth_adjusting_for(metric: str, least: float) -> None:
    plan = next(each for each in defined("slate_ranker").metrics if each.id == metric)
    after, before = plan.outcome.numerator, plan.covariates[0].numerator
    units = "SELECT unit_id, min(time) AS first FROM exposures WHERE experiment_id = 'slate_ranker' GROUP BY 1"
    found = per_unit(facts(DEMO), units, [after, before])
    assert before.days == 28 and np.corrcoef(found.T)[0, 1] ** 2 > least


def test_people_arrive_over_days_come_again_and_a_few_are_seen_in_both_arms() -> None:
    ((units, crossed, repeated),) = ask(
        """SELECT count(*), avg((arms > 1)::INT), avg((rows > 1)::INT) FROM
           (SELECT count(DISTINCT arm) AS arms, count(*) AS rows FROM exposures GROUP BY experiment_id, unit_id)""",
        facts(DEMO),
    )
    arrivals = ask(
        "SELECT first::DATE, count(*) FROM (SELECT min(time) AS first FROM exposures GROUP BY unit_id) GROUP BY 1",
        facts(DEMO),
    )
    assert units > 45_000 and 0.001 < crossed < 0.003 and repeated > 0.5
    assert len(arrivals) == 28 and min(n for _, n in arrivals) > 10
    ends = ask("SELECT min(time)::DATE::VARCHAR, max(time)::DATE::VARCHAR FROM exposures", facts(DEMO))
    assert ends == [("2026-10-20", "2026-11-16")]


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_each_experiment_reaches_its_planned_units_save_the_broken_and_the_running_one(design: Design) -> None:
    rows = ask(
        f"""SELECT any_value(arm) = '{design.treatment}' FROM exposures JOIN communities ON unit_id = user_id
            WHERE experiment_id = '{design.id}' GROUP BY {"community" if design.by_circle else "unit_id"}
            HAVING count(DISTINCT arm) = 1""",
        facts(DEMO),
    )
    p = stats.binomtest(sum(treated for (treated,) in rows), len(rows)).pvalue
    assert (p < 1e-6) if design.loss else (p > 0.001 / 5)
    running = defined(design.id).end is None
    assert (len(rows) < defined(design.id).planned_units) == (running or design.loss is not None)


def test_only_treated_people_on_phones_are_lost_and_only_from_the_stated_day() -> None:
    whole, tables = exposures_if_nobody_is_lost(), facts(DEMO)
    missing = ask(
        f"""SELECT any_value(platform), min(time) >= TIMESTAMP '2026-10-25', arg_min(arm, time),
                   unit_id IN (SELECT unit_id FROM exposures WHERE experiment_id = '{BROKEN.id}')
            FROM whole ANTI JOIN exposures e ON (whole.unit_id, whole.experiment_id) = (e.unit_id, e.experiment_id)
            JOIN users ON user_id = unit_id WHERE experiment_id = '{BROKEN.id}' GROUP BY unit_id""",
        tables | {"whole": whole},
    )
    assert BROKEN.loss and BROKEN.loss.day == 5
    assert len(missing) > 300 and set(missing) == {("phone", True, "redirect", False)}


def test_a_lost_person_does_and_meets_nothing_from_the_exposure_on_that_was_lost() -> None:
    whole, tables = exposures_if_nobody_is_lost(), facts(DEMO)
    ((lost, acts, met),) = ask(
        f"""WITH lost AS (SELECT unit_id, min(time) AS first FROM whole WHERE experiment_id = '{BROKEN.id}' AND unit_id
              NOT IN (SELECT unit_id FROM exposures WHERE experiment_id = '{BROKEN.id}') GROUP BY unit_id)
            SELECT count(*), (SELECT count(*) FROM lost JOIN events USING (unit_id) WHERE kind <> 'refund' AND time >= first),
                   (SELECT count(*) FROM lost JOIN exposures USING (unit_id) WHERE time >= first) FROM lost""",
        tables | {"whole": whole},
    )
    assert lost > 300 and acts == met == 0


def test_an_offer_of_an_experiment_is_made_to_the_treated_and_withheld_from_the_others() -> None:
    rows = ask(
        """SELECT arm, depth > 0, min(propensity), max(propensity), count(*), bool_and(isodow(time) IN (4, 5))
           FROM offers JOIN (SELECT unit_id AS user_id, any_value(arm) AS arm FROM exposures
                             WHERE experiment_id = 'deep_discount_drop' GROUP BY 1 HAVING count(DISTINCT arm) = 1)
           USING (user_id) WHERE campaign_id = 'deep_drop' GROUP BY ALL ORDER BY 1""",
        facts(DEMO),
    )
    assert [row[:4] + row[5:] for row in rows] == [
        ("deep drop", True, 0.5, 0.5, True),
        ("usual drop", False, 0.5, 0.5, True),
    ]


def test_the_packaged_definitions_are_the_designs() -> None:
    assert sorted(file.stem for file in DEFINITIONS.glob("*.toml")) == sorted(IDS)
    for design in DESIGNS:
        experiment = defined(design.id)
        assert experiment.arms == (design.control, design.treatment)
        assert experiment.cluster == ("community" if design.by_circle else None)
        assert experiment.source.kind == "lake" and len(set(experiment.shares.values())) == 1
        for metric in experiment.metrics:
            assert metric.outcome.numerator == the_metrics()[metric.id].numerator
            assert metric.outcome == the_metrics()[metric.id] or experiment.cluster
