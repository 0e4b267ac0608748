"""Whether a log says anything about a policy: its support, and how much of it counts."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.offpolicy.interval import Sums, interval
from recsys.offpolicy.logged import Array, Logged, Slates

# Below this share of the log that counts, no estimator is asked.
LEAST_EFFECTIVE = 0.05
# The mean weight is judged at this level: a refusal for it must not come by chance.
ALPHA = 0.001


@dataclass(frozen=True, slots=True)
class Support:
    """How much of a log bears on a policy.

    Attributes:
        decisions: in the log.
        effective: (sum w)^2 / sum w^2: as many decisions of the policy itself would say as much.
        largest: the largest weight.
        mean_weight: 1 but for chance, if the propensities are right and nothing of the policy was out of reach.
        unsupported: the share of the policy's choices that the log could not hold; None where it is not known.
        refused: why no value is given; empty if one is.
    """

    decisions: int
    effective: float
    largest: float
    mean_weight: float
    unsupported: float | None = None
    refused: str = ""

    @property
    def ratio(self) -> float:
        return self.effective / self.decisions


def unsupported_share(target: Array, logging: Array) -> float:
    """The share of the policy's choices at which the logging policy had no chance; both shape (decisions, actions)."""
    return float(np.where(logging > 0, 0.0, target).sum(axis=1).mean())


def support(log: Logged | Slates, unsupported: float | None = None, *, apart: bool = False) -> Support:
    """What `log` can bear, judged by weights alone and never by rewards.

    Of slates the weights down to the last place are judged; with `apart`, those of the place where they are worst.
    """
    if isinstance(log, Slates) and apart:
        places = [(log.each[there, place], log.unit[there]) for place, there in enumerate(log.shown.T) if there.any()]
        return min((_judged(weight, unit, unsupported) for weight, unit in places), key=lambda found: found.ratio)
    return _judged(log.weight if isinstance(log, Logged) else log.cascade[:, -1], log.unit, unsupported)


def _judged(weight: Array, unit: NDArray[np.int64], unsupported: float | None) -> Support:
    mean = float(weight.mean())
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if mean else 0.0
    found = Support(len(weight), effective, float(weight.max()), mean, unsupported)
    return replace(found, refused=_reason(found, weight, unit))


def _reason(found: Support, weight: Array, unit: NDArray[np.int64]) -> str:
    figures = f"effective sample {found.effective:,.0f} of {found.decisions:,} decisions ({found.ratio:.2%})"
    if found.unsupported is not None and found.unsupported > 1e-9:
        return (
            f"Not evaluable: {found.unsupported:.1%} of the policy's choices had no chance when this was logged; "
            f"{figures}. Log with a floor under every choice, then ask again."
        )
    if found.ratio < LEAST_EFFECTIVE:
        return (
            f"Not evaluable: the log holds too little of what this policy would do: {figures}, the least is "
            f"{LEAST_EFFECTIVE:.0%}; the largest weight is {_weight(found.largest)}. Ask for a policy nearer to the "
            "logged one, or log more at random."
        )
    away = _mean_is_away(weight, unit, found.largest)
    if away:
        return (
            "Not evaluable: either the logged propensities are not those that choices were drawn with, or the policy "
            f"chooses what could not be logged: the weights average {found.mean_weight:.3f}, which should be 1 "
            f"({away}); {figures}."
        )
    return ""


def _weight(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else "below 0.001"


def _mean_is_away(weight: Array, unit: NDArray[np.int64], largest: float) -> str:
    """The interval of the mean weight in words, if 1 is not in it."""
    if np.allclose(weight, 1.0):
        return ""
    ones, corners = np.ones(len(weight)), np.array([[0.0, 1.0], [largest, 1.0]])
    around = interval(Sums.by_unit(weight, ones, unit, corners), ALPHA)
    return "" if around.covers(1.0) else f"99.9 % interval {around.lower:.3f} to {around.upper:.3f}"
