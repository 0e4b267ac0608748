"""Calibration is measured with its own noise, and curves mend what is bent without learning noise."""

import numpy as np
import pytest

from recsys.ranking.calibration import (
    IDENTITY,
    CalibrationError,
    Curve,
    _isotonic,
    calibration_error,
    chance,
    fitted,
    log_loss,
    log_odds,
)


def bent(
    rng: np.random.Generator, rows: int, *, rate: float = -3.0, bend: float = 1.0, shift: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True chances, outcomes drawn from them, and raw chances that are wrong by slope and shift in log odds."""
    truth = chance(rng.normal(rate, 1.2, rows))
    return truth, (rng.random(rows) < truth).astype(np.float32), chance((log_odds(truth) - shift) / bend)


def plain_error(chances: np.ndarray, happened: np.ndarray, bins: int) -> float:
    ranked = sorted(zip(chances.tolist(), happened.tolist(), strict=True), key=lambda row: row[0])
    total, at = 0.0, 0
    for k in range(bins):
        part = ranked[at : int(len(ranked) * (k + 1) / bins)]
        at += len(part)
        total += (
            len(part) / len(ranked) * abs(sum(p for p, _ in part) / len(part) - sum(y for _, y in part) / len(part))
        )
    return total


def test_the_error_is_that_of_a_plain_loop():
    _, happened, raw = bent(np.random.default_rng(1), 1_003, bend=1.5)
    assert calibration_error(raw, happened, bins=15).error == pytest.approx(plain_error(raw, happened, 15), rel=1e-12)


def test_the_floor_is_the_mean_error_of_chances_that_are_exactly_right():
    rng = np.random.default_rng(2)
    results = [calibration_error(truth, happened) for truth, happened, _ in (bent(rng, 6_000) for _ in range(300))]
    errors, floors = (np.array([getattr(one, name) for one in results]) for name in ("error", "floor"))
    standard = (errors - floors).std() / np.sqrt(len(results))
    assert abs((errors - floors).mean()) < 4 * standard + 0.02 * floors.mean()


def test_chances_that_are_wrong_show_an_error_well_above_the_floor():
    _, happened, raw = bent(np.random.default_rng(3), 40_000, bend=2.0)
    found = calibration_error(raw, happened)
    assert found.error > 5 * found.floor
    assert found.rows == 40_000 and found.happened == int(happened.sum())


@pytest.mark.parametrize(("bend", "shift"), [(2.0, 0.0), (0.5, 1.0), (1.0, -2.0), (1.0, 0.0)])
def test_a_fitted_curve_mends_rows_that_it_did_not_see(bend, shift):
    rng = np.random.default_rng(4)
    _, happened, raw = bent(rng, 60_000, bend=bend, shift=shift)
    curve = fitted(raw, happened, np.arange(60_000) // 3)
    _, later, raw_later = bent(rng, 60_000, bend=bend, shift=shift)
    mended = calibration_error(curve(raw_later), later)
    assert mended.error < 2.5 * mended.floor
    assert log_loss(curve(raw_later), later) <= log_loss(raw_later, later) + 1e-4


def test_a_free_curve_is_chosen_where_no_straight_one_will_do():
    rng = np.random.default_rng(5)
    raw = rng.uniform(0.01, 0.5, 60_000)
    truth = np.where(raw < 0.2, 0.02, 0.3)
    happened = (rng.random(60_000) < truth).astype(np.float32)
    curve = fitted(raw, happened, np.arange(60_000))
    assert curve.method == "isotonic"
    assert curve(np.array([0.1, 0.4])) == pytest.approx([0.02, 0.3], rel=0.15)


def test_a_free_curve_promises_as_many_rare_outcomes_as_there_were():
    """Many steps of few outcomes each: half an outcome more on every step would be a sixth more in all."""
    told = seen = 0.0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        raw = rng.uniform(0.001, 0.04, 20_000)
        happened = (rng.random(20_000) < np.interp(raw, [0, 0.01, 0.03], [0.0005, 0.001, 0.012])).astype(np.float32)
        told += _isotonic(raw, happened, np.ones(20_000))(raw).sum()
        seen += happened.sum()
    assert told == pytest.approx(seen, rel=0.06)


def test_curves_never_fall_and_never_say_never_or_always():
    rng = np.random.default_rng(6)
    raw = rng.uniform(0, 1, 5_000)
    happened = (rng.random(5_000) < np.where(raw > 0.9, 1.0, np.where(raw < 0.3, 0.0, raw))).astype(np.float32)
    grid = np.linspace(0, 1, 2_001)
    for folds in (np.arange(5_000), np.arange(5_000) // 50):
        chances = fitted(raw, happened, folds)(grid)
        assert (np.diff(chances) >= 0).all()
        assert chances.min() > 0 and chances.max() < 1


@pytest.mark.parametrize("outcomes", [0, 3])
def test_with_next_to_no_outcomes_the_chances_stay_as_they_are(outcomes):
    raw = np.random.default_rng(7).uniform(0.001, 0.01, 3_000)
    happened = np.zeros(3_000, np.float32)
    happened[:outcomes] = 1
    curve = fitted(raw, happened, np.arange(3_000))
    assert curve.method == "identity"
    assert curve(raw) == pytest.approx(raw, rel=1e-9)


def test_outcomes_that_run_against_the_chances_give_a_level_curve_not_a_falling_one():
    rng = np.random.default_rng(8)
    raw = rng.uniform(0.1, 0.9, 4_000)
    happened = (rng.random(4_000) < 1 - raw).astype(np.float32)
    curve: Curve = fitted(raw, happened, np.arange(4_000))
    assert (np.diff(curve(np.linspace(0.1, 0.9, 50))) >= 0).all()
    assert curve(raw).mean() == pytest.approx(happened.mean(), abs=0.03)


def test_too_few_rows_for_the_bins_are_refused():
    with pytest.raises(ValueError, match="10 rows cannot fill 15 bins"):
        calibration_error(np.full(10, 0.1), np.zeros(10))
    assert isinstance(calibration_error(np.full(15, 0.1), np.zeros(15)), CalibrationError)


@pytest.mark.parametrize("rows", [300, 20_000])
def test_a_row_of_weight_two_counts_as_two_rows(rows):
    rng = np.random.default_rng(8)
    _, happened, raw = bent(rng, rows, bend=1.7, rate=-1.5)
    twice, folds, grid = rng.random(rows) < 0.5, np.arange(rows), np.linspace(0.01, 0.9, 50)
    both = np.concatenate([np.arange(rows), np.flatnonzero(twice)])
    weighted = fitted(raw, happened, folds, 1.0 + twice)
    repeated = fitted(raw[both], happened[both], folds[both])
    assert weighted.method == repeated.method != "identity"
    assert weighted(grid) == pytest.approx(repeated(grid), rel=1e-6)
    losses = log_loss(raw, happened, 1.0 + twice), log_loss(raw[both], happened[both])
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_of_one_person_nothing_is_learnt_however_much_they_did():
    """What holds for them may hold for nobody else, and there is nobody to judge a curve by."""
    rng = np.random.default_rng(12)
    told = rng.uniform(0.1, 0.9, 4_000)
    happened = (rng.random(4_000) < told / 2).astype(np.float32)
    assert fitted(told, happened, np.full(4_000, 8)) is IDENTITY
    assert fitted(told, happened, np.arange(4_000)).method != "identity"
