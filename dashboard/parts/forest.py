"""The table of effects: one row a metric, its lift drawn as an interval on an axis that all rows share."""

from urllib.parse import urlencode

from analysis.readout import Effect, MetricPlan, Readout
from dashboard.parts import axis, compare, html, numbers, picks, words
from dashboard.parts.axis import Axis
from dashboard.parts.words import Tone


def table(readout: Readout, arm: str, *, unadjusted: bool, muted: bool = False, linked: bool = True) -> str:
    """All metrics of one arm at the latest look, grouped by role; a linked name leads to the metric's own page."""
    look, plans = readout.looks[-1], picks.plans(readout)
    effects = {effect.metric: effect for effect in picks.overall(look, arm)}
    shown = [(plan, effects[plan.id]) for plan in plans.values() if plan.id in effects]
    if not shown:
        return '<p class="line">This look has no effects for this arm.</p>'
    shared, body, role = _axis(readout, arm), "", ""
    for plan, effect in shown:
        if plan.role != role:
            role = plan.role
            body += f'<tr class="group"><th scope="colgroup" colspan="5">{words.ROLES[role]}</th></tr>'
        body += _row(plan, effect, shared, unadjusted=unadjusted, name=_name(readout, plan, arm, linked))
    adjusted = any(effect.adjustment for _, effect in shown)
    heads = ("Metric", f"{readout.design.control} → {arm}", f"Lift, {words.level(shown[0][1])} interval", "Reading")
    framed = compare.frame(body, shared, heads, "forest", muted=muted)
    return framed + _legend(shown, adjusted and unadjusted, adjusted)


def arms(readout: Readout, chosen: str, *, unadjusted: bool, muted: bool = False) -> str:
    """The primary metric of every treatment arm, each with what the rule says of it."""
    look, plan = readout.looks[-1], picks.primary(readout)
    found = [(arm, picks.effect_of(look, plan.id, arm)) for arm in picks.treatments(readout)]
    shown = [(arm, effect) for arm, effect in found if effect is not None]
    if not shown:
        return ""
    shared, body = _axis(readout, chosen), ""
    for arm, effect in shown:
        word = words.CALLS[picks.decided(readout, arm).verdict]
        current = ' aria-current="true"' if arm == chosen else ""
        button = (
            f'<button type="button" data-event="arm" data-value="{html.text(arm)}"{current}>{html.text(arm)}</button>'
        )
        name = f"{button}<small>{html.text(word.text)}</small>"
        body += _row(plan, effect, shared, unadjusted=unadjusted, name=name)
    lift = f"Lift, {words.level(shown[0][1])} interval"
    heads = (f"{plan.name} by arm", f"{readout.design.control} → arm", lift, "Reading")
    return compare.frame(body, shared, heads, "forest", muted=muted)


def _axis(readout: Readout, arm: str) -> Axis:
    """One axis for both tables: every metric of this arm, and the primary metric of every arm."""
    look, first = readout.looks[-1], picks.primary(readout)
    others = [picks.effect_of(look, first.id, other) for other in picks.treatments(readout) if other != arm]
    effects = [*picks.overall(look, arm), *(effect for effect in others if effect)]
    margins = [_limit(plan) for plan in readout.design.metrics if plan.role == "guardrail" and plan.margin]
    drawn = [e for effect in effects for e in (effect.relative, effect.unadjusted.relative)]
    focus = [effect.relative for effect in effects if effect.metric == first.id]
    return axis.fit(drawn, [1.25 * margin for margin in margins], focus)


def _name(readout: Readout, plan: MetricPlan, arm: str, linked: bool) -> str:
    hint = "<small>lower is better</small>" if plan.direction == "decrease" else ""
    if not linked:
        return html.text(plan.name) + hint
    href = f"metric?{urlencode({'exp': readout.experiment, 'metric': plan.name, 'arm': arm})}"
    event = f'data-event="metric" data-value="{html.text(plan.id)}"'
    return f'<a href="{html.text(href)}" {event}>{html.text(plan.name)}</a>{hint}'


def _row(plan: MetricPlan, effect: Effect, shared: Axis, *, unadjusted: bool, name: str) -> str:
    word = words.among(effect)
    control, treatment = numbers.values(effect.means.control, effect.means.treatment, plan)
    return (
        f'<tr><th scope="row">{name}</th>'
        f'<td class="means">{html.text(control)} <span class="to">→</span> {html.text(treatment)}</td>'
        f'<td class="plot">{_drawing(plan, effect, shared, word.tone, unadjusted)}</td>'
        f'<td class="num">{lift_cell(effect)}</td><td class="reading">{html.marked(word)}</td></tr>'
    )


def lift_cell(effect: Effect) -> str:
    """A lift over its interval and that of its family, or why there is none."""
    family, cell = effect.family, compare.lift_cell(effect.relative, words.why_none(effect))
    if family is None or family.size < 2 or family.p_value is None or effect.relative.lower is None:
        return cell
    matched = numbers.lift_span(family.relative, numbers.lift_decimals(family.relative))
    return f"{cell}<small>among {family.size}: {matched}</small>"


def _drawing(plan: MetricPlan, effect: Effect, shared: Axis, tone: Tone, unadjusted: bool) -> str:
    raw = unadjusted and effect.adjustment is not None and effect.unadjusted.relative.lower is not None
    bounded = effect.relative.lower is not None or effect.relative.upper is not None
    if not raw and not bounded:
        return ""
    body = _zone(plan, shared) + axis.rule(shared)
    if raw:
        body += axis.bar(shared, effect.unadjusted.relative, "open", y=27.5, thick=1.8, hollow=False)
    if bounded:
        body += axis.bar(shared, effect.relative, tone, y=14 if raw else 18, thick=6)
    return axis.drawing(body, html.text(_alt(plan, effect)))


def _zone(plan: MetricPlan, shared: Axis) -> str:
    """The side of the axis that the guardrail must stay out of."""
    if plan.role != "guardrail" or not plan.margin:
        return ""
    at = shared.at(_limit(plan))
    left, width = (at, 100 - at) if plan.direction == "decrease" else (0, at)
    return (
        f'<rect class="zone" x="{left}%" width="{round(width, 3)}%" y="1" height="{axis.HEIGHT - 2}"/>'
        f'<line class="margin" x1="{at}%" x2="{at}%" y1="1" y2="{axis.HEIGHT - 1}"/>'
    )


def _limit(plan: MetricPlan) -> float:
    """The guardrail's margin on the side that harms."""
    return (plan.margin or 0.0) if plan.direction == "decrease" else -(plan.margin or 0.0)


def _alt(plan: MetricPlan, effect: Effect) -> str:
    margin = f" Its margin is {numbers.lift(_limit(plan))}." if plan.role == "guardrail" and plan.margin else ""
    return words.in_words(effect, plan) + margin


def _legend(shown: list[tuple[MetricPlan, Effect]], raw: bool, adjusted: bool) -> str:
    parts = [
        "Thick bar: adjusted for what was known before." if adjusted else "Bar: the interval; ring: the best estimate."
    ]
    if raw:
        parts.append("Thin grey: not adjusted.")
    if adjusted:
        parts.append("The arms’ values are as measured.")
    if any(effect.family and effect.family.size > 1 for _, effect in shown):
        parts.append("Among n: the interval that allows for n comparisons judged together.")
    if any(plan.role == "guardrail" and plan.margin for plan, _ in shown):
        parts.append("Shaded: beyond the margin agreed for a guardrail.")
    return f'<p class="legend">{" ".join(parts)}</p>'
