"""ASOS Digital Experiments: all 78 tests, 99 treatments and 24,153 checkpoints, from summary statistics."""

import numpy as np
import pytest
from shared import EXPERIMENTS, needs_experiments

from analysis import load_experiment, read
from analysis.crossings import PEEKING, Count, count, crossings
from tests.real.reading import facts, readout_of

pytestmark = needs_experiments
FOLDER = EXPERIMENTS / "asos_digital_experiments"


@pytest.fixture(scope="module")
def golden():
    import pandas

    return pandas.read_parquet(FOLDER / "golden" / "sequential_golden.parquet")


@pytest.fixture(scope="module")
def readouts(tmp_path_factory, golden):
    """The readout of every experiment of the file, written as one TOML each."""
    folder, found = tmp_path_factory.mktemp("asos"), {}
    for experiment, rows in golden.groupby("experiment_id"):
        arms = sorted(map(str, rows["variant_id"].unique()))
        shares = ", ".join(f'"{arm}" = 1' for arm in ("control", *arms))
        last = rows[(rows["time_since_start"] == rows["time_since_start"].max()) & (rows["metric_id"] == 1)]
        planned = int(last["count_c"].max() + last["count_t"].sum())
        metrics = "".join(
            f'[[metrics]]\nid = "m{m}"\nkind = "mean"\nvalue = "{m}"\n' for m in sorted(rows["metric_id"].unique())
        )
        file = folder / f"{experiment}.toml"
        file.write_text(
            f'[experiment]\nid = "{experiment}"\narm = "variant_id"\ncontrol = "control"\nshares = {{ {shares} }}\n'
            f'inference = "fixed"\nplanned_units = {planned}\n[source]\nmoments = "{FOLDER / "raw" / "asos_digital_experiments_dataset.parquet"}"\n{metrics}'
        )
        found[experiment] = read(load_experiment(file))
    return found


def test_every_checkpoint_has_its_difference_and_error(golden, readouts):
    ours = {
        (experiment, e.arm, e.metric, look.time): e
        for experiment, readout in readouts.items()
        for look in readout.looks
        for e in look.effects
    }
    compared = missing = empty = 0
    for row in golden.itertuples():
        found = ours[row.experiment_id, str(row.variant_id), f"m{row.metric_id}", f"day {row.time_since_start:g}"]
        if row.count_c == row.count_t == 0:
            assert found.absolute.estimate is None and "0 units" in found.absolute.reason
            empty += 1
            continue
        assert found.absolute.estimate == pytest.approx(row.diff, rel=1e-6, abs=1e-15)
        if np.isnan(row.se):
            assert found.absolute.standard_error is None and "no variance is given" in found.absolute.reason
            missing += 1
        else:
            assert found.absolute.standard_error == pytest.approx(row.se, rel=1e-6)
            compared += 1
    assert compared + missing + empty == 24_153 and 770 <= missing <= 779 and empty < 20


def test_peeking_finds_what_the_data_sets_authors_count(readouts):
    ever = final = 0
    for readout in readouts.values():
        keys = dict.fromkeys((e.arm, e.metric) for e in readout.looks[-1].effects)
        for key in keys:
            p = [
                e.p_value
                for look in readout.looks
                for e in look.effects
                if (e.arm, e.metric) == key and e.p_value is not None
            ]
            ever += any(value < 0.05 for value in p)
            final += bool(p) and p[-1] < 0.05
    want = facts("asos_digital_experiments")
    assert (ever, final) == (
        want["peeking"]["ever_naive_significant"],
        want["final_checkpoint"]["n_p_below_0.05_fixed"],
    )


def test_no_valid_rule_crosses_where_the_naive_reading_does_not(readouts):
    series = [one for readout in readouts.values() for one in crossings(readout)]
    want, found = facts("asos_digital_experiments"), count(series)
    assert found["naive"] == Count(want["peeking"]["ever_naive_significant"], 381)
    assert found["once"] == Count(want["final_checkpoint"]["n_p_below_0.05_fixed"], 381)
    assert (found["confidence_sequence"], found["group_sequential"]) == (Count(105, 381), Count(124, 381))
    for rule in PEEKING:
        assert not [one for one in series if getattr(one, rule) and not one.naive]


def test_one_experiment_with_28_looks_under_a_confidence_sequence():
    readout = readout_of("asos")
    assert len(readout.looks) == 28
    effects = [e for look in readout.looks for e in look.effects]
    assert all(
        e.interval.kind == "confidence_sequence" and e.by_rule("fixed").lower > e.relative.lower for e in effects
    )
