"""A plan: what the planned units can show, in how many days, and what each way to read them costs."""

from analysis.planning.result import Answer, Forecast, Plan, Price
from dashboard.parts import html, numbers, words
from dashboard.parts.rules import NAMES


def card(plan: Plan, noun: str) -> str:
    """The three numbers, and what they mean in one sentence each."""
    many = words.count(plan.planned_units, noun)
    facts = (
        ("Smallest detectable effect", _size(plan.lift), f"with power {numbers.percent(plan.power, 0)}"),
        ("Days", "–" if plan.days is None else f"{plan.days}", f"until {many} are in"),
        ("Share of traffic", _share(plan.share), "of the units of those days" if plan.share else "not known"),
    )
    cells = "".join(
        f"<div><dt>{label}</dt><dd>{html.text(value)}<small>{html.text(below)}</small></dd></div>"
        for label, value, below in facts
    )
    past = f"the {plan.days_of_past} days from {numbers.day(plan.start)}" if plan.start else "the rows of the table"
    return (
        f'<section class="card"><div class="main"><dl class="facts lead">{cells}</dl>'
        f'<p class="say">{html.text(_found(plan, noun))}</p><p class="rule">Worked out from {html.text(past)}, as the '
        f"plan is read: {html.text(NAMES[plan.inference].lower())}.</p></div></section>"
    )


def _found(plan: Plan, noun: str) -> str:
    asked = [] if plan.effect is None else [f"a lift of {_size(plan.effect)}"]
    asked += ["every guardrail’s margin"] if any(m.metric.role == "guardrail" for m in plan.metrics) else []
    if not asked:
        return "State the effect that you want to find, to see what it takes."
    if plan.suggested_units is None:
        return f"What it takes to show {words.listed(asked)} cannot be told."
    days = f"{plan.suggested_days} days" if plan.suggested_days else "longer than 12 weeks"
    many = words.count(plan.suggested_units, noun)
    enough = "that is inside the plan" if plan.suggested_units <= plan.planned_units else "more than is planned"
    return f"To show {words.listed(asked)} takes {many} ({days}): {enough}."


def warnings(plan: Plan) -> list[str]:
    """What a reader must know first, each a sentence."""
    own = [f"{m.metric.name}: {m.reason}" for m in plan.metrics if m.reason]
    told = [f"{m.metric.name}: {warning}" for m in plan.metrics for warning in m.warnings]
    return [f"{words.sentence_case(said.rstrip('.'))}." for said in (*plan.warnings, *own, *told)]


def overlaps(plan: Plan) -> list[str]:
    """Running experiments that may meet the same units, each a sentence."""
    return [
        f"{other.name}: "
        + (
            f"in the same layer {other.layer}, so no unit is in both, and they share the traffic."
            if other.same_layer
            else f"{numbers.percent(other.share, 0)} of these units are in it too."
        )
        for other in plan.overlaps
    ]


def table(plan: Plan) -> str:
    """Every metric under every way to read."""
    body = "".join(_metric(forecast) for forecast in plan.metrics)
    at = f"Power at {_size(plan.effect)}" if plan.effect is not None else "Power at its margin"
    heads = ("Way to read", "Smallest effect", at, "Units needed", "Days")
    head = "".join(f'<th scope="col">{html.text(name)}</th>' for name in heads)
    return (
        f'<table class="plain answers"><thead><tr>{head}</tr></thead>{body}</table>'
        '<p class="legend">Of a guardrail: the smallest margin that can be shown to hold where nothing changes; its '
        "power, units and days are for its own margin. Units are of all arms together.</p>"
    )


def _metric(forecast: Forecast) -> str:
    metric = forecast.metric
    value = "" if forecast.value is None else numbers.values(forecast.value, None, metric)[0]
    saved = f"covariates save {numbers.percent(forecast.variance_reduction, 0)}" if forecast.variance_reduction else ""
    margin = f"margin {numbers.percent(metric.margin)}" if metric.margin else ""
    under = " · ".join(html.text(part) for part in (metric.role, value, margin, saved) if part)
    title = (
        f'<tr class="group"><th scope="colgroup" colspan="5">{html.text(metric.name)}<small>{under}</small></th></tr>'
    )
    if forecast.reason:
        return f'<tbody>{title}<tr><td colspan="5" class="why">{html.text(forecast.reason)}</td></tr></tbody>'
    rows = "".join(_answer(answer, own=not k) for k, answer in enumerate(forecast.answers))
    return f"<tbody>{title}{rows}</tbody>"


def _answer(answer: Answer, *, own: bool) -> str:
    name = f"{NAMES[answer.inference]}{' (the plan’s)' if own else ''}"
    cells = (
        _size(answer.lift),
        "–" if answer.power is None else numbers.percent(answer.power, 0),
        "–" if answer.units is None else f"{answer.units:,}",
        "–" if answer.days is None else f"{answer.days}",
    )
    shown = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr class="{"own" if own else "other"}"><th scope="row">{html.text(name)}</th>{shown}</tr>'


def price(plan: Plan) -> str:
    """What each way to read the planned units costs."""
    heads = ("Way to read", "Looks", "Wrong claims", "Power", "Width", "Ends at", "Units")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(_price(each) for each in plan.price)
    return (
        f'<table class="plain answers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        '<p class="legend">Wrong claims: how often it calls something clear though nothing changed. Power: of the '
        "effect that one look finds with the plan’s power. Ends at: mean share of the planned units, where that effect "
        "is there. Width of the last interval, and units for the same power: against an interval that is read once.</p>"
    )


def _price(price: Price) -> str:
    claims = numbers.percent(price.false_positives)
    cells = (
        f"{price.looks}",
        claims if price.valid else f'<span class="bad">{claims}</span>',
        numbers.percent(price.power, 0),
        f"{price.width:.2f}×",
        numbers.percent(price.expected_units, 0),
        f"{price.needed_units:.2f}×" if price.valid else "not valid",
    )
    shown = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{html.text(words.sentence_case(price.rule))}</th>{shown}</tr>'


def snippet(plan: Plan) -> str:
    """The lines for the experiment file, with where they come from."""
    units, days = plan.suggested_units, plan.suggested_days
    if units is None:
        units, days = plan.planned_units, plan.days
    shown = _size(plan.lift if plan.suggested_units is None or plan.effect is None else plan.effect)
    takes = f"in {days} days" if days else "in more than 12 weeks" if plan.traffic else "whenever they come"
    past = f"from the {plan.days_of_past} days from {plan.start}" if plan.start else "from the rows of the table"
    return (
        f"# for the table [experiment]: a lift of {shown} with power {plan.power:g}, {takes}; worked out {past}\n"
        f'inference = "{plan.inference}"\nplanned_units = {units}\n'
    )


def _size(lift: float | None) -> str:
    return "–" if lift is None else numbers.percent(lift, max(1, numbers.significant(100 * lift, 2)))


def _share(share: float | None) -> str:
    return "–" if share is None else numbers.percent(share, max(0, numbers.significant(100 * share, 2)))
