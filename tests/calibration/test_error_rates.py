"""Every rule misses the truth no oftener than it promises; `make bench` does it for all metrics and ten times the runs."""

import pytest

from tests.calibration.error_rates import rates
from tests.calibration.populations import A_DAY, CASES, DAYS

HARD = [
    ("heavy-tailed revenue", 1),
    ("1 % conversion", 0),
    ("ratio", 1),
    ("mean of clusters", 0),
    ("90th percentile", 0),
]


@pytest.mark.parametrize(("name", "adjusted"), HARD)
def test_every_rule_keeps_its_promise_and_naive_peeking_does_not(name, adjusted):
    found = rates(CASES[name][adjusted], runs=400, a_day=A_DAY.get(name, 250), lift=0.05, seed=11)
    assert {rate.looks for rate in found} == {1, 5, DAYS} and {rate.rule for rate in found} >= {"bayesian", "fixed"}
    assert not [rate for rate in found if rate.promised and rate.too_many]
    assert next(rate for rate in found if rate.rule == "fixed" and rate.looks == DAYS).too_many
