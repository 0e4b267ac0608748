"""Surfaces are mended where they differ from the whole, and left alone where they do not or say too little."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from recsys.engine.scoring import RANKED_BY
from recsys.ranking.calibration import calibration_error, chance, log_odds
from recsys.ranking.ranker import CARD, WEIGHTS, Ranker
from recsys.ranking.rows import CLICK, REFUND
from recsys.ranking.shifts import LUCK, SPREAD, fitted_shifts, taken_out
from recsys.slate import OUTCOMES
from tests.recsys.engine.workspaces import a_ranker, made_up

DOUBLE = np.array([1.0, 2.0, 1.0])


def some(rng: np.random.Generator, rows: list[int], times: np.ndarray = DOUBLE) -> tuple[np.ndarray, ...]:
    """Chances, what happened (at `times` the odds on each surface), the surface and the person of each row."""
    surface = np.repeat(np.arange(len(rows)), rows)
    told = rng.uniform(0.02, 0.2, len(surface))
    true = chance(log_odds(told) + np.log(times[surface]))
    happened = (rng.random(len(surface)) < true).astype(np.float32)
    return told, happened, surface, rng.integers(0, 2_000, len(surface))


def test_a_surface_whose_outcomes_are_twice_as_frequent_is_calibrated_on_later_rows():
    rng = np.random.default_rng(1)
    told, happened, surface, user = some(rng, [30_000, 6_000, 6_000])
    shifts = fitted_shifts(told, happened, surface, start=np.zeros(3), user=user)
    told, happened, surface, _ = some(rng, [60_000, 60_000, 60_000])
    mended = chance(log_odds(told) + shifts[surface])
    for each in range(3):
        of_it = surface == each
        found = calibration_error(mended[of_it], happened[of_it])
        assert found.error < 3 * found.floor
    assert calibration_error(told[surface == 1], happened[surface == 1]).error > 15 * found.floor


def test_a_surface_with_few_rows_stays_near_the_whole_and_one_without_any_where_it_was():
    rng = np.random.default_rng(2)
    moved = []
    for rows in (20, 200, 2_000, 40_000):
        told, happened, surface, user = some(rng, [30_000, 6_000, rows, 0], np.array([1.0, 2.0, 2.0, 1.0]))
        shifts = fitted_shifts(told, happened, surface, start=np.zeros(4), user=user)
        assert shifts[3] == 0
        moved.append(shifts[2])
    assert abs(moved[0]) < 0.3 * np.log(2)
    assert moved[0] < moved[1] < min(moved[2:])
    assert moved[3] == pytest.approx(np.log(2), abs=0.05)


def test_shifts_are_those_of_a_plain_search():
    rng = np.random.default_rng(3)
    told, happened, surface, user = some(rng, [5_000, 900, 300])
    weight = rng.uniform(0, 1, len(told))
    shifts = fitted_shifts(told, happened, surface, start=np.zeros(3), user=user, weight=weight)
    for each in range(3):
        p, y, w = (column[surface == each] for column in (told, happened, weight))

        def surprise(shift, p=p, y=y, w=w):
            moved = chance(log_odds(p) + shift)
            return -(w * (y * np.log(moved) + (1 - y) * np.log(1 - moved))).sum() + shift**2 / (2 * SPREAD**2)

        assert shifts[each] == pytest.approx(minimize_scalar(surprise).x, abs=1e-5)


def test_what_was_added_before_stays_where_the_rows_say_little_and_goes_where_they_say_it_is_wrong():
    rng = np.random.default_rng(6)
    start = np.array([0.0, 0.7, 0.7, 0.7])
    told, happened, surface, user = some(rng, [30_000, 40_000, 20, 0], np.array([1.0, 1.0, 1.0, 1.0]))
    shifts = fitted_shifts(told, happened, surface, start=start, user=user)
    assert shifts[1] == pytest.approx(0, abs=0.05)
    assert shifts[2] == pytest.approx(0.7, abs=0.25) and shifts[3] == 0.7
    right = (rng.random(len(told)) < chance(log_odds(told) + start[surface])).astype(np.float32)
    assert np.array_equal(fitted_shifts(told, right, surface, start=start, user=user), start)


def test_right_chances_get_shifts_as_rarely_as_stated_though_a_persons_rows_do_as_one():
    rng, shops, people = np.random.default_rng(4), 400, 600
    shifted = 0
    for _ in range(shops):
        told = np.repeat(rng.uniform(0.1, 0.3, people), 10)
        # All ten rows of a person happen, or none.
        happened = (np.repeat(rng.random(people), 10) < told).astype(np.float32)
        surface = np.repeat(rng.integers(0, 4, people), 10)
        shifts = fitted_shifts(told, happened, surface, start=np.zeros(4), user=np.repeat(np.arange(people), 10))
        shifted += bool(shifts.any())
    assert shifted <= binom.ppf(0.999, shops, LUCK)


def test_right_chances_of_rare_outcomes_get_shifts_as_rarely_as_stated_where_some_surfaces_show_little():
    """Where 3 are expected and none come, people's differences are all small and of one sign."""
    rng, shops, rows, shifted = np.random.default_rng(7), 200, 20_000, 0
    for _ in range(shops):
        told = chance(rng.normal(-6, 0.8, rows))
        happened = (rng.random(rows) < told).astype(np.float32)
        surface = rng.choice(4, rows, p=[0.7, 0.2, 0.08, 0.02])
        shifts = fitted_shifts(told, happened, surface, start=np.zeros(4), user=np.arange(rows) % 1_500)
        shifted += bool(shifts.any())
    assert shifted <= binom.ppf(0.999, shops, LUCK)


@pytest.mark.parametrize("happened", [0, 19])
def test_with_next_to_no_outcomes_nothing_is_added(happened):
    rows = 20_000
    outcomes = (np.arange(rows) < happened).astype(np.float32)
    surface = np.arange(rows) % 2
    shifts = fitted_shifts(np.full(rows, 0.1), outcomes, surface, start=np.zeros(2), user=np.arange(rows))
    assert not shifts.any()


def test_what_was_added_can_be_taken_out():
    told = np.linspace(0.001, 0.9, 50)
    assert taken_out(chance(log_odds(told) + 0.7), np.full(50, 0.7)) == pytest.approx(told, rel=1e-9)


def a_shifted_ranker() -> Ranker:
    shifts = np.zeros((4, len(OUTCOMES)))
    shifts[2] = [0.3, -0.2, 0.1, -0.5, 0.0, -0.1]
    return replace(a_ranker(), shifts=shifts)


def rows():
    return made_up(np.random.default_rng(5), 400, len(RANKED_BY), 4).rows


def test_a_shift_moves_the_log_odds_of_its_surface_and_no_other():
    asked, ranker = rows(), a_shifted_ranker()
    before, after = replace(ranker, shifts=np.zeros_like(ranker.shifts)).chances(asked), ranker.chances(asked)
    there = asked.surface == 2
    assert after[~there] == pytest.approx(before[~there], rel=1e-9)
    moved = log_odds(after[there]) - log_odds(before[there])
    assert moved[:, CLICK] == pytest.approx(0.3)
    assert moved[:, OUTCOMES.index("purchase")] == pytest.approx(-0.5)
    assert (after <= after[:, CLICK : CLICK + 1]).all()
    assert (after[:, REFUND] <= after[:, OUTCOMES.index("purchase")]).all()


def test_shifts_are_saved_and_a_bundle_of_before_there_were_any_loads_without(tmp_path):
    ranker, asked = a_shifted_ranker(), rows()
    ranker.save(tmp_path / "ranker")
    assert np.array_equal(Ranker.load(tmp_path / "ranker").chances(asked), ranker.chances(asked))
    arrays = load_file(tmp_path / "ranker" / WEIGHTS)
    save_file({name: array for name, array in arrays.items() if name != "shifts"}, tmp_path / "ranker" / WEIGHTS)
    old = Ranker.load(tmp_path / "ranker")
    assert old.shifts.shape == (4, len(OUTCOMES)) and not old.shifts.any()
    assert np.array_equal(old.chances(asked), replace(ranker, shifts=old.shifts).chances(asked))
    assert json.loads((tmp_path / "ranker" / CARD).read_text("utf-8"))["form"] == 2
