"""A broken split: which dimension, which day, and how seldom a sound one is called broken."""

from datetime import UTC, datetime, timedelta

import numpy as np
from builders import a_metric, an_experiment, collected_of, moments_of
from scipy import stats

from analysis.checks.splits import Splits
from analysis.moments import Moments
from analysis.reading import read_collected
from analysis.readout import Check, Look, Segment
from analysis.sample_ratio import sequential_p_value

START = datetime(2026, 11, 1, tzinfo=UTC)
Y = moments_of(y=np.array([0.0, 1.0])).variables


def collected_units(running: np.ndarray, segments: tuple[Segment | None, ...] = (None,)):
    """What a scan returns for running units, shape (looks, segments, arms), on daily looks from 1 November on."""
    n = np.asarray(running, float)
    moments = Moments(Y, n, np.full((*n.shape, 1), 10.0), 4 * np.maximum(n - 1, 0)[..., None, None])
    looks = tuple(START + timedelta(days=k + 1) for k in range(len(n)))
    return collected_of(
        [[moments_of(y=np.arange(2.0))] * n.shape[-1]] * len(n), looks=looks, segments=segments, moments=moments
    )


def looks_of(running: np.ndarray, segments: tuple[Segment | None, ...] = (None,)) -> tuple[Look, ...]:
    experiment = an_experiment(a_metric("y"), inference="confidence_sequence", planned_units=20_000)
    return read_collected(experiment, collected_units(running, segments)).looks


def check(look: Look, name: str) -> Check:
    return next(found for found in look.checks if found.name == name)


def by_country(daily: np.ndarray) -> tuple[np.ndarray, tuple[Segment | None, ...]]:
    """Running units of all and of each country, from daily ones of shape (days, countries, arms)."""
    whole = np.concatenate([daily.sum(axis=1, keepdims=True), daily], axis=1)
    return np.cumsum(whole, axis=0), (None, *(Segment("country", f"C{k}") for k in range(daily.shape[1])))


def test_a_fault_of_one_country_is_found_there_with_its_day_and_mended_without_it():
    rng = np.random.default_rng(1)
    shares = np.full((28, 5), 0.5)
    shares[12:, 2] = 0.35
    first = rng.binomial(200, shares)
    running, segments = by_country(np.stack([first, 200 - first], axis=-1))
    looks = looks_of(running, segments)
    found = check(looks[-1], "sample_ratio_sequential")
    assert found.verdict == "fail"
    assert "country = C2" in found.reason and "without country = C2 the split is as planned" in found.reason
    broken = {split.segment.value: split for split in looks[-1].splits if split.first_bad}
    assert set(broken) == {"C2"}
    since = datetime.fromisoformat(broken["C2"].since)
    assert abs((since - (START + timedelta(days=13))).days) <= 1
    assert since <= datetime.fromisoformat(broken["C2"].first_bad)
    assert broken["C2"].sequential < 0.01 and broken["C2"].deviation > 0.04
    known = next(look for look in looks if any(split.first_bad for split in look.splits))
    assert known.time == broken["C2"].first_bad
    first_failing = next(k for k, look in enumerate(looks) if check(look, "sample_ratio_sequential").verdict == "fail")
    assert first_failing >= 12


def test_the_day_a_fault_began_is_found_to_within_two_days_in_nine_of_ten():
    rng, runs, days = np.random.default_rng(2), 400, 28
    starts = rng.integers(3, 22, runs)
    shares = np.where(np.arange(days) >= starts[:, None], 0.46, 0.5)
    first = rng.binomial(1_000, shares)
    # Runs are laid side by side as segments: each has its own change point.
    running = np.cumsum(np.stack([first, 1_000 - first], axis=-1).swapaxes(0, 1), axis=0)
    splits = Splits(
        an_experiment(a_metric("y")), collected_units(running, tuple(Segment("run", str(k)) for k in range(runs)))
    )
    near = int((np.abs(splits.since(days - 1) - starts) <= 2).sum())
    assert stats.binomtest(near, runs, 0.9, alternative="less").pvalue > 0.001


def test_a_share_that_is_off_by_less_than_a_tenth_of_a_point_warns_and_does_not_fail():
    for share, verdict in ((0.5006, "warn"), (0.502, "fail")):
        n = np.array([2e6, 5e7])
        running = np.stack([n * share, n * (1 - share)], axis=-1)[:, None]
        assert check(looks_of(running)[-1], "sample_ratio_sequential").verdict == verdict


def test_a_small_arm_that_loses_a_tenth_fails_though_that_is_few_of_all_units():
    n = np.array([2e6, 1e7])
    running = np.stack([n * 0.991, n * 0.009], axis=-1)[:, None]
    experiment = an_experiment(
        a_metric("y"), inference="confidence_sequence", planned_units=20_000, shares={"a": 99.0, "b": 1.0}
    )
    assert (
        check(read_collected(experiment, collected_units(running)).looks[-1], "sample_ratio_sequential").verdict
        == "fail"
    )


def test_a_segment_that_is_broken_alone_warns():
    running, segments = by_country(np.array([[[1_000, 1_300], [1_300, 1_000]]] * 3))
    found = check(looks_of(running, segments)[-1], "sample_ratio_sequential")
    assert found.verdict == "warn" and "country = C" in found.reason


def test_segments_pay_for_their_number_and_alarm_at_one_in_a_hundred():
    running, segments = by_country(np.array([[[300, 300 + gap] for gap in (0, 90, 125, 132, 150)]] * 4))
    splits = Splits(an_experiment(a_metric("y")), collected_units(running, segments))
    single = sequential_p_value(running, np.ones(2))
    np.testing.assert_allclose(splits.sequential[:, 1:], np.minimum(1, 5 * single[:, 1:]))
    np.testing.assert_allclose(splits.sequential[:, 0], single[:, 0])
    between = (splits.sequential > 0.01) & (splits.sequential < 0.05)
    assert between.any()
    assert not splits.alarmed[between].any() and splits.alarmed[splits.sequential < 0.01].all()


def test_one_look_is_located_by_the_chi_square():
    running, segments = by_country(np.array([[[1_000, 1_400], [1_000, 1_010]]]))
    look = looks_of(running, segments)[0]
    assert "country = C0" in check(look, "sample_ratio").reason
    assert look.splits[0].sequential is None and look.splits[0].first_bad is not None


def test_a_sound_split_in_twenty_segments_is_seldom_called_broken_at_any_of_28_looks():
    rng, runs = np.random.default_rng(3), 1_500
    segments = (None, *(Segment("country", f"C{k}") for k in range(20)))
    experiment = an_experiment(a_metric("y"), inference="confidence_sequence", planned_units=100_000)
    alarms = np.zeros(2, int)
    for _ in range(runs):
        sizes = np.broadcast_to(rng.integers(5, 200, 20), (28, 20))
        first = rng.binomial(sizes, 0.5)
        running, _ = by_country(np.stack([first, sizes - first], axis=-1))
        alarmed = Splits(experiment, collected_units(running, segments)).alarmed[-1]
        alarms += alarmed[0], alarmed[1:].any()
    for found in alarms:
        assert stats.binomtest(int(found), runs, 0.01, alternative="greater").pvalue > 0.001
