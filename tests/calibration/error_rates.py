"""How often intervals miss the truth, by rule, looks, metric and covariate, through the readout's own arithmetic."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.group_sequential import GroupSequential, Spending
from analysis.inference.credible import CredibleEstimates
from analysis.inference.estimates import Estimates
from analysis.inference.intervals import ConfidenceSequence, FixedHorizon
from analysis.readout import Prior
from tests.calibration.populations import DAYS, Population, Rows

ALPHA, BATCH = 0.05, 100
PRIOR = Prior(0.0, 0.1)
SCHEDULES = {1: [DAYS - 1], 5: [5, 11, 16, 22, DAYS - 1], DAYS: list(range(DAYS))}


@dataclass(frozen=True)
class Rate:
    """Misses of the true lift among runs; for a posterior among runs and looks, which it promises on average only."""

    rule: str
    looks: int
    misses: int
    runs: int

    @property
    def promised(self) -> bool:
        """Whether the rule promises anything: an interval for one look does not for several."""
        return self.rule != "fixed" or self.looks == 1

    @property
    def too_many(self) -> bool:
        """Whether more miss than a binomial with the promised rate could give once in a thousand studies."""
        return bool(stats.binomtest(self.misses, self.runs, ALPHA, alternative="greater").pvalue < 0.001)


def rates(population: Population | Rows, runs: int, a_day: int, lift: float, seed: int) -> list[Rate]:
    """Rates of every rule and number of looks; for the Bayesian rule the true lifts come from its prior."""
    found: dict[tuple[str, int], list[int]] = {}
    for batch in range(runs // BATCH):
        rng = np.random.default_rng([seed, batch])
        fixed_lift, drawn = np.full(BATCH, lift), rng.normal(PRIOR.mean, PRIOR.standard_deviation, BATCH)
        for lifts, bayesian in ((fixed_lift, False), (drawn, True)):
            used, thin = population.contrast(rng, BATCH, a_day, lifts)
            for looks, days in SCHEDULES.items():
                for rule, missed in _missed(used[days], thin[days], lifts, days, a_day, bayesian):
                    total = found.setdefault((rule, looks), [0, 0])
                    total[0] += int(missed.sum())
                    total[1] += missed.size
    return [Rate(rule, looks, *counts) for (rule, looks), counts in found.items()]


def _missed(used, thin, lifts, days, a_day, bayesian):
    """By rule, in which runs some look's interval left out the truth."""
    if bayesian:
        credible = CredibleEstimates(used, PRIOR, ALPHA)
        lower, upper = credible.lift.interval(ALPHA)
        outside = (lifts < lower[-1]) | (upper[-1] < lifts)
        yield "bayesian", outside[np.isfinite(lower[-1])]
        return
    time = tuple((day + 1) / DAYS for day in days)
    rules = (
        FixedHorizon(),
        ConfidenceSequence(2.0 * DAYS * a_day, ALPHA),
        GroupSequential(time, Spending(), alpha=ALPHA),
    )
    for rule in rules:
        one = Estimates(used, rule, ALPHA, None if isinstance(rule, FixedHorizon) else thin)
        # The pivot against the true lift: what the interval of the lift is made from, where it is bounded and where not.
        distance = used.treatment - (1 + lifts) * used.control
        v, r = used.covariance, 1 + lifts
        error = np.sqrt(v[..., 1, 1] - 2 * r * v[..., 0, 1] + r**2 * v[..., 0, 0])
        with np.errstate(invalid="ignore"):
            yield rule.kind, (np.abs(distance) > one.critical * error).any(axis=0)
