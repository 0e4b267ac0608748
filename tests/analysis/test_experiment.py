from pathlib import Path

import pytest

from analysis import ExperimentError, load_experiment

VALID = """
[experiment]
id = "mens_email"
name = "Men's e-mail"
unit = "customer_id"
arm = "segment"
control = "No E-Mail"
shares = { "No E-Mail" = 1, "Mens E-Mail" = 1 }
alpha = 0.05
inference = "confidence_sequence"
planned_units = 42000
segments = ["channel"]

[source]
table = "hillstrom.csv"

[[metrics]]
id = "spend"
kind = "mean"
value = "spend"
role = "primary"
direction = "increase"
covariates = ["history"]
"""
EVENTS = VALID.replace('table = "hillstrom.csv"', 'exposures = "e.csv"\nevents = "v.csv"\ntime = "ts"').replace(
    'covariates = ["history"]',
    'covariates = { window_days = 14 }\naggregation = "sum"\nwhere = { is_order = 1 }\n'
    "window_days = 7\ncap = { quantile = 0.99 }",
)


def load(tmp_path: Path, text: str):
    file = tmp_path / "experiment.toml"
    file.write_text(text, encoding="utf-8")
    return load_experiment(file)


def test_the_grammar_of_a_table(tmp_path):
    experiment = load(tmp_path, VALID)
    assert experiment.arms == ("No E-Mail", "Mens E-Mail")
    assert experiment.source.table == tmp_path / "hillstrom.csv"
    assert [v.name for v in experiment.variables] == ["spend", "history"]


def test_the_grammar_of_events(tmp_path):
    experiment = load(tmp_path, EVENTS)
    outcome, before = experiment.variables
    assert (outcome.aggregation, outcome.where, outcome.days, outcome.pre) == ("sum", (("is_order", 1),), 7, False)
    assert (before.where, before.days, before.pre, before.cap) == (outcome.where, 14, True, outcome.cap)


def test_a_count_of_rows_needs_no_value_and_a_ratio_has_its_own_filter(tmp_path):
    text = EVENTS.replace('kind = "mean"\nvalue = "spend"', 'kind = "ratio"\nvalue = "spend"').replace(
        'aggregation = "sum"', 'denominator = { where = { kind = "session" } }'
    )
    denominator = load(tmp_path, text).metrics[0].outcome.denominator
    assert (denominator.aggregation, denominator.value, denominator.where) == ("count", None, (("kind", "session"),))


def test_arms_may_be_written_as_numbers_or_booleans(tmp_path):
    text = VALID.replace('control = "No E-Mail"', "control = 0").replace(
        '"No E-Mail" = 1, "Mens E-Mail" = 1', '"0" = 1, "1" = 1'
    )
    assert load(tmp_path, text).control == "0"


BROKEN = {
    "not TOML": (VALID.replace("[source]", "[source"), ["not valid TOML", "line"]),
    "a table is missing": (VALID.replace("[source]", "[sauce]"), ["[file] source: is missing"]),
    "no metrics": (VALID[: VALID.index("[[metrics]]")], ["[file] metrics", "[[metrics]]"]),
    "an unknown key": (VALID.replace("alpha", "alhpa"), ["[experiment] alhpa", "Did you mean 'alpha'"]),
    "alpha as percent": (VALID.replace("0.05", "5"), ["[experiment] alpha", "found 5", "0.05 for 95 % intervals"]),
    "alpha as a level": (VALID.replace("0.05", "0.95"), ["[experiment] alpha", "found 0.95", "error rate"]),
    "alpha as text": (VALID.replace("0.05", '"5%"'), ["[experiment] alpha", "'5%'"]),
    "control not in shares": (
        VALID.replace('control = "No E-Mail"', 'control = "none"'),
        ["control: 'none' is not in shares"],
    ),
    "one arm": (VALID.replace(', "Mens E-Mail" = 1', ""), ["shares: names one arm"]),
    "a share of zero": (VALID.replace('"Mens E-Mail" = 1', '"Mens E-Mail" = 0'), ["'Mens E-Mail' is 0", "above 0"]),
    "an unknown inference": (
        VALID.replace("confidence_sequence", "confidence"),
        ["inference", "Did you mean 'confidence_sequence'"],
    ),
    "a sequence without a plan": (VALID.replace("planned_units = 42000", ""), ["planned_units: is missing", "tuned"]),
    "a plan misspelt": (
        VALID.replace("planned_units", "planed_units"),
        ["planed_units: is not a key", "'planned_units'?"],
    ),
    "planned units of nothing": (VALID.replace("42000", "0"), ["planned_units", "found 0"]),
    "planned units with a fraction": (VALID.replace("42000", "42000.5"), ["planned_units", "42000.5"]),
    "an unknown kind": (
        VALID.replace('"mean"', '"average"'),
        ["[metrics 1] kind", "count, mean, proportion, quantile, ratio, retention"],
    ),
    "an unknown role": (VALID.replace('"primary"', '"main"'), ["[metrics 1] role", "guardrail"]),
    "an unknown direction": (VALID.replace('"increase"', '"up"'), ["direction", "decrease"]),
    "a guardrail without margin": (VALID.replace('"primary"', '"guardrail"'), ["margin: is missing", "0.02"]),
    "two metrics with one id": (VALID + VALID[VALID.index("[[metrics]]") :], ["two metrics are called 'spend'"]),
    "two sources": (VALID.replace("table =", 'moments = "m.parquet"\ntable ='), ["[source]", "found moments, table"]),
    "exposures without events": (VALID.replace("table =", "exposures ="), ["exposures and events together"]),
    "a window on a table": (VALID + "window_days = 7\n", ["window_days", "events only"]),
    "a filter on a table": (VALID + "where = { a = 1 }\n", ["where", "events only"]),
    "a window of covariates on a table": (
        VALID.replace('["history"]', "{ window_days = 14 }"),
        ["covariates", "needs events"],
    ),
    "a ratio without denominator": (VALID.replace('"mean"', '"ratio"'), ["denominator: is missing"]),
    "a denominator without ratio": (VALID + 'denominator = { value = "n" }\n', ["denominator", 'kind = "ratio"']),
    "two caps": (VALID + "cap = { quantile = 0.9, value = 3 }\n", ["cap", "one of"]),
    "a cap on a proportion": (VALID.replace('"mean"', '"proportion"') + "cap = { value = 1 }\n", ["cap", "proportion"]),
    "a sum of nothing": (EVENTS.replace('value = "spend"\n', ""), ["value: is missing", "sum"]),
    "a filter by list": (EVENTS.replace("is_order = 1", "is_order = [1]"), ["where", "is_order"]),
    "the arm as segment": (VALID.replace('["channel"]', '["segment"]'), ["segments", "unit or arm column"]),
    "segments as text": (VALID.replace('["channel"]', '"channel"'), ["segments", "list"]),
    "a margin on a primary metric": (VALID + "margin = 0.02\n", ["margin", "guardrails only"]),
    "a query on the lake": (
        VALID.replace('table = "hillstrom.csv"', 'lake = true\nquery = "SELECT 1"').replace('["history"]', "[]"),
        ["query", "lake = true"],
    ),
    "an empty id": (VALID.replace('"mens_email"', '""'), ["[experiment] id: is empty"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_file_table_key_and_remedy(tmp_path, case):
    text, wanted = BROKEN[case]
    with pytest.raises(ExperimentError) as refusal:
        load(tmp_path, text)
    for part in ("experiment.toml", *wanted):
        assert part in str(refusal.value)


def test_a_missing_file_a_folder_and_a_wrong_encoding_are_refused(tmp_path):
    for path, part in ((tmp_path / "none.toml", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(ExperimentError, match=part):
            load_experiment(path)
    (tmp_path / "latin.toml").write_bytes(VALID.replace("Men's", "Männer").encode("latin-1"))
    with pytest.raises(ExperimentError, match="not UTF-8"):
        load_experiment(tmp_path / "latin.toml")
