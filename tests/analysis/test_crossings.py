"""What counts as crossing, under each way to read the same looks."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from builders import a_readout
from hypothesis import given
from hypothesis import strategies as st

from analysis.crossings import Count, count, crossings
from analysis.planning.pace import days_left, units_left
from analysis.readout import Alternative, Decision, Estimate, Family, Interval, Readout

CLEAR, OPEN, NONE = (0.01, 0.03), (-0.01, 0.03), (None, None)


def estimate(ends: tuple[float | None, float | None]) -> Estimate:
    return Estimate(0.02, 0.01, *ends)


def course(
    own: list, naive: list, *, kind: str = "confidence_sequence", decided: int = -1, family: list = ()
) -> Readout:
    """A readout of one series, from the ends of its intervals at each look."""
    made = a_readout(metrics=1, segments=2, looks=len(own))
    looks = []
    for k, look in enumerate(made.looks):
        effects = tuple(
            effect
            if effect.segment
            else replace(
                effect,
                interval=Interval(kind, 0.95),
                relative=estimate(own[k]),
                alternatives=(Alternative("fixed", estimate(naive[k])),) if kind != "fixed" else (),
                family=Family("primary", "holm", 2, 0.5, estimate(family[k])) if family else None,
            )
            for effect in look.effects
        )
        looks.append(replace(look, effects=effects))
    return replace(made, looks=tuple(looks), decision=Decision("review", (), look=decided))


def test_one_clear_look_is_a_crossing_whatever_comes_later():
    (found,) = crossings(course([OPEN, OPEN, OPEN], [OPEN, CLEAR, OPEN]))
    assert (found.naive, found.once, found.confidence_sequence) == (True, False, False)


def test_what_cannot_be_read_is_not_counted_as_not_crossing():
    (found,) = crossings(course([NONE, NONE], [NONE, NONE]))
    assert (found.naive, found.confidence_sequence, found.group_sequential, found.family) == (None,) * 4
    assert count([found])["naive"] == Count(0, 0)


def test_an_interval_with_one_end_crosses_by_that_end():
    assert crossings(course([(0.01, None)], [OPEN]))[0].confidence_sequence
    assert not crossings(course([(None, 0.01)], [OPEN]))[0].confidence_sequence


def test_an_end_at_zero_is_a_claim_of_the_family():
    assert crossings(course([CLEAR], [CLEAR], family=[(0.0, 0.03)]))[0].family is True
    assert crossings(course([CLEAR], [CLEAR], family=[(-0.03, 0.0)]))[0].family is True


def test_a_rule_that_holds_once_is_corrected_at_its_own_look_only():
    looks = dict(own=[CLEAR, OPEN], naive=[CLEAR, OPEN], family=[CLEAR, OPEN])
    assert crossings(course(**looks, kind="fixed"))[0].family is False
    assert crossings(course(**looks))[0].family is True


@given(st.lists(st.sampled_from([CLEAR, OPEN, NONE]), min_size=1, max_size=6), st.data())
def test_one_look_never_finds_more_than_all_of_them(naive, data):
    decided = data.draw(st.integers(0, len(naive) - 1))
    (found,) = crossings(course([OPEN] * len(naive), naive, decided=decided))
    assert bool(found.once) <= bool(found.naive)
    assert bool(found.naive) == (CLEAR in naive)


def with_units(units: list[int], times: list[str], planned: int | None) -> Readout:
    made = a_readout(metrics=1, segments=0, looks=len(units))
    looks = tuple(
        replace(look, units={"a": n}, time=time) for look, n, time in zip(made.looks, units, times, strict=True)
    )
    return replace(made, looks=looks, design=replace(made.design, planned_units=planned))


DAYS = [(datetime(2026, 3, 1) + timedelta(k)).isoformat() + "+00:00" for k in range(11)]


@pytest.mark.parametrize("times", [DAYS, [f"day {k + 1}" for k in range(11)]])
def test_the_last_week_sets_the_pace(times):
    readout = with_units([1000] * 3 + [1000 + 100 * k for k in range(1, 9)], times, 2500)
    assert (units_left(readout), days_left(readout)) == (700, 7)


def test_an_end_that_comes_first_ends_it():
    readout = with_units([100 * k for k in range(1, 12)], DAYS, 5000)
    assert days_left(readout) == 39
    assert days_left(readout, date(2026, 3, 14)) == 3
    assert days_left(readout, date(2026, 3, 5)) == 0


def test_windows_of_the_last_units_are_waited_for():
    readout = with_units([100 * k for k in range(1, 12)], DAYS, 800)
    assert [days_left(readout, window=window) for window in (0.0, 3.0, 7.0)] == [0, 0, 4]
    assert days_left(readout, date(2026, 3, 6), 7.0) == 2
    coming = with_units([100 * k for k in range(1, 12)], DAYS, 5000)
    assert (days_left(coming, window=7.0), days_left(coming, date(2026, 3, 14), 7.0)) == (46, 10)


def test_no_plan_or_no_pace_is_not_known():
    assert days_left(with_units([5, 9], DAYS[:2], None)) is None
    assert days_left(with_units([5, 5], DAYS[:2], 10)) is None
    assert days_left(with_units([5], DAYS[:1], 10)) is None
    assert days_left(with_units([10, 12], DAYS[:2], 10)) == 0
