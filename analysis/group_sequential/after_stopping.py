"""What a group sequential experiment says once it has stopped: interval, p-value and an estimate without bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.errors import AnalysisError
from analysis.group_sequential.boundaries import LEAST, NEW
from analysis.group_sequential.power import crossing_probabilities
from analysis.metrics.metric import Array


@dataclass(frozen=True, slots=True)
class Stopped:
    """The answer at the look (counted from 0) at which the design stopped, in the unit of the estimates."""

    look: int
    median_unbiased: float
    lower: float
    upper: float
    p_value: float


def after_stopping(
    estimates: ArrayLike,
    standard_errors: ArrayLike,
    bounds: ArrayLike,
    alpha: float,
    *,
    information: ArrayLike | None = None,
    sides: int = 2,
    ended: bool = False,
) -> Stopped | None:
    """The stage-wise answer of one series: from the first look that crossed its bound, or the last if it `ended`.

    Outcomes are ordered by when they stopped: an earlier stop above is more than any later one, an earlier stop
    below is less, and outcomes of one look are ordered by z. The p-value is the chance of an outcome as far out
    without any effect; the interval holds the effects that its tests at `alpha` allow; for the median-unbiased
    estimate both sides are equally likely. Unlike a plain interval at the look that stopped, these keep their level.

    Args:
        estimates, standard_errors: shape (looks,).
        bounds: of z, shape (looks,), nan where a look is no analysis.
        alpha: error of the interval, both sides together.
        information: that the bounds were made from, of any unit, shape (looks,); 1 / standard error² where not given.
        sides: 2, or 1 for a design that stops above only; its p-value then is one-sided.
        ended: whether the last analysis is final without a crossing.

    Returns:
        None while the series goes on.

    Raises:
        AnalysisError: where the shapes differ.

    A look that has as much information as a later one counts as part of it. z is taken as normal.

    Source: Fairbanks and Madsen 1982; Tsiatis, Rosner and Mehta 1984; Jennison and Turnbull 2000, sections 8.4, 8.5.
    """
    from scipy.optimize.elementwise import bracket_root, find_root

    values, errors, limits = (np.asarray(of, float) for of in (estimates, standard_errors, bounds))
    with np.errstate(divide="ignore"):
        known = 1 / np.square(errors) if information is None else np.asarray(information, float)
    if not values.shape == errors.shape == limits.shape == known.shape or values.ndim != 1:
        raise AnalysisError(
            f"estimates have shape {values.shape}, errors {errors.shape}, bounds {limits.shape}, information "
            f"{known.shape}; all must be (looks,)"
        )
    looks = np.flatnonzero(np.isfinite(values) & (errors > 0) & np.isfinite(limits))
    z, limits = values[looks] / errors[looks], limits[looks]
    crossed = np.flatnonzero((np.abs(z) if sides == 2 else z) > limits)
    if not crossed.size and not (ended and looks.size):
        return None
    last = int(crossed[0]) if crossed.size else len(looks) - 1
    # A symmetric design is turned so that z is positive: the tail that is asked for is then the small one.
    sign = -1.0 if sides == 2 and z[last] < 0 else 1.0
    share = known[looks[: last + 1]] / known[looks[last]]
    least_after = np.minimum.accumulate(share[::-1])[::-1]
    grew = np.append(share[:-1] < least_after[1:] * (1 - NEW), True)
    upper = np.append(limits[:last], sign * z[last])[grew]
    lower = np.append(-limits[:last] if sides == 2 else np.full(last, -np.inf), -np.inf)[grew]
    share = share[grew]

    def tail(drift: ArrayLike) -> Array:
        """Chance of an outcome at least as high, at drifts; it grows with the drift."""
        return crossing_probabilities(upper, share, drift, lower=lower).power

    def beyond(drift: Array, quantile: Array) -> Array:
        # As quantiles the two are nearly on a line, which takes few steps.
        return np.asarray(special.ndtri(np.clip(tail(drift), LEAST, 1 - 1e-15)) - quantile)

    quantiles = special.ndtri([alpha / 2, 0.5, 1 - alpha / 2])
    start = upper[-1] + quantiles
    ends = bracket_root(beyond, start - 1, start + 1, args=(quantiles,)).bracket
    drifts = find_root(beyond, ends, args=(quantiles,), tolerances={"xatol": 1e-11}).x
    error = float(errors[looks[last]])
    below, middle, above = np.sort(sign * error * drifts).tolist()
    return Stopped(int(looks[last]), middle, below, above, min(1.0, sides * float(tail(0.0))))
