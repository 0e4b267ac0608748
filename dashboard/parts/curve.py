"""The least lift by days, one line for each way to read: a drawing without a script, sharp at any width."""

import math
from collections.abc import Sequence

from analysis.planning.result import Reach
from dashboard.parts import html, numbers
from dashboard.parts.axis import Axis
from dashboard.parts.rules import NAMES

DASHES = ("", "7 4", "2 3", "9 3 2 3")


def drawing(curve: Sequence[Reach], planned_days: int | None, subject: str) -> str:
    """The curve, the planned end, and its key; the experiment's own rule is the thick line."""
    lifts = [lift for reach in curve for lift in reach.lifts.values() if lift is not None]
    if not lifts:
        return '<p class="line">No lift, however large, can be found in any of these weeks.</p>'
    first, last = curve[0].days, curve[-1].days
    top = Axis.over(0, 1.06 * min(max(lifts), 6 * min(lifts)))

    def x(days: float) -> float:
        return round(100 * (days - first) / max(last - first, 1), 2)

    def y(lift: float) -> float:
        return round(100 - top.at(lift), 2)

    ticks = [tick for tick in top.ticks if tick > 0]
    grid = "".join(f'<line class="grid" x1="0" x2="100" y1="{y(tick)}" y2="{y(tick)}"/>' for tick in ticks)
    guessed = next((reach.days for reach in curve if reach.extrapolated), None)
    known = x(guessed - 7) if guessed else 100
    shade = f'<rect class="guessed" x="{known}" y="0" width="{100 - known}" height="100"/>'
    shown = planned_days is not None and first <= planned_days <= last
    end = (
        f'<line class="end" x1="{x(planned_days or 0)}" x2="{x(planned_days or 0)}" y1="0" y2="100"/>' if shown else ""
    )
    lines = "".join(
        f'<polyline class="way{"" if k else " own"}" stroke-dasharray="{DASHES[k]}" points="'
        + " ".join(f"{x(reach.days)},{y(lift)}" for reach in curve if (lift := reach.lifts[kind]) is not None)
        + '"/>'
        for k, kind in enumerate(curve[0].lifts)
    )
    heights = "".join(f'<span style="top:{y(tick)}%">{numbers.percent(tick, _decimals(top))}</span>' for tick in ticks)
    every = math.ceil(len(curve) / 6)
    days = "".join(f'<span style="left:{x(reach.days)}%">{reach.days}</span>' for reach in curve[::every])
    said = html.text(_said(curve, subject))
    return (
        f'<figure class="curve" role="img" aria-label="{said}"><div class="heights">{heights}</div><div class="field">'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f'{shade}{grid}{end}{lines}</svg></div><div class="days">{days}</div></figure>{_key(curve, guessed, shown)}'
    )


def _key(curve: Sequence[Reach], guessed: int | None, shown: bool) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 34 8" aria-hidden="true"><line class="way{"" if k else " own"}" x1="0" x2="34" y1="4" '
        f'y2="4" stroke-dasharray="{DASHES[k]}"/></svg>{html.text(NAMES[kind])}</li>'
        for k, kind in enumerate(curve[0].lifts)
    )
    notes = [
        "Across: days that units come, all that the traffic brings.",
        "Upright line: the planned units are in." if shown else "",
        "Shaded: beyond the past, traffic is guessed." if guessed else "",
    ]
    return f'<ul class="key">{items}</ul><p class="legend">{" ".join(filter(None, notes))}</p>'


def _said(curve: Sequence[Reach], subject: str) -> str:
    kind = next(iter(curve[0].lifts))
    ends = [
        f"{numbers.percent(lift)} after {reach.days} days"
        for reach in (curve[0], curve[-1])
        if (lift := reach.lifts[kind]) is not None
    ]
    return f"Least lift of {subject}, {NAMES[kind].lower()}: {', '.join(ends) or 'none'}."


def _decimals(axis: Axis) -> int:
    return max(0, numbers.significant(100 * axis.step, 1))
