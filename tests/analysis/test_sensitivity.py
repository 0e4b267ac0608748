"""Each alternative is what the experiment would have said had its file stated that choice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facts import a_log, a_table

import analysis
from analysis import Experiment, Readout
from analysis.readout import Estimate
from analysis.readout.report import as_text

CAP, PAST = "cap = { quantile = 0.95 }", "covariates = { window_days = 14 }"
SPEND = 'id = "spend"\nkind = "mean"\nrole = "primary"\nvalue = "money"'
ORDERS = 'id = "orders"\nkind = "proportion"\nrole = "guardrail"\nmargin = 0.5'
Y = 'id = "y"\nkind = "mean"\nvalue = "y"\nrole = "primary"'
TYPICAL = 'id = "typical"\nkind = "quantile"\nquantile = 0.5\nvalue = "money"\nrole = "guardrail"\nmargin = 0.5'
PAGES = 'id = "pages"\nkind = "count"\ncap = { value = 3 }'


def a_shop(folder: Path, spend: str = f"{CAP}\n{PAST}", orders: str = "", days: str = "8", **plan: str) -> Experiment:
    """400 users who come over ten days, some in both arms, and whose spend after exposure follows that before."""
    rng, n = np.random.default_rng(11), 400
    arm, first, habit = rng.choice(["a", "b"], n), rng.integers(10, 20, n), rng.lognormal(2, 0.8, n)
    seen = [f"{u},{arm[u]},{'xyz'[u % 3]},2026-01-{first[u]} 10:00:00" for u in range(n)]
    seen += [f"{u},{'b' if arm[u] == 'a' else 'a'},x,2026-01-{first[u] + 1} 10:00:00" for u in range(0, n, 40)]
    events = [
        f"{u},2026-01-{day:02} 12:00:00,{habit[u] * (1.5 if arm[u] == 'b' and day > first[u] else 1):.2f}"
        for u in range(n)
        for day in np.flatnonzero(rng.random(30) < 0.1) + 1
    ]
    window = f"window_days = {days}" if days else ""
    metrics = f"{SPEND}\n{window}\n{spend}", f"{ORDERS}\n{window}\n{orders}", f"{TYPICAL}\n{window}", PAGES
    exposures, events_csv = (
        "\n".join((head, *rows)) for head, rows in (("unit,arm,group,time", seen), ("unit,time,money", events))
    )
    return a_log(folder, exposures, events_csv, *metrics, **{"segments": '["group"]', **plan})


STATED = {
    "no cap": {"spend": PAST},
    "no covariates": {"spend": CAP},
    "14 days before as covariate": {"orders": PAST},
    "half the window": {"days": "4"},
    "no end of the window": {"days": ""},
    "crossovers kept in their first arm": {"crossovers": '"first"'},
}
RULES = {
    "confidence_sequence": {"planned_units": "350"},
    "group_sequential": {"planned_units": "350"},
    "fixed": {"planned_units": "350"},
    "bayesian": {},
}


def numbers(estimate: Estimate) -> tuple[float | None, ...]:
    return estimate.estimate, estimate.standard_error, estimate.lower, estimate.upper


@pytest.mark.parametrize("rule", RULES)
def test_every_choice_equals_the_experiment_that_states_it(tmp_path, rule):
    plan = {"inference": f'"{rule}"', **RULES[rule]}
    readout = analysis.read(a_shop(tmp_path, **plan), sensitivity=True)
    assert list(dict.fromkeys(each.name for each in readout.variations)) == list(STATED)
    for name, stated in STATED.items():
        other = analysis.read(a_shop(tmp_path, **{**plan, **stated}))
        (k,) = [k for k, look in enumerate(other.looks) if look.time == readout.decided.time]
        effects = {e.metric: e for e in other.looks[k].effects if e.segment is None}
        for each in [each for each in readout.variations if each.name == name]:
            effect = effects[each.metric]
            if rule == "group_sequential" and each.choice == "window":
                # The analyses stay where the plan has them; an experiment with another window would move them.
                assert numbers(each.relative)[:2] == pytest.approx(numbers(effect.relative)[:2], rel=1e-9)
                assert each.relative.lower is not None
            else:
                assert numbers(each.relative) == pytest.approx(numbers(effect.relative), rel=1e-9), name
                assert each.reading == effect.reading, name
            if other.decision.look == k and each.choice != "window":
                assert each.call == other.decision.verdict, name


def test_only_metrics_that_decide_and_choices_that_change_them_are_given(tmp_path):
    found = {}
    for each in analysis.read(a_shop(tmp_path), sensitivity=True).variations:
        found.setdefault(each.metric, []).append(each.name)
    assert found["orders"] == [name for name in STATED if name not in ("no cap", "no covariates")]
    assert found["spend"] == [name for name in STATED if name != "14 days before as covariate"]
    assert found["typical"] == [name for name in STATED if "window" in name or "crossovers" in name]
    assert found.keys() == {"orders", "spend", "typical"}


def test_without_it_there_are_no_variations_and_else_the_readout_is_the_same(tmp_path):
    experiment = a_shop(tmp_path)
    plain, more = analysis.read(experiment), analysis.read(experiment, sensitivity=True)
    assert plain.variations == () and replace(more, variations=()) == plain
    assert Readout.from_json(more.to_json()) == more


def test_a_call_that_hangs_on_the_cap_is_named(tmp_path):
    """Arm b gains a little everywhere, and one unit of arm a spends a fortune."""
    rng = np.random.default_rng(5)
    rows = [f"{u},{'ab'[u % 2]},{10 + u % 2 + rng.normal():.4f}" for u in range(2_000)] + ["9999,a,100000"]
    capped = f"{Y}\ncap = {{ value = 20 }}"
    readout = analysis.read(a_table(tmp_path, "unit,arm,y\n" + "\n".join(rows), capped), sensitivity=True)
    (uncapped,) = readout.variations
    assert (readout.decision.verdict, uncapped.name, uncapped.reading) == ("ship", "no cap", "unclear")
    call = uncapped.call.replace("_", " ")
    assert f"The call depends on the analysis: it would be “{call}” with no cap." in as_text(readout)
    steady = replace(readout, variations=(replace(uncapped, call="ship"),))
    assert "The call does not depend on these choices." in as_text(steady)


def test_a_mean_without_a_cap_is_also_read_with_one(tmp_path):
    rows = "\n".join(f"{u},{'ab'[u % 2]},{u % 97}" for u in range(4_000)) + "\n4000,a,5000"
    (each,) = analysis.read(a_table(tmp_path, f"unit,arm,y\n{rows}", Y), sensitivity=True).variations
    stated = analysis.read(a_table(tmp_path, f"unit,arm,y\n{rows}", f"{Y}\ncap = {{ quantile = 0.999 }}"))
    assert each.relative == stated.looks[-1].effects[0].relative and each.name == "a cap at the 99.9% quantile"


def test_a_choice_that_the_facts_refuse_says_why_and_the_others_stay(tmp_path):
    """Nearly all are 0, so that a cap at a quantile would leave nothing to compare."""
    rows = "\n".join(f"{u},{'ab'[u % 2]},{u // 3998},{u % 7}" for u in range(4_000))
    metric = f'{Y}\ncovariates = ["x"]'
    capped, plain = analysis.read(a_table(tmp_path, f"unit,arm,y,x\n{rows}", metric), sensitivity=True).variations
    assert capped.call is None and capped.reading == "unknown" and "nothing would be left" in capped.relative.reason
    assert plain.name == "no covariates" and plain.relative.standard_error is not None


def test_a_failed_check_blocks_every_choice(tmp_path):
    rows = "\n".join(f"{u},{'ab'[u % 3 == 0]},{u % 7}" for u in range(4_000))
    readout = analysis.read(a_table(tmp_path, f"unit,arm,y\n{rows}", f"{Y}\ncap = {{ value = 3 }}"), sensitivity=True)
    assert readout.decision.verdict == "blocked" and {each.call for each in readout.variations} == {"blocked"}
    assert "The call does not depend on these choices." in as_text(readout)


def test_planned_looks_of_a_table_without_times_have_alternatives(tmp_path):
    rows = "\n".join(f"{u},{'ab'[u % 2]},{u % 7},{u % 13}" for u in range(4_000))
    table = a_table(
        tmp_path,
        f"unit,arm,x,y\n{rows}",
        f'{Y}\ncovariates = ["x"]',
        inference='"group_sequential"',
        planned_units=4_000,
    )
    found = {each.name: each.relative for each in analysis.read(table, sensitivity=True).variations}
    assert found["no covariates"].lower is not None


def test_the_alternatives_of_clusters_are_clusters_too(tmp_path):
    plan = {"cluster": '"shop"', "inference": '"fixed"'}
    rows = "\n".join(f"{u},{'ab'[u % 80 % 2]},{u % 80},{u % 13}" for u in range(4_000))
    (each,) = analysis.read(a_table(tmp_path, f"unit,arm,shop,y\n{rows}", Y, **plan), sensitivity=True).variations
    stated = analysis.read(a_table(tmp_path, f"unit,arm,shop,y\n{rows}", f"{Y}\ncap = {{ quantile = 0.999 }}", **plan))
    assert each.relative == stated.looks[-1].effects[0].relative
