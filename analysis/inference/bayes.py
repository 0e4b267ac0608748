"""The Bayesian reading: a normal prior on an effect, its posterior, and what a decision may cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.metrics.metric import Array


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal belief about an effect before the data, in the effect's unit: lifts are shares of the control value.

    Attributes:
        mean: shape (...).
        sd: standard deviation, above 0, shape (...); inf for a flat prior.
    """

    mean: float | Array = 0.0
    sd: float | Array = np.inf

    def scaled(self, factor: Array) -> Prior:
        """The same belief in another unit: |control| turns a lift into a difference, 1 / |control| back."""
        return Prior(self.mean * factor, self.sd * factor)


@dataclass(frozen=True, slots=True)
class Posterior:
    """Normal belief about an effect after the data; mean and standard deviation of shape (...).

    `good` is 1 where the metric should increase and -1 where it should decrease.
    """

    mean: Array
    sd: Array

    def interval(self, alpha: float) -> tuple[Array, Array]:
        """Lower and upper ends of the central credible interval that holds 1 - alpha."""
        half = -special.ndtri(alpha / 2) * self.sd
        return self.mean - half, self.mean + half

    def chance_to_beat_control(self, good: int) -> Array:
        """Chance that the effect is in the good direction."""
        return np.asarray(special.ndtr(good * self.mean / self.sd))

    def loss_of_shipping(self, good: int) -> Array:
        """Expected loss of shipping the treatment, in the effect's unit: what it is worse by, 0 where it is better."""
        z = good * self.mean / self.sd
        density = np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)
        return np.asarray(self.sd * np.maximum(density - z * special.ndtr(-z), 0.0))

    def loss_of_keeping(self, good: int) -> Array:
        """Expected loss of keeping control, in the effect's unit: what the treatment is better by, 0 where worse."""
        return self.loss_of_shipping(-good)


def posterior(prior: Prior, estimate: Array, standard_error: Array) -> Posterior:
    """The prior updated by a normal estimate of the same unit, shape (...); nan where the standard error is.

    Source: Gelman et al., Bayesian Data Analysis, third edition 2013, equation 2.10.
    """
    precision = 1 / np.square(standard_error)
    prior_precision = 1 / np.square(prior.sd)
    total = precision + prior_precision
    return Posterior((precision * estimate + prior_precision * prior.mean) / total, np.sqrt(1 / total))
