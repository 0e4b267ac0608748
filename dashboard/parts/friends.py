"""Among friends: what the treatment does to a unit itself, and what reaches it through its friends."""

from analysis.readout import MetricPlan, Readout
from analysis.readout.network import Network, NetworkContrast, NetworkEffect
from dashboard.parts import html, numbers, picks, words
from dashboard.parts.compare import Line, table
from dashboard.parts.words import Word

# Each contrast by its name, and what it compares.
NAMES: dict[NetworkContrast, tuple[str, str]] = {
    "direct": ("Direct", "treated or not, few friends treated"),
    "spillover_untreated": ("Spillover", "many friends treated or few, not treated"),
    "spillover_treated": ("Spillover on the treated", "many friends treated or few, treated"),
    "total": ("Total", "treated among many, or not among few"),
    "without_friends": ("Without friends here", "treated or not"),
    "dose_untreated": ("Along the share of friends", "all friends treated or none, not treated"),
    "dose_treated": ("Along the share, treated", "all friends treated or none, treated"),
}


def section(readout: Readout, arm: str) -> str:
    """What reaches control units, then every contrast of the primary metrics; empty where no two units are friends."""
    network, plans = readout.network, picks.plans(readout)
    if network is None:
        return ""
    groups: dict[str, list[NetworkEffect]] = {}
    for effect in network.effects:
        if effect.arm == arm and plans[effect.metric].role == "primary":
            groups.setdefault(effect.metric, []).append(effect)
    said = " ".join(_reached(effects, plans[metric]) for metric, effects in groups.items())
    if any(check.name == "spillover" and check.verdict == "warn" for check in readout.looks[-1].checks):
        said += " The lift leaves that out: randomise whole communities of friends."
    known = (
        f"{network.with_friends:,} of {words.count(network.units, words.member(readout))} have friends in the "
        f"experiment, and {numbers.percent(network.share_inside, 0)} of the {network.friendships:,} friendships stay "
        f"inside one of {network.communities:,} communities."
    )
    return html.said(said) + html.line(known) + (_contrasts(readout, network, groups) if groups else "")


def _reached(effects: list[NetworkEffect], plan: MetricPlan) -> str:
    """What control gets through friends in one sentence: along the dose where units were randomised one by one."""
    found = {effect.contrast: effect for effect in effects}
    dose = found.get("dose_untreated")
    lift = (dose or found["spillover_untreated"]).relative
    if lift.estimate is None or lift.lower is None:
        return ""
    decimals = numbers.lift_decimals(lift)
    between = "from no friend treated to all" if dose else "from few friends treated to many"
    sure = "" if picks.excludes_zero(lift) else ": can’t tell yet"
    return (
        f"What friends pass on to control: {plan.name} {numbers.lift(lift.estimate, decimals)} "
        f"({numbers.lift_span(lift, decimals)}) {between}{sure}."
    )


def _contrasts(readout: Readout, network: Network, groups: dict[str, list[NetworkEffect]]) -> str:
    """Every contrast on one axis; under it what many means, and who is left out, the same whatever the metric."""
    plans, level = picks.plans(readout), f"{100 * (1 - readout.design.alpha):g}%"
    lines = {plans[metric].name: [_line(e, plans[metric]) for e in effects] for metric, effects in groups.items()}
    left = [f"{e.left_out:,} ({NAMES[e.contrast][0]})" for e in next(iter(groups.values())) if e.left_out]
    out = f" Left out, since they hardly ever get to one of the two sides: {words.listed(left)}." if left else ""
    many = f"Many friends: {numbers.percent(network.threshold, 0)} or more of those in the experiment."
    drawn = table(
        ("Effect", "Units", f"Lift, {level} interval", "Reading"), lines, muted=readout.decision.verdict == "blocked"
    )
    return f'{drawn}<p class="legend">{html.text(many + out)}</p>'


def _line(effect: NetworkEffect, plan: MetricPlan) -> Line:
    name, compares = NAMES[effect.contrast]
    return Line(
        name,
        effect.relative,
        compares,
        beside=f"{effect.n.total:,.0f}",
        word=_word(effect, plan),
        after="" if effect.p_value is None else numbers.p_value(effect.p_value),
    )


def _word(effect: NetworkEffect, plan: MetricPlan) -> Word:
    lift = effect.relative
    if not picks.excludes_zero(lift):
        return words.READINGS["unknown" if lift.lower is None else "unclear"]
    rises = (lift.estimate or 0.0) > 0
    return words.READINGS["better" if rises == (plan.direction == "increase") else "worse"]
