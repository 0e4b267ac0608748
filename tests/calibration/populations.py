"""Shops to simulate: users of two arms by day, for every kind of metric, as Moments of many runs at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from analysis.collect.ranks import Ranked, quantile_cells
from analysis.contrasts import contrast_of
from analysis.effects import Contrast, pooled_contrast, unadjusted_contrast
from analysis.inference.estimates import thin_cells
from analysis.metrics import Metric
from analysis.moments import Moments
from analysis.variables import Variable
from tests.builders import a_metric, collected_of, moments_of

Array = np.ndarray
DAYS = 28
VARIABLES = tuple(map(Variable, ("y", "d", "x")))


@dataclass(frozen=True)
class Population:
    """`draw(rng, shape, lift)` gives (y, d, x) by user: outcome, denominator, covariate; `lift` broadcasts to shape."""

    metric: Metric
    draw: Callable[[np.random.Generator, tuple[int, ...], Array], tuple[Array, Array, Array]]

    def contrast(self, rng: np.random.Generator, runs: int, a_day: int, lift: Array) -> tuple[Contrast, Array]:
        """What a readout compares, cells (days, runs), and which cells are too thin to peek at."""
        control, treatment = self.moments(rng, runs, a_day, lift)
        used = (pooled_contrast if self.metric.covariates else unadjusted_contrast)(self.metric, control, treatment)
        return used, thin_cells(self.metric, control, treatment, 0.5, frozenset(VARIABLES))

    def moments(self, rng: np.random.Generator, runs: int, a_day: int, lift: Array) -> tuple[Moments, Moments]:
        """Running Moments of control and treatment, cells (days, runs); `lift` is (runs,), control has none."""
        arms = []
        for side in (0.0, 1.0):
            total, looks = None, []
            for _ in range(DAYS):
                values = np.stack(self.draw(rng, (runs, a_day), side * lift[:, None]), axis=-1)
                mean = values.mean(axis=1)
                centred = values - mean[:, None]
                today = Moments(
                    VARIABLES, np.full(runs, float(a_day)), mean, np.einsum("ruj,ruk->rjk", centred, centred)
                )
                total = today if total is None else total + today
                looks.append(total)
            arms.append(
                Moments(VARIABLES, *(np.stack([getattr(m, part) for m in looks]) for part in ("n", "mean", "cross")))
            )
        return arms[0], arms[1]


@dataclass(frozen=True)
class Rows:
    """Page loads: users have one and more, alike within a user, and a quantile of all of them is compared."""

    metric: Metric

    def contrast(self, rng: np.random.Generator, runs: int, a_day: int, lift: Array) -> tuple[Contrast, Array]:
        """As of a population."""
        shape = (runs, 2, DAYS, a_day)
        rows = 1 + rng.poisson(1.0, shape)
        unit = np.repeat(np.arange(rows.size), rows.ravel())
        run, arm, day, _ = np.unravel_index(np.arange(rows.size), shape)
        taste = 0.5 * rng.normal(size=rows.size)
        value = np.exp(taste[unit] + 0.8 * rng.normal(size=len(unit))) * (1 + (arm * lift[run])[unit])
        ranked = Ranked.of(unit, value, day[unit].astype(np.uint16), alone=False)
        (cells,) = quantile_cells(ranked, (self.metric.quantile,), DAYS, arm, 2, [(run, runs)])
        n = np.broadcast_to(a_day * np.arange(1.0, DAYS + 1)[:, None, None], (DAYS, runs + 1, 2))
        none = Moments((), n, np.zeros((*n.shape, 0)), np.zeros((*n.shape, 0, 0)))
        collected = replace(collected_of([[moments_of(y=[0.0])] * 2]), moments=none, quantiles={self.metric.id: cells})
        return contrast_of(self.metric, collected, 1)[:, 1:], np.zeros((DAYS, runs), bool)


def _mean(rng, shape, lift):
    taste = rng.gamma(4.0, 1.0, shape)
    y = (taste + rng.gamma(2.0, 1.0, shape)) * (1 + lift)
    return y, np.ones(shape), taste


def _revenue(rng, shape, lift):
    """8 % buy, and what they spend is lognormal: skewness about 20."""
    taste = rng.normal(size=shape)
    bought = rng.random(shape) < 0.08 * np.exp(0.6 * taste - 0.18)
    return bought * np.exp(1.2 * rng.normal(size=shape) + 0.5 * taste) * (1 + lift), np.ones(shape), np.exp(taste)


def _conversion(rng, shape, lift):
    """1 %; the covariate moves it fourfold."""
    often = rng.random(shape) < 0.25
    rate = np.where(often, 4.0, 1.0) / 1.75 * 0.01
    return 1.0 * (rng.random(shape) < rate * (1 + lift)), np.ones(shape), 1.0 * often


def _count(rng, shape, lift):
    taste = rng.gamma(1.0, 1.0, shape)
    return 1.0 * rng.poisson(0.6 * taste * (1 + lift)), np.ones(shape), taste


def _ratio(rng, shape, lift):
    """Orders of sessions: busy people order more often in each."""
    taste = rng.gamma(3.0, 1 / 3, shape)
    sessions = 1.0 + rng.poisson(2 * taste)
    return 1.0 * rng.poisson(sessions * 0.3 * taste * (1 + lift)), sessions, taste


def _retention(rng, shape, lift):
    """30 % come back, known of the two thirds whose window has ended."""
    ended, taste = 1.0 * (rng.random(shape) < 2 / 3), rng.random(shape)
    return ended * (rng.random(shape) < 0.6 * taste * (1 + lift)), ended, taste


def _clusters(rng, shape, lift):
    """Clusters of unlike size with a common part: a user is a hundredth of what varies inside."""
    size = 2.0 + rng.poisson(8 * rng.gamma(2.0, 0.5, shape))
    common = 1 + 0.3 * rng.normal(size=shape)
    return size * (5 + common + rng.normal(size=shape) / np.sqrt(size)) * (1 + lift), size, size * common


def _of(kind: str, draw, *columns: str) -> tuple[Population, Population]:
    """The population without and with its covariate; ratios take the covariate over nothing."""
    return tuple(Population(a_metric(*columns, kind=kind, covariates=covariates), draw) for covariates in ((), ("x",)))


CASES = {
    "mean": _of("mean", _mean, "y"),
    "heavy-tailed revenue": _of("mean", _revenue, "y"),
    "1 % conversion": _of("proportion", _conversion, "y"),
    "count": _of("count", _count, "y"),
    "ratio": _of("ratio", _ratio, "y", "d"),
    "retention": _of("retention", _retention, "y", "d"),
    "mean of clusters": (
        Population(a_metric("y", "d", kind="ratio"), _clusters),
        Population(a_metric("y", "d", kind="ratio", covariates=(("x", "d"),)), _clusters),
    ),
    "90th percentile": (Rows(a_metric("y", kind="quantile", quantile=0.9)),),
    "median": (Rows(a_metric("y", kind="quantile", quantile=0.5)),),
}
# Users (or clusters) of an arm on a day; 250 where nothing is said.
A_DAY = {"mean of clusters": 25, "90th percentile": 40, "median": 40}
