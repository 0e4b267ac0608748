"""Beta-binomial mixtures: for walks whose steps lie in a known range, and for proportions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.errors import AnalysisError
from analysis.inference.sequences.mixture import level, positive, solve
from analysis.inference.sequences.normal import rho_for
from analysis.metrics.metric import Array

# A prior must weigh something: this share of a single step's variance at least.
LEAST_PRIOR = 1e-3
# At 1 itself the prior has no weight on failures, and its logarithm no value.
ALMOST_ONE = 1 - 1e-12


@dataclass(frozen=True, slots=True)
class BetaBinomial:
    """For sub-Bernoulli walks: steps from -below to +above, with variance process below x above x steps.

    For successes with chance p, walk = successes - p n, below = p and above = 1 - p: then it is the beta-binomial
    likelihood against the binomial one.

    Source: Howard et al. 2021, beta-binomial mixtures of two sides and of one.
    """

    prior: float
    below: float
    above: float
    sides: int = 2

    @classmethod
    def tuned(cls, variance: float, alpha: float, *, below: float, above: float, sides: int = 2) -> BetaBinomial:
        """Narrowest near `variance`."""
        rho, product = rho_for(variance, alpha, sides=sides), below * above
        return cls(max(rho - product, LEAST_PRIOR * product), below, above, sides)

    def log_e(self, walk: Array, variance: Array) -> Array:
        walk, variance = np.asarray(walk, float), np.asarray(variance, float)
        g, h, width = self.below, self.above, self.below + self.above
        ups, downs = (variance + h * walk) / (h * width), (variance - g * walk) / (g * width)
        likelihood = (ups + downs) * np.log(width) - ups * np.log(g) - downs * np.log(h)
        return np.asarray(likelihood + self._mass(downs, ups) - self._mass(0.0, 0.0))

    def _mass(self, downs: Array | float, ups: Array | float) -> Array:
        g, h, width = self.below, self.above, self.below + self.above
        a, b = self.prior / (g * width) + np.maximum(downs, 0.0), self.prior / (h * width) + np.maximum(ups, 0.0)
        whole = np.asarray(special.betaln(a, b))
        return whole if self.sides == 2 else whole + np.log(special.betainc(a, b, h / width))

    def highest(self, variance: Array) -> Array:
        return np.asarray(variance) / self.below


def proportion_sequence(
    successes: NDArray[np.int64], trials: NDArray[np.int64], alpha: float = 0.05, *, planned_trials: float
) -> tuple[Array, Array]:
    """Lower and upper ends of a proportion, at every look together; for 0 or 1 outcomes one by one.

    Args:
        successes, trials: so far, shape (looks,); a trial's chance of success may not hang on the trials before.
        alpha: error over all looks.
        planned_trials: trials at which the sequence shall be narrowest; a wrong number costs width only.

    Source: Howard et al. 2021, beta-binomial mixture, inverted in p with the mixture tuned at each p.
    """
    k, n = np.broadcast_arrays(np.asarray(successes, float), positive("trials", trials))
    if np.any((k < 0) | (k > n)):
        raise AnalysisError("successes must be between 0 and the trials of the same look.")
    goal, log = -np.log(level(alpha)), -2 * np.log(alpha)
    # In units of one trial's variance p (1 - p): the same at every p.
    unit = max(positive("planned_trials", planned_trials) / (log + np.log1p(log)) - 1, LEAST_PRIOR)

    def gap(p: Array, k: Array, n: Array) -> Array:
        a, b = unit * (1 - p), unit * p
        likelihood = special.xlogy(k, p) + special.xlog1py(n - k, -p)
        return np.asarray(special.betaln(a + (n - k), b + k) - special.betaln(a, b) - likelihood - goal)

    def lowest(k: Array) -> Array:
        # One success may be no evidence against any chance, however small.
        least = np.full(k.shape, 1e-300)
        some = (k > 0) & (gap(least, k, n) > 0)
        return np.where(some, solve(gap, least, np.where(some, np.minimum(k / n, ALMOST_ONE), least), k, n), 0.0)

    return lowest(k), 1 - lowest(n - k)
