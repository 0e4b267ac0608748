"""Random numbers by name: uniform, unrelated, and the same for whoever asks in whatever order."""

import numpy as np
from scipy import stats

from recsys.world.draws import Draws, fraction

DRAWS = Draws(5)


def test_numbers_are_uniform_over_people_over_days_and_over_places() -> None:
    over_people = DRAWS.uniform("a", 0, np.arange(50_000))
    over_days = np.array([float(DRAWS.uniform("a", day, 7)) for day in range(5_000)])
    over_places = DRAWS.uniform("a", 0, 3, np.arange(50_000))
    for numbers in (over_people, over_days, over_places):
        assert numbers.min() > 0 and numbers.max() < 1
        assert stats.kstest(numbers, "uniform").pvalue > 0.001


def test_the_least_and_the_greatest_number_are_within_the_ends() -> None:
    least, greatest = fraction(np.array([0, 2**64 - 1], np.uint64))
    assert 0 < least < 1e-15 and 1 - 1e-15 < greatest < 1


def test_neighbouring_people_places_days_and_purposes_are_unrelated() -> None:
    people = np.arange(50_000)
    one = DRAWS.uniform("a", 0, people, 0)
    others = [
        DRAWS.uniform("a", 0, people + 1, 0),
        DRAWS.uniform("a", 0, people, 1),
        DRAWS.uniform("a", 1, people, 0),
        DRAWS.uniform("b", 0, people, 0),
        Draws(6).uniform("a", 0, people, 0),
        DRAWS.uniform("a", 0, people * 0, people),
    ]
    limit = stats.norm.isf(0.001 / 2 / len(others)) / np.sqrt(len(people))
    assert all(abs(np.corrcoef(one, other)[0, 1]) < limit for other in others)


def test_a_number_does_not_depend_on_who_else_is_drawn() -> None:
    all_of_them = DRAWS.uniform("a", 4, np.arange(100)[:, None], np.arange(10))
    assert DRAWS.uniform("a", 4, np.array([63]), 7)[0] == all_of_them[63, 7]


def test_normal_numbers_are_normal() -> None:
    numbers = DRAWS.normal("n", 2, np.arange(50_000))
    assert stats.kstest(numbers, "norm").pvalue > 0.001
