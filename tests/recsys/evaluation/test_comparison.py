"""The comparison: validation alone chooses, budgets are kept, and the command says all of it."""

import json
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import holdout
from recsys.errors import HeadError
from recsys.evaluation.comparison import Comparison, Result, Run, ahead, compare, cpu_limit
from recsys.evaluation.evaluate import Evaluation
from recsys.evaluation.protocols import split
from recsys.evaluation.sources import load
from recsys.evaluation.table import as_text
from recsys.measures.metrics import MEASURES, Measure


def circles(folder):
    """Forty users of two circles, twelve items each, as `user item` in order of time."""
    rng = np.random.default_rng(0)
    lines = [f"u{u} i{u % 2 * 20 + i}" for u in range(40) for i in rng.permutation(20)[:12]]
    (folder / "acts.txt").write_text("\n".join(lines))
    return folder / "acts.txt"


def evaluation(mean: float) -> Evaluation:
    return Evaluation(dict.fromkeys(MEASURES, np.array([mean, mean])), np.arange(2))


def test_the_head_to_serve_is_the_best_by_validation_whatever_the_test_says(tmp_path):
    cut = split(load(circles(tmp_path)), "ratio_split")
    runs = [Run(0, 1.0, evaluation(0.3), evaluation(0.1)), Run(0, 1.0, evaluation(0.2), evaluation(0.9))]
    found = Comparison(
        cut, 1, (Result("one", True, (runs[0],)), Result("other", True, (runs[1],)), Result("third", True, failed="no"))
    )
    assert found.to_serve.name == "one"
    assert "would serve one" in as_text(found) and "third" in as_text(found)
    nothing = Comparison(cut, 1, (Result("third", True, failed="it is too large"),))
    assert nothing.to_serve is None and "it is too large" in as_text(nothing)


def test_the_lead_is_counted_user_by_user(tmp_path):
    cut = split(load(circles(tmp_path)), "ratio_split")
    rng = np.random.default_rng(0)
    hard = rng.random(500)
    both = [
        Evaluation(dict.fromkeys(MEASURES, values), np.arange(500))
        for values in (hard + 0.01 + 0.001 * rng.normal(size=500), hard)
    ]
    found = Comparison(
        cut, 1, tuple(Result(name, True, (Run(0, 1.0, each, each),)) for name, each in zip("ab", both, strict=True))
    )
    assert found.to_serve.name == "a" and found.lead.lower > 0.009 and found.lead.upper < 0.011
    assert f"{found.lead.mean:+.4f} against b's" in as_text(found)
    assert Comparison(cut, 1, found.results[:1]).lead is None


def test_a_head_is_ahead_by_the_mean_over_users_of_their_differences_over_draws():
    rng, measure = np.random.default_rng(0), Measure("ndcg", 10)
    hard, better = rng.random(600), 0.01 + 0.02 * rng.normal(size=600)

    def drawn(name, gained, fits):
        """Each draw asks 500 of the 600 users; a user's luck in a draw is the same for every head."""
        runs = []
        for seed in range(fits):
            asked = np.sort(np.random.default_rng(seed).choice(600, 500, replace=False))
            luck = np.random.default_rng(9 + seed).normal(size=600)
            test = Evaluation({measure: (hard + luck + gained)[asked]}, asked)
            runs.append(Run(seed, 1.0, test, test))
        return Result(name, True, tuple(runs))

    found = ahead(drawn("one", better, 3), drawn("other", 0, 3), measure)
    asked = np.unique(np.concatenate([run.test.users for run in drawn("one", 0, 3).runs]))
    assert found.users == len(asked) and found.mean == pytest.approx(better[asked].mean())
    assert found.upper - found.mean == pytest.approx(1.96 * 0.02 / len(asked) ** 0.5, rel=0.1)
    # Half the rival: what stays is half of hard and luck. One fit stands against all three.
    half = ahead(drawn("one", 0, 1), drawn("other", 0, 1), measure, times=0.5)
    assert half.mean == pytest.approx(drawn("one", 0, 1).estimate(measure).mean / 2)
    same = Result("fixed", True, drawn("one", 0, 3).runs[:1])
    runs = tuple(replace(run, test=same.runs[0].test) for run in drawn("one", 0, 3).runs)
    assert ahead(Result("three", True, runs), same, measure).mean == 0


def test_the_median_over_seeds_is_a_run_that_was_made():
    result = Result(
        "one", True, tuple(Run(s, s + 1.0, evaluation(v), evaluation(v)) for s, v in enumerate([0.5, 0.1, 0.3]))
    )
    assert result.estimate(Measure("ndcg", 10)).mean == 0.3 and result.seconds == 2.0


def test_a_drawn_split_is_drawn_anew_for_each_seed_and_a_fixed_one_fitted_once(tmp_path):
    source = load(circles(tmp_path))
    drawn = compare(lambda seed: split(source, "ratio_split", seed), ["item_knn"], seeds=3).results[0]
    assert len({run.test["ndcg@20"].mean for run in drawn.runs}) == 3
    fixed = compare(lambda seed: split(source, "leave_one_out", seed), ["item_knn", "als"], seeds=3)
    assert [len(result.runs) for result in fixed.results] == [1, 3]


def test_a_head_that_does_not_keep_its_budget_is_stopped_and_says_so(tmp_path):
    source = load(circles(tmp_path))

    def cut(seed):
        return split(source, "leave_one_out", seed)

    # Libraries are loaded by whoever needs them first, which takes longer than the budget here.
    compare(cut, ["popularity"])
    found = compare(cut, ["als", "linear", "popularity"], seconds=0.02)
    assert not found.results[0].runs and "als was stopped: it did not keep its budget" in found.results[0].failed
    assert not found.results[1].runs and "linear was stopped" in found.results[1].failed
    assert found.to_serve.name == "popularity"


def test_the_budget_counts_time_of_the_cpu_not_of_the_clock():
    with cpu_limit(0.2, "one"):
        time.sleep(0.4)
    with pytest.raises(HeadError, match="one was stopped"), cpu_limit(0.05, "one"):
        until = time.process_time() + 5
        while time.process_time() < until:
            pass
    time.sleep(0.01)


def test_a_timer_that_goes_off_before_the_time_is_spent_stops_nothing():
    with cpu_limit(5, "one"):
        signal.raise_signal(signal.SIGPROF)
    with pytest.raises(HeadError, match="one was stopped"), cpu_limit(0.05, "one"):
        signal.raise_signal(signal.SIGPROF)
        until = time.process_time() + 5
        while time.process_time() < until:
            pass


def test_the_command_prints_every_metric_with_its_interval_and_what_to_serve(tmp_path):
    done = CliRunner().invoke(
        holdout.app,
        ["evaluate", str(circles(tmp_path)), "--protocol", "leave_one_out", "--models", "popularity,item_knn"],
    )
    assert done.exit_code == 0, done.output
    for words in (
        "Recall",
        "Hit rate",
        "NDCG",
        "@50",
        " ± ",
        "leave one out",
        "ties counted against",
        "would serve item_knn",
    ):
        assert words in done.output
    assert "Beside it" in done.output and "100 items" in done.output


def test_the_json_holds_every_seed_and_both_stages(tmp_path):
    arguments = [
        "evaluate",
        str(circles(tmp_path)),
        "--protocol",
        "ratio_split",
        "--models",
        "item_knn",
        "--seeds",
        "2",
        "--json",
    ]
    done = CliRunner().invoke(holdout.app, arguments)
    found = json.loads(done.stdout)
    assert found["to_serve"] == "item_knn" and found["ranking"] == "full"
    for stage in ("validation", "test"):
        assert set(found["heads"][0][stage]) == {str(measure) for measure in MEASURES}
        assert len(found["heads"][0][stage]["ndcg@10"]["seeds"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "als,elsa"], "head 'elsa' is not known"),
        (["--protocol", "holdout"], "protocol 'holdout' is not known"),
        (["--format", "lists", "--protocol", "given_split"], "needs train and test files"),
        (["--friends", "nowhere.txt"], "nowhere.txt does not exist"),
    ],
)
def test_the_command_refuses_what_it_does_not_know(tmp_path, arguments, message):
    done = CliRunner().invoke(holdout.app, ["evaluate", str(circles(tmp_path)), *arguments])
    assert done.exit_code and message in str(done.exception)
