"""What would make the decision another one: how far each deciding number is from its line, and what would move it."""

from __future__ import annotations

from analysis.experiment import Experiment
from analysis.metrics import Metric
from analysis.readout import Call, Effect, Estimate, Look
from analysis.words import percent

# More than so many times the units of now are not worth naming.
TOO_MANY = 20.0
# Of a blocked readout.
MEND = "It can be used again once the cause is found and mended, and the units that it touched are left out."


def what_would_change(experiment: Experiment, look: Look, arm: str, call: Call) -> tuple[str, ...]:
    """Sentences, those of primary metrics first; empty where nothing deciding can be read."""
    effects = {effect.metric: effect for effect in look.effects if effect.arm == arm and effect.segment is None}
    said = []
    for metric in experiment.metrics:
        effect = effects[metric.id]
        family = effect.family
        shown = family.relative if family else effect.relative
        if metric.role == "secondary" or shown.lower is None or shown.upper is None or shown.estimate is None:
            continue
        line = -metric.margin if metric.role == "guardrail" and metric.margin is not None else 0.0
        among = f" among {family.size} comparisons" if family and family.size > 1 else ""
        said.append(_distance(metric, effect, shown, line, f"the interval{among}", shipping=call == "ship"))
    return tuple(sentence for sentence in said if sentence)


def _distance(
    metric: Metric, effect: Effect, shown: Estimate, line: float, interval: str, *, shipping: bool
) -> str | None:
    """Where the end that matters is, against the line that it must keep to, in the direction that is good."""
    good = 1 if metric.direction == "increase" else -1
    ends = sorted((good * (shown.lower or 0.0), good * (shown.upper or 0.0)))
    estimate = good * (shown.estimate or 0.0)
    what = "zero" if line == 0 else f"its margin of {percent(good * line)}"
    end = percent(good * ends[0])
    # An end at the line itself is open: it comes from a family in which the claim is made.
    if ends[0] >= line:
        return f"{metric.name}: it would not ship if {interval} reached {what}; it ends at {end}." if shipping else None
    if ends[1] < line:
        return f"{metric.name}: {interval}, up to {percent(good * ends[1])}, is wholly on the bad side of {what}."
    needed = f"{metric.name}: {interval}, now from {end}, must clear {what}"
    if estimate <= line:
        return f"{needed}; the estimate of {percent(good * estimate)} would have to turn."
    times = ((estimate - ends[0]) / (estimate - line)) ** 2
    if times > TOO_MANY:
        return f"{needed}; with this lift that takes more than {TOO_MANY:.0f} times the units."
    more = _rounded((times - 1) * effect.n.total)
    return f"{needed}; if the lift stays {percent(good * estimate)}, about {more:,} more units do it."


def _rounded(units: float) -> int:
    """Two leading digits, upwards: the figure is no better than that."""
    scale = 10 ** max(0, len(str(int(units))) - 2)
    return int(-(-units // scale) * scale)
