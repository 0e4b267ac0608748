"""Look by look: how the estimate and its interval settled, as one Plotly figure built from plain dicts."""

from typing import Any

from analysis.readout import Effect, Look, MetricPlan
from dashboard.parts import numbers, picks, rules, words
from dashboard.parts.axis import Axis
from dashboard.parts.palette import Palette
from dashboard.parts.rules import Points

HEIGHT = 330
WAITING = f'<p class="line" style="height:{HEIGHT}px" data-when-painted="painted">Drawing the chart …</p>'


def figure(points: Points, colours: Palette, *, blocked: bool = False) -> dict[str, Any]:
    """The band, the estimate with filled dots once clear, and a dotted fixed-horizon interval for contrast."""
    since = None if blocked else picks.clear_since(points)
    colour = colours.neutral if blocked else _colour(points[-1][1], colours)
    dated = all(numbers.moment(look.time) for look, _ in points)
    x = [look.time if dated else position + 1 for position, (look, _) in enumerate(points)]
    kind = points[-1][1].interval.kind
    name = f"{words.level(points[-1][1])} interval: {rules.NAMES[kind].lower()}, {rules.HOLDS[kind]}"
    traces = [*_band(x, points, colour, name), *_fixed(x, points, colours), *_line(x, points, since, colour, colours)]
    return {"data": traces, "layout": _layout(x, points, since, colour, colours)}


def alt(points: Points, plan: MetricPlan) -> str:
    """The figure in one sentence."""
    since = picks.clear_since(points)
    clear = "never clear of zero" if since is None else f"clear of zero since look {since + 1}"
    return f"{plan.name} at {words.count(len(points), 'look')}: {clear}. Latest: {words.in_words(points[-1][1], plan)}"


def _band(x: list[Any], points: Points, colour: str, name: str) -> list[dict[str, Any]]:
    edge = {"type": "scatter", "x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    lower, upper = ([getattr(effect.relative, end) for _, effect in points] for end in ("lower", "upper"))
    return [
        {**edge, "y": lower, "showlegend": False},
        {**edge, "y": upper, "fill": "tonexty", "fillcolor": _faded(colour, 0.18), "name": name},
    ]


def _fixed(x: list[Any], points: Points, colours: Palette) -> list[dict[str, Any]]:
    fixed = [effect.by_rule("fixed") for _, effect in points]
    if points[-1][1].interval.kind == "fixed" or not any(fixed):
        return []
    dots = {"type": "scatter", "x": x, "mode": "lines", "hoverinfo": "skip", "legendgroup": "fixed"}
    line = {"width": 1.2, "dash": "dot", "color": colours.neutral}
    ends = [[getattr(estimate, end, None) for estimate in fixed] for end in ("lower", "upper")]
    name = "Fixed-horizon interval (valid once)"
    return [
        {**dots, "y": ends[0], "line": line, "showlegend": False},
        {**dots, "y": ends[1], "line": line, "name": name},
    ]


def _line(x: list[Any], points: Points, since: int | None, colour: str, colours: Palette) -> list[dict[str, Any]]:
    hover = [f"{when(look, k, len(points))}<br>{_in_hover(effect)}" for k, (look, effect) in enumerate(points)]
    filled = [colour if since is not None and k >= since else colours.background for k in range(len(points))]
    return [
        {
            "type": "scatter",
            "x": x,
            "y": [effect.relative.estimate for _, effect in points],
            "mode": "lines+markers",
            "line": {"width": 2, "color": colour},
            "marker": {"size": 7, "color": filled, "line": {"width": 1.6, "color": colour}},
            "text": hover,
            "hovertemplate": "%{text}<extra></extra>",
            "name": "Best estimate (filled once clear of zero)",
        }
    ]


def _layout(x: list[Any], points: Points, since: int | None, colour: str, colours: Palette) -> dict[str, Any]:
    tick = {"color": colours.text, "size": 12}
    shared = reach(points)
    layout: dict[str, Any] = {
        "height": HEIGHT,
        "margin": {"l": 56, "r": 12, "t": 30, "b": 30},
        "hovermode": "closest",
        "dragmode": False,
        "legend": {"orientation": "h", "x": 0, "y": -0.14, "yanchor": "top", "font": tick},
        "xaxis": {"showgrid": False, "tickfont": tick, "fixedrange": True, "zeroline": False, **_times(x, points)},
        "yaxis": {
            "range": [shared.low, shared.high],
            "tickvals": shared.ticks,
            "ticktext": [shared.label(tick) for tick in shared.ticks],
            "zeroline": True,
            "zerolinecolor": colours.neutral,
            "zerolinewidth": 1.4,
            "gridcolor": colours.border,
            "tickfont": tick,
            "fixedrange": True,
            "title": {"text": ""},
        },
    }
    if since is not None and since > 0:
        layout |= _crossing(x[since], when(points[since][0], since, len(points)), colour, colours, since, len(points))
    return layout


def _times(x: list[Any], points: Points) -> dict[str, Any]:
    """Dates where looks have them, otherwise their names, as many as fit."""
    if isinstance(x[0], str):
        return {"type": "date", "tickformat": "%-d %b"}
    shown = range(0, len(points), max(1, -(-len(points) // 7)))
    names = [words.sentence_case(points[k][0].time or f"look {k + 1}") for k in shown]
    return {"tickvals": [x[k] for k in shown], "ticktext": names}


def _crossing(x: Any, when: str, colour: str, colours: Palette, since: int, total: int) -> dict[str, Any]:
    line = {"color": colour, "width": 1.2, "dash": "dash"}
    right = since <= total / 2
    label = {
        "x": x,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": "left" if right else "right",
        "showarrow": False,
        "text": f"clear since {when}",
        "font": {"color": colours.text, "size": 12},
    }
    shape = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}
    return {"shapes": [shape], "annotations": [label]}


def reach(points: Points) -> Axis:
    """From the last third of looks: the first intervals of a sequence are so wide that they would hide the rest."""
    late = [effect.relative for _, effect in points[-max(1, len(points) // 3) :]]
    ends = [end for e in late for end in (e.lower, e.upper, e.estimate) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.6 * (high - low) or 0.01
    return Axis.over(low - room, high + room)


def when(look: Look, position: int, total: int) -> str:
    place = f"look {position + 1} of {total}"
    return f"{numbers.day(look.time)}, {place}" if look.time else place


def _in_hover(effect: Effect) -> str:
    estimate = effect.relative
    if estimate.estimate is None:
        return estimate.reason or "no lift"
    decimals = numbers.lift_decimals(estimate)
    return f"{numbers.lift(estimate.estimate, decimals)} ({numbers.lift_span(estimate, decimals)})"


def _colour(effect: Effect, colours: Palette) -> str:
    return {"good": colours.better, "bad": colours.worse}.get(words.READINGS[effect.reading].tone, colours.neutral)


def _faded(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
