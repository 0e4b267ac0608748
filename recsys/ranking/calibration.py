"""Chances that mean what they say: how far off they are, and the map that mends them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Method = Literal["identity", "platt", "isotonic"]

LEAST, MOST = 1e-7, 1 - 1e-7
# Fewer outcomes than this cannot carry a free curve.
ISOTONIC_FROM = 200
PLATT_FROM = 20
FOLDS = 4


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """How far predicted chances are from what happened, in bins of equal numbers of rows.

    Attributes:
        error: mean over rows of |mean predicted - share that happened| in the row's bin.
        floor: what `error` is on average if every prediction is exactly right: chance alone makes it.
        rows, happened: how many.
        predicted, observed: means in each bin, from the lowest predictions.
    """

    error: float
    floor: float
    rows: int
    happened: int
    predicted: Floats
    observed: Floats


def calibration_error(chances: Floats, happened: NDArray[np.floating], *, bins: int = 15) -> CalibrationError:
    """Of rows with a known outcome (1 or 0); bins hold numbers of rows that differ by at most 1.

    Source: Naeini, Cooper and Hauskrecht, AAAI 2015 (expected calibration error), with bins of equal mass as
    Nixon et al., CVPR Workshops 2019. The floor is the mean of |N(0, v)| = sqrt(2 v / pi), v the variance of the
    bin's share under the predictions.

    Raises:
        ValueError: if there are fewer rows than bins.
    """
    if len(chances) < bins:
        raise ValueError(f"{len(chances)} rows cannot fill {bins} bins; give more rows or ask for fewer bins.")
    order = np.argsort(chances, kind="stable")
    p, y = chances[order].astype(np.float64), np.asarray(happened, np.float64)[order]
    edges = np.linspace(0, len(p), bins + 1).astype(np.int64)
    n = np.diff(edges)
    predicted = np.add.reduceat(p, edges[:-1]) / n
    observed = np.add.reduceat(y, edges[:-1]) / n
    variance = np.add.reduceat(p * (1 - p), edges[:-1]) / n**2
    weight = n / len(p)
    return CalibrationError(
        error=float(weight @ np.abs(predicted - observed)),
        floor=float(weight @ np.sqrt(2 * variance / np.pi)),
        rows=len(p),
        happened=int(y.sum()),
        predicted=predicted,
        observed=observed,
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising map from a raw chance to a calibrated one: linear between knots on the scale of log odds.

    Attributes:
        method: how it was found.
        raw, calibrated: knots in log odds, ascending; beyond the ends "platt" goes on straight, "isotonic" level.
    """

    method: Method
    raw: Floats
    calibrated: Floats

    def __call__(self, chances: Floats, shift: Floats | float = 0.0) -> Floats:
        """Calibrated chances, within [LEAST, MOST]; `shift` is added to each row's log odds behind the curve."""
        odds = log_odds(chances)
        if self.method == "isotonic":
            mapped = np.interp(odds, self.raw, self.calibrated)
        else:
            slope = (self.calibrated[1] - self.calibrated[0]) / (self.raw[1] - self.raw[0])
            mapped = self.calibrated[0] + slope * (odds - self.raw[0])
        return np.clip(chance(mapped + shift), LEAST, MOST)


IDENTITY = Curve("identity", np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def chained(first: Curve, second: Curve) -> Curve:
    """`second` after `first` as one curve, by knots in steps of a tenth of log odds."""
    if second.method == "identity":
        return first
    raw = np.linspace(log_odds(np.array([LEAST]))[0], log_odds(np.array([MOST]))[0], 323)
    calibrated = log_odds(second(first(chance(raw))))
    return Curve("isotonic", raw, np.maximum.accumulate(calibrated))


def fitted(
    chances: Floats,
    happened: NDArray[np.floating],
    folds: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
) -> Curve:
    """The curve with the least log loss out of fold, found again on all rows.

    Args:
        folds: a number a row, such as the person's; rows of one number are never in two folds.
        weight: of each row; where outcomes are still to come, `happened` and this as in `Early`.

    With fewer than PLATT_FROM outcomes or non-outcomes, or all rows of one fold, there is nothing to learn from: the
    chances stay as they are.
    """
    counted = np.ones(len(happened)) if weight is None else np.asarray(weight, np.float64)
    few = min(counted @ happened, counted.sum() - counted @ happened)
    fold = folds % FOLDS
    if few < PLATT_FROM or (fold == fold[0]).all():
        return IDENTITY
    methods: list[Method] = ["identity", "platt"]
    if few >= ISOTONIC_FROM:
        methods.append("isotonic")
    losses = dict.fromkeys(methods, 0.0)
    for out in range(FOLDS):
        held = fold == out
        for method in methods:
            curve = _fit(method, chances[~held], happened[~held], counted[~held])
            losses[method] += log_loss(curve(chances[held]), happened[held], counted[held]) * counted[held].sum()
    best = min(methods, key=lambda method: losses[method])
    return _fit(best, chances, happened, counted)


def log_loss(chances: Floats, happened: NDArray[np.floating], weight: NDArray[np.floating] | None = None) -> float:
    """Mean over rows, by their weight, in nats; 0 for no rows."""
    p = np.clip(chances, LEAST, MOST)
    y = np.asarray(happened, np.float64)
    return float(np.average(-(y * np.log(p) + (1 - y) * np.log1p(-p)), weights=weight)) if len(p) else 0.0


def log_odds(chances: Floats) -> Floats:
    """log(p / (1 - p)), of chances kept within [LEAST, MOST]."""
    p = np.clip(chances, LEAST, MOST)
    odds: Floats = np.log(p) - np.log1p(-p)
    return odds


def chance(odds: Floats) -> Floats:
    """1 / (1 + exp(-odds))."""
    with np.errstate(over="ignore"):
        p: Floats = 1 / (1 + np.exp(-odds))
    return p


def _fit(method: Method, chances: Floats, happened: NDArray[np.floating], weight: Floats) -> Curve:
    if method == "platt":
        return _platt(log_odds(chances), np.asarray(happened, np.float64), weight)
    if method == "isotonic":
        return _isotonic(chances, np.asarray(happened, np.float64), weight)
    return IDENTITY


def _platt(odds: Floats, happened: Floats, weight: Floats) -> Curve:
    """Logistic regression on the log odds by Newton steps; a slope that falls below 0 is not allowed.

    A weak pull of the slope to 1 and the shift to 0, worth one row in a hundred thousand, keeps it finite.
    """
    centre = float(odds.mean())
    x = odds - centre
    shift, slope = centre, 1.0
    pull = 1e-5 * weight.sum()
    for _ in range(50):
        p = chance(shift + slope * x)
        off, bend = weight * (p - happened), weight * p * (1 - p)
        gradient = np.array([off.sum(), (off * x).sum() + pull * (slope - 1)])
        cross = float((bend * x).sum())
        curvature = np.array([[bend.sum() + 1e-12, cross], [cross, (bend * x * x).sum() + pull + 1e-12]])
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 2.0 / (np.abs(step).max() + 1e-12))
        shift, slope = shift - step[0], slope - step[1]
        if np.abs(step).max() < 1e-10:
            break
    if slope < 0:
        shift, slope = float(log_odds(np.array([np.average(happened, weights=weight)]))[0]), 0.0
    ends = np.array([centre - 1.0, centre + 1.0])
    return Curve("platt", ends, shift + slope * (ends - centre))


def _isotonic(chances: Floats, happened: Floats, weight: Floats) -> Curve:
    """Steps by pooling neighbours, smoothed: knots at each step's mean, straight between them in log odds."""
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(chances, kind="stable")
    p, y, w = chances[order], happened[order], weight[order]
    level = IsotonicRegression(y_min=0, y_max=1).fit_transform(p, y, sample_weight=w)
    starts = np.flatnonzero(np.diff(level, prepend=-1.0) > 0)
    n = np.add.reduceat(w, starts)
    mean = np.add.reduceat(w * p, starts) / n
    # One row more that does as its raw chance says: the ends of a free curve are 0 and 1, which no chance ever is.
    # Half an outcome more would lift every step, by a tenth where a step has five.
    share = (level[starts] * n + mean) / (n + 1)
    raw, calibrated = log_odds(mean), np.maximum.accumulate(log_odds(share))
    keep = np.diff(raw, prepend=-np.inf) > 1e-9
    return Curve("isotonic", raw[keep], calibrated[keep])
