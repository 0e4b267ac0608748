"""A readout as plain text, for a terminal."""

from analysis.readout import Effect, Look, MetricPlan, Readout
from analysis.readout.network import NetworkEffect
from analysis.words import percent

CALLS = {
    "ship": "Ship",
    "keep_running": "Keep running",
    "stop": "Stop",
    "review": "Review",
    "blocked": "Don't use these results yet",
}
READINGS = {
    "better": "better",
    "worse": "worse",
    "within_margin": "within margin",
    "beyond_margin": "beyond margin",
    "unclear": "can't tell",
    "unknown": "cannot be read",
}


def as_text(readout: Readout) -> str:
    """The last look: verdict, reasons, checks, effects and segments."""
    look, design = readout.decided, readout.design
    until = f", data until {look.time}" if look.time else ""
    units = ", ".join(f"{arm} {n:,}" for arm, n in look.units.items())
    lines = [
        f"{design.name} ({readout.experiment})",
        f"units: {units}{until}; look {readout.decision.look + 1} of {len(readout.looks)}",
        "",
        CALLS[readout.decision.verdict],
        *(f"  - {reason}" for reason in readout.decision.reasons),
        "",
        "Checks",
    ]
    lines += [f"  {check.verdict:<7} {check.name:<24} {check.reason}" for check in look.checks]
    adjusted = "; means are as measured, lifts are adjusted" if any(plan.covariates for plan in design.metrics) else ""
    lines += ["", f"Effects, {100 * (1 - design.alpha):g}% {design.inference.replace('_', ' ')}{adjusted}"]
    lines += table(
        [_row(effect, plan) for plan in design.metrics for effect in _of(look, plan.id) if effect.segment is None]
    )
    groups = [_row(effect, plan) for plan in design.metrics for effect in _of(look, plan.id) if effect.segment]
    if groups:
        lines += [
            "",
            "Segments (each interval on its own; among many segments a large one is no surprise)",
            *table(groups),
        ]
    lines += _friends(readout)
    lines += ["", "Other choices of the analysis", f"  {_other_choices(readout)}"] if readout.variations else []
    return "\n".join(lines)


def _other_choices(readout: Readout) -> str:
    """Whether any of the choices changes the call, and which."""
    planned = {arm.arm: arm.verdict for arm in readout.decision.arms}
    of = len(planned) > 1
    said = {
        f"“{each.call.replace('_', ' ')}” with {each.name}{f' for {each.arm}' if of else ''}": None
        for each in readout.variations
        if each.call is not None and each.call != planned[each.arm]
    }
    if said:
        return f"The call depends on the analysis: it would be {', '.join(said)}."
    return "The call does not depend on these choices."


def _of(look: Look, metric: str) -> list[Effect]:
    return [effect for effect in look.effects if effect.metric == metric]


def _friends(readout: Readout) -> list[str]:
    """Effects among friends on primary metrics, where clusters were randomised or an effect reaches control units."""
    network, checks = readout.network, readout.looks[-1].checks
    reached = any(check.name == "spillover" and check.verdict == "warn" for check in checks)
    if network is None or not (reached or network.randomised == "clusters"):
        return []
    plans = {plan.id: plan for plan in readout.design.metrics if plan.role == "primary"}
    rows = [
        (plans[e.metric].name, e.arm, e.contrast.replace("_", " "), *_figures(e, plans[e.metric]))
        for e in network.effects
        if e.metric in plans and e.relative.lower is not None
    ]
    title = f"Friends, at the last look ({network.friendships:,} friendships of {network.with_friends:,} units)"
    return ["", title, *table(rows)] if rows else []


def _row(effect: Effect, plan: MetricPlan) -> tuple[str, ...]:
    where = f"{effect.segment.dimension} = {effect.segment.value}" if effect.segment else effect.role
    return plan.name, effect.arm, where, *_figures(effect, plan), READINGS[effect.reading]


def _figures(effect: Effect | NetworkEffect, plan: MetricPlan) -> tuple[str, ...]:
    """Means, lift, its interval, and the p-value."""
    means = " → ".join(
        "–" if mean is None else f"{mean * plan.scale:.5g}" for mean in (effect.means.control, effect.means.treatment)
    )
    relative = effect.relative
    fits = (
        f"{percent(relative.lower)} to {percent(relative.upper)}"
        if relative.lower is not None
        else relative.reason or ""
    )
    lift = "–" if relative.estimate is None else percent(relative.estimate)
    p = "" if effect.p_value is None else "p < 0.001" if effect.p_value < 0.001 else f"p = {effect.p_value:.3f}"
    return f"{means} {plan.unit}".rstrip(), lift, fits, p


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines, with columns of one width each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
