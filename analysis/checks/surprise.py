"""Effects too good to be true: any figure that looks interesting is usually wrong (Twyman's law)."""

from __future__ import annotations

import math

from analysis.checks.subject import Subject
from analysis.readout import Check, Effect
from analysis.words import percent

# Standard deviations at which prior and data contradict each other.
BEYOND_PRIOR = 4.0


def check(subject: Subject) -> list[Check | None]:
    """Is a lift beyond what its metric's `surprise` allows, or beyond the prior that the design states?"""
    return [_look(subject, [effect for effect in effects if effect.segment is None]) for effects in subject.effects]


def _look(subject: Subject, effects: list[Effect]) -> Check | None:
    metrics = {metric.id: metric for metric in subject.experiment.metrics}
    said = []
    for effect in effects:
        metric = metrics[effect.metric]
        why = _beyond(effect, metric.surprise) or _against_prior(subject, effect)
        if why:
            arm = f" in {effect.arm}" if len(subject.collected.arms) > 2 else ""
            said.append(f"{metric.name}{arm}: {percent(effect.relative.estimate)} is {why}")
    sizes = [abs(effect.relative.estimate) for effect in effects if effect.relative.estimate is not None]
    if not sizes:
        return Check("surprise", "unknown", None, None, None, "no lift can be read yet")
    reason = f"{'; '.join(said)}; check the logging before believing it" if said else "no lift is surprisingly large"
    return Check("surprise", "warn" if said else "pass", None, max(sizes), None, reason)


def _beyond(effect: Effect, surprise: float) -> str | None:
    lift = effect.relative
    if lift.estimate is None or lift.lower is None or lift.upper is None or abs(lift.estimate) <= surprise:
        return None
    clear = lift.lower > surprise / 2 or lift.upper < -surprise / 2
    return f"beyond {100 * surprise:g}%" if clear else None


def _against_prior(subject: Subject, effect: Effect) -> str | None:
    """Only a Bayesian design means its prior: under it a posterior mean varies by as much as was learnt of it."""
    prior, posterior = subject.experiment.prior, effect.posterior
    if subject.experiment.inference != "bayesian" or posterior is None:
        return None
    learnt = prior.standard_deviation**2 - posterior.standard_deviation**2
    away = abs(posterior.mean - prior.mean)
    if away <= BEYOND_PRIOR * math.sqrt(max(learnt, 0.0)):
        return None
    return f"more than {BEYOND_PRIOR:g} standard deviations from what the prior expects"
