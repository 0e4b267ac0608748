import numpy as np
import pytest
from builders import moments_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis import AnalysisError
from analysis.moments import Moments
from analysis.variables import Variable

XY = (Variable("x"), Variable("y"))
values = arrays(float, st.tuples(st.integers(0, 30), st.just(2)), elements=st.floats(-1e6, 1e6, width=32))


def close(one: Moments, other: Moments, scale: float) -> None:
    assert one.n == other.n
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(one.cross, other.cross, rtol=1e-9, atol=1e-9 * scale**2)


@given(values, values)
def test_moments_of_two_parts_add_to_the_moments_of_the_whole(a, b):
    whole = np.vstack([a, b])
    scale = max(1.0, np.abs(whole).max(initial=0.0)) * max(1, len(whole))
    close(Moments.of(a, XY) + Moments.of(b, XY), Moments.of(whole, XY), scale)


@given(values, values)
def test_taking_a_part_out_leaves_the_moments_of_the_rest(a, b):
    whole = np.vstack([a, b])
    scale = max(1.0, np.abs(whole).max(initial=0.0)) * max(1, len(whole))
    close(Moments.of(whole, XY) - Moments.of(b, XY), Moments.of(a, XY), scale)


def test_variance_is_right_with_a_mean_of_a_hundred_million():
    x = np.random.default_rng(1).normal(size=100_000)
    exact = np.var(x, ddof=1)
    shifted = moments_of(x=x + 1e8)
    # Adding 1e8 rounds each value to 1.5e-8, so the variance itself moves by about 1e-8.
    assert shifted.covariance[0, 0] == pytest.approx(exact, rel=1e-7)
    halves = moments_of(x=x[:40_000] + 1e8) + moments_of(x=x[40_000:] + 1e8)
    assert halves.covariance[0, 0] == pytest.approx(exact, rel=1e-7)


def test_moments_of_other_variables_do_not_add():
    with pytest.raises(AnalysisError, match="different variables"):
        moments_of(x=[1]) + moments_of(y=[1])


def test_selecting_an_unknown_variable_names_the_nearest():
    with pytest.raises(AnalysisError, match="Did you mean 'revenue'"):
        moments_of(revenue=[1, 2]).select((Variable("revenu"),))


def test_variance_of_one_unit_is_not_a_number():
    assert np.isnan(moments_of(x=[3.0]).covariance[0, 0])
