"""Look by look as a still drawing, for where no script runs: the same band and dots as the chart of the page."""

from dashboard.parts import html, looks, numbers, picks, words
from dashboard.parts.rules import Points


def drawing(points: Points, alt: str, *, blocked: bool = False) -> str:
    """The band, the estimate, and a filled dot at every look from which the interval has stayed clear of zero."""
    shared, last = looks.reach(points), points[-1][1]
    since = None if blocked else picks.clear_since(points)
    tone = "open" if blocked else words.READINGS[last.reading].tone
    times = [moment.timestamp() for look, _ in points if (moment := numbers.moment(look.time))]
    places = times if len(times) == len(points) else list(range(len(points)))

    def x(k: int) -> float:
        return round(100 * (places[k] - places[0]) / (places[-1] - places[0] or 1), 2)

    def y(value: float) -> float:
        return round(100 - shared.at(value), 2)

    ends = [(k, e.relative.lower, e.relative.upper) for k, (_, e) in enumerate(points)]
    known = [(x(k), y(low), y(high)) for k, low, high in ends if low is not None and high is not None]
    outline = [f"{at},{high}" for at, _, high in known] + [f"{at},{low}" for at, low, _ in reversed(known)]
    middle = [(k, x(k), y(value)) for k, (_, e) in enumerate(points) if (value := e.relative.estimate) is not None]
    grid = "".join(
        f'<line class="{"zero" if tick == 0 else "grid"}" x1="0" x2="100" y1="{y(tick)}" y2="{y(tick)}"/>'
        for tick in shared.ticks
    )
    heights = "".join(f'<span style="top:{y(tick)}%">{shared.label(tick)}</span>' for tick in shared.ticks)
    every, classed = max(1, -(-len(points) // 4)), ("", ' class="odd"')
    names = "".join(
        f'<span{classed[k // every % 2]} style="left:{x(k)}%">'
        f"{html.text(looks.when(points[k][0], k, len(points)).split(',')[0])}</span>"
        for k in range(0, len(points) - every // 2, every)
    )
    # What is stretched to the width of the page has no dots: they would become ellipses.
    dots = "".join(
        f'<circle class="{"point" if since is not None and k >= since else "ring"} {tone}" cx="{at}%" cy="{v}%" '
        'r="3.4"/>'
        for k, at, v in middle
    )
    line = " ".join(f"{at},{v}" for _, at, v in middle)
    return (
        f'<figure class="curve course" role="img" aria-label="{html.text(alt)}"><div class="heights">{heights}</div>'
        '<div class="field"><svg aria-hidden="true"><svg viewBox="0 0 100 100" preserveAspectRatio="none">'
        f'{grid}<polygon class="band {tone}" points="{" ".join(outline)}"/>'
        f'<polyline class="path {tone}" points="{line}"/></svg>{dots}</svg></div>'
        f'<div class="days">{names}</div></figure>'
    )
