"""Numbers say what they mean, whatever they are."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from analysis.readout import Estimate
from dashboard.parts import numbers
from tests.dashboard import sample

plain = some.floats(-1e9, 1e9, allow_nan=False)
lifts = some.floats(-3, 3, allow_nan=False)


@given(plain, some.integers(0, 4))
def test_signs_are_plus_and_true_minus_and_zero_has_none(value: float, decimals: int) -> None:
    text = numbers.signed(value, decimals)
    assert "-" not in text
    shows = round(abs(value), decimals) > 0 and any(digit in "123456789" for digit in text)
    assert text.startswith("+" if value > 0 else numbers.MINUS) == shows


@given(some.floats(0, 1))
def test_a_p_value_is_never_zero(p: float) -> None:
    assert numbers.p_value(p) == "p < 0.001" or float(numbers.p_value(p).removeprefix("p = ")) > 0


@given(lifts, some.floats(1e-5, 2))
def test_an_interval_with_a_width_is_never_shown_as_one_number(low: float, width: float) -> None:
    estimate = Estimate(low + width / 2, width / 4, low, low + width)
    first, second = numbers.lift_span(estimate, numbers.lift_decimals(estimate)).split(" to ")
    assert first != second


@given(some.floats(0.001, 1e6), some.floats(1e-3, 0.5))
def test_two_values_that_differ_are_told_apart(control: float, lift: float) -> None:
    first, second = numbers.values(control, control * (1 + lift), sample.CLICKS)
    assert first != second


@given(lifts, lifts)
def test_currency_follows_the_sign_and_rates_change_in_points(low: float, high: float) -> None:
    assume(abs(low) > 1e-3)
    money = numbers.change(100 * low, sample.REVENUE)
    assert money.startswith("+$" if low > 0 else f"{numbers.MINUS}$")
    assert numbers.change(low, sample.CONVERSION).endswith(" points")
    assert "%" not in numbers.change(high, sample.CONVERSION)


def test_examples_read_as_people_write_them() -> None:
    whole = Estimate(0.025, 0.008, 0.008, 0.041)
    assert numbers.lift_span(whole) == "+0.8% to +4.1%"
    assert numbers.lift_span(Estimate(-0.01, 0.01, -0.03, 0.01)) == "−3.0% to +1.0%"
    assert numbers.values(318.0, 326.0, sample.REVENUE) == ("$3.18", "$3.26")
    assert numbers.values(0.0412, 0.0419, sample.CONVERSION) == ("4.12%", "4.19%")
    assert numbers.values(1204, 1219, sample.LOAD) == ("1,204 ms", "1,219 ms")
    assert numbers.change(0.0007, sample.CONVERSION) == "+0.070 points"
    assert numbers.change(0.0007, sample.CONVERSION, 1000) == "+0.70"
    assert numbers.day("2025-10-31T23:30:00-05:00") == "1 Nov 2025"
    assert numbers.minute("2025-11-15T06:10:00") == "15 Nov 2025, 06:10 UTC"


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(0.01, None, "+1.0% or more"), (None, 0.01, "+1.0% or less"), (None, None, "no bound on either side")],
)
def test_a_missing_bound_is_said(low: float | None, high: float | None, shown: str) -> None:
    assert numbers.lift_span(Estimate(0.0, 0.1, low, high)) == shown


def test_an_end_close_to_zero_is_not_shown_as_zero() -> None:
    estimate = Estimate(0.02, 0.01, -0.0002, 0.04)
    assert numbers.lift_span(estimate, numbers.lift_decimals(estimate)) == "−0.02% to +4.00%"


def test_a_value_that_is_missing_is_a_dash() -> None:
    assert numbers.values(None, 3.0, sample.CLICKS) == ("–", "3.00")
    assert numbers.values(0.0, 0.0, replace(sample.CLICKS, unit="clicks")) == ("0 clicks", "0 clicks")
    assert math.isclose(numbers.change_decimals([0.0, 0.0], sample.CLICKS), 0)
