"""Covariates that do not behave: one arm's slope against the other's, or a metric that falls with its own past."""

from __future__ import annotations

import numpy as np

from analysis.checks.subject import Subject
from analysis.metrics.metric import Array
from analysis.readout import Check
from analysis.variables import Variable

# Standard errors by which a slope is called positive or negative: chance shows that at 28 looks once in a thousand.
CLEAR = 4.5


def check(subject: Subject) -> list[Check | None]:
    """Do slopes have the sign that they should? Silent where no mean has a covariate."""
    said: list[list[str]] = [[] for _ in subject.units]
    compared = 0
    for metric in subject.experiment.metrics:
        for quantity in metric.covariates:
            if metric.outcome.denominator or quantity.denominator:
                continue
            compared += 1
            y, x = metric.outcome.numerator, quantity.numerator
            z = _slope_z(subject, y, x)
            falls, flips = (z < -CLEAR).any(axis=-1), (z > CLEAR).any(axis=-1) & (z < -CLEAR).any(axis=-1)
            for k in np.flatnonzero(flips):
                said[k].append(f"{metric.name} rises with {x.name} in one arm and falls in another")
            for k in np.flatnonzero(falls & ~flips) if x.pre and (x.value, x.where) == (y.value, y.where) else ():
                said[k].append(f"units with more {metric.name} before exposure have less after it")
    if not compared:
        return [None] * len(said)
    doubt = "; check what the covariate is, and that it is from before exposure"
    return [
        Check(
            "covariates",
            "warn" if here else "pass",
            None,
            float(len(here)),
            0.0,
            "; ".join(here) + doubt if here else "every slope has a plausible sign",
        )
        for here in said
    ]


def _slope_z(subject: Subject, outcome: Variable, covariate: Variable) -> Array:
    """Slope over its standard error, in each arm, shape (looks, arms); nan where it cannot be known."""
    arms = subject.collected.moments[:, 0].select((outcome, covariate))
    v = arms.covariance
    with np.errstate(divide="ignore", invalid="ignore"):
        square = v[..., 0, 1] ** 2 / (v[..., 0, 0] * v[..., 1, 1])
        return np.asarray(np.sign(v[..., 0, 1]) * np.sqrt(square * (arms.n - 2) / (1 - square)))
