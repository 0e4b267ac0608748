"""The Bayesian counterpart of estimates: credible intervals from a normal prior on the lift."""

from __future__ import annotations

import numpy as np

from analysis.effects import Contrast
from analysis.inference import bayes
from analysis.inference.estimates import Cell, number, readings
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.readout import Estimate, Posterior, Prior, Reading

# The error of a lift hangs on the lift itself; the posterior mean settles within these steps.
STEPS = 8


class CredibleEstimates:
    """A contrast under a prior, as arrays over (looks, segments); the estimates are posterior means."""

    def __init__(self, contrast: Contrast, prior: Prior, alpha: float) -> None:
        self.contrast, self.alpha = contrast, alpha
        base = np.abs(contrast.control)
        error = np.where(contrast.standard_error > 0, contrast.standard_error, np.nan)
        belief = bayes.Prior(prior.mean, prior.standard_deviation)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.lift = _posterior_lift(belief, contrast, error)
            self.difference = bayes.posterior(belief.scaled(base), contrast.difference, error)

    def absolute(self, cell: Cell) -> Estimate:
        """The difference, in the metric's unit."""
        return self._estimate(self.difference, cell)

    def relative(self, cell: Cell) -> Estimate:
        """The lift."""
        return self._estimate(self.lift, cell)

    def p_value(self, cell: Cell) -> None:
        """A posterior has none."""
        del cell

    def readings(self, metric: Metric) -> list[list[Reading]]:
        """What each cell says of the metric: clear where the credible interval is on one side."""
        good = 1 if metric.direction == "increase" else -1
        low, high = np.sort(good * np.stack(self.lift.interval(self.alpha)), axis=0)
        return readings(low, high, None if metric.margin is None else (low + metric.margin, high + metric.margin))

    def posteriors(self, metric: Metric) -> list[Posterior | None]:
        """The posterior of the lift among all units, look by look; None where it cannot be known."""
        good = 1 if metric.direction == "increase" else -1
        lower, upper = self.lift.interval(self.alpha)
        numbers = (
            self.lift.mean,
            self.lift.sd,
            lower,
            upper,
            self.lift.chance_to_beat_control(good),
            self.lift.loss_of_shipping(good),
            self.lift.loss_of_keeping(good),
        )
        rows = np.stack([each[:, 0] for each in numbers], axis=-1)
        return [Posterior(*row) if np.isfinite(row).all() else None for row in rows.tolist()]

    def _estimate(self, belief: bayes.Posterior, cell: Cell) -> Estimate:
        if not np.isfinite(belief.mean[cell]):
            refused = self.contrast.refused[cell] if self.contrast.refused is not None else None
            reason = refused or "the control value is 0, or an arm has too few units that differ"
            return Estimate(None, None, None, None, str(reason))
        lower, upper = belief.interval(self.alpha)
        return Estimate(number(belief.mean[cell]), number(belief.sd[cell]), number(lower[cell]), number(upper[cell]))


def _posterior_lift(belief: bayes.Prior, contrast: Contrast, error: Array) -> bayes.Posterior:
    """The posterior of the lift, whose likelihood has the error of the lift that is believed.

    The error by the delta method is that at the estimated lift: it grows with it, so that large lifts would be doubted
    too much and small ones too little. With few conversions intervals then miss more often than they say.
    """
    lift = contrast.difference / np.abs(contrast.control)
    believed = bayes.posterior(belief, lift, np.where(np.isnan(error), np.nan, contrast.relative_standard_error))
    for _ in range(STEPS):
        at = contrast.against_margin(believed.mean)[1] / np.abs(contrast.control)
        believed = bayes.posterior(belief, lift, np.where(np.isnan(error), np.nan, at))
    return believed
