"""Look by look as a still drawing, for where no script runs: the same band and dots as the chart of the page."""

from dashboard.parts import html, looks, picks, words
from dashboard.parts.rules import Points

WIDTH, HEIGHT, LEFT, BOTTOM = 960.0, 260.0, 56.0, 24.0


def drawing(points: Points, alt: str, *, blocked: bool = False) -> str:
    """The band, the estimate, and a filled dot at every look from which the interval has stayed clear of zero."""
    shared, last = looks.reach(points), points[-1][1]
    since = None if blocked else picks.clear_since(points)
    tone = "open" if blocked else words.READINGS[last.reading].tone
    step = (WIDTH - LEFT - 10) / max(len(points) - 1, 1)

    def x(k: int) -> float:
        return round(LEFT + k * step, 1)

    def y(value: float) -> float:
        return round((HEIGHT - BOTTOM) * (1 - shared.at(value) / 100), 1)

    ends = [(k, e.relative.lower, e.relative.upper) for k, (_, e) in enumerate(points)]
    known = [(x(k), y(low), y(high)) for k, low, high in ends if low is not None and high is not None]
    outline = [f"{at},{high}" for at, _, high in known] + [f"{at},{low}" for at, low, _ in reversed(known)]
    middle = [(k, x(k), y(value)) for k, (_, e) in enumerate(points) if (value := e.relative.estimate) is not None]
    grid = "".join(
        f'<line class="{"zero" if tick == 0 else "grid"}" x1="{LEFT}" x2="{WIDTH}" y1="{y(tick)}" y2="{y(tick)}"/>'
        f'<text x="{LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{shared.label(tick)}</text>'
        for tick in shared.ticks
    )
    every = max(1, -(-len(points) // 6))
    names = "".join(
        f'<text x="{x(k)}" y="{HEIGHT - 4}" text-anchor="{"start" if k == 0 else "middle"}">'
        f"{html.text(looks.when(points[k][0], k, len(points)).split(',')[0])}</text>"
        for k in range(0, len(points) - every // 2, every)
    )
    dots = "".join(
        f'<circle class="{"point" if since is not None and k >= since else "ring"} {tone}" cx="{at}" cy="{v}" r="3.4"/>'
        for k, at, v in middle
    )
    line = " ".join(f"{at},{v}" for _, at, v in middle)
    return (
        f'<svg class="course" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{html.text(alt)}">{grid}'
        f'<polygon class="band {tone}" points="{" ".join(outline)}"/>'
        f'<polyline class="path {tone}" points="{line}"/>{dots}{names}</svg>'
    )
