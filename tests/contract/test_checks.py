"""What every health check must keep: a new file in analysis/checks is tested the day it is added."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from builders import a_metric, an_experiment, collected_of, moments_of

from analysis.checks import CHECKS, Subject
from analysis.checks.splits import Splits
from analysis.collected import Collected
from analysis.experiment import Experiment
from analysis.inference.rules import Rules
from analysis.metric_effects import effects, every_series
from analysis.moments import Moments
from dashboard.parts.words import CHECK_NAMES

every = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__module__.rsplit(".")[-1])
START = datetime(2026, 11, 1, tzinfo=UTC)
PAGE = (Path(__file__).parents[2] / "docs" / "health-checks.md").read_text("utf-8")


def arms_of(rng: np.random.Generator, n: int, arms: int) -> list[Moments]:
    return [moments_of(y=rng.poisson(2, n), x=rng.normal(size=n)) for _ in range(arms)]


def looks_of(days: int, n: int, arms: int, **more: object) -> Collected:
    """Running totals of `days` days; with 0 units a day nothing has happened yet."""
    rng = np.random.default_rng([days, n, arms])
    running = [arms_of(rng, n, arms)]
    for _ in range(days - 1):
        running.append([a + b for a, b in zip(running[-1], arms_of(rng, n, arms), strict=True)])
    return collected_of(running, tuple("abc"[:arms]), **more)


def subjects() -> dict[str, tuple[Experiment, Collected]]:
    metric = a_metric("y", covariates=("x",))
    three = {"shares": {"a": 2.0, "b": 1.0, "c": 1.0}}
    peeking = {"inference": "confidence_sequence", "planned_units": 9_000}
    days = tuple(START + timedelta(days=k + 1) for k in range(9))
    busy = {"active": np.full((9, 2), 50.0), "capped": {"sum(y) capped at 9": np.array([9.0, 8.0])}}
    return {
        "one look": (an_experiment(metric), looks_of(1, 1_000, 2)),
        "no units": (an_experiment(metric), looks_of(1, 0, 2)),
        "no covariate": (an_experiment(a_metric("y")), looks_of(1, 1_000, 2)),
        "days": (an_experiment(metric, **peeking), looks_of(9, 500, 2, looks=days, left_out={"z": 5}, **busy)),
        "three arms": (an_experiment(metric, **peeking, **three), looks_of(4, 300, 3)),
        "bayesian": (an_experiment(metric, inference="bayesian"), looks_of(2, 300, 2)),
        "kept in their first arm": (an_experiment(metric, crossovers="first"), looks_of(2, 30, 2)),
    }


@every
@pytest.mark.parametrize("case", subjects())
def test_it_answers_at_every_look_in_words_and_finite_numbers(check, case: str):
    experiment, collected = subjects()[case]
    rules = Rules(experiment, collected)
    found = effects(collected, every_series(experiment, collected, rules))
    answers = check(Subject(experiment, collected, rules, Splits(experiment, collected), found))
    assert len(answers) == len(collected.looks)
    for answer in filter(None, answers):
        assert answer.verdict in ("pass", "warn", "fail", "unknown")
        assert answer.reason and not answer.reason.endswith(".") and "nan" not in answer.reason.split()
        numbers = [number for number in (answer.p_value, answer.value, answer.limit) if number is not None]
        assert np.isfinite(numbers).all() and all(type(number) is float for number in numbers)
        assert answer.p_value is None or 0 <= answer.p_value <= 1
    assert len({answer.name for answer in filter(None, answers)}) <= 1


def test_every_check_that_can_be_seen_has_a_question_on_the_page_and_a_row_in_the_docs():
    seen = set()
    for experiment, collected in subjects().values():
        rules = Rules(experiment, collected)
        found = effects(collected, every_series(experiment, collected, rules))
        subject = Subject(experiment, collected, rules, Splits(experiment, collected), found)
        seen |= {answer.name for check in CHECKS for answer in check(subject) if answer}
    assert len(seen) >= len(CHECKS) - 1
    assert seen <= CHECK_NAMES.keys()
    for name in seen:
        assert f"| {name.split('_sequential')[0].replace('_', ' ').replace('pre period', 'pre-period')}" in PAGE.lower()
