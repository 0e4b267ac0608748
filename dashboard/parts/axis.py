"""The shared axis of a table of intervals, and the drawing of one row on it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.readout import Estimate
from dashboard.parts import numbers
from dashboard.parts.words import Tone

HEIGHT = 36


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of lifts that always contains zero."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, low: float, high: float, ticks: int = 6) -> "Axis":
        """An axis with about so many ticks."""
        return cls(low, high, _step((high - low) / ticks))

    def at(self, value: float) -> float:
        """Position in percent of the width, kept on the axis."""
        kept = min(max(value, self.low), self.high)
        return round(100 * (kept - self.low) / (self.high - self.low), 3)

    @property
    def ticks(self) -> list[float]:
        """Round values strictly inside the range, zero among them."""
        first, last = math.ceil(self.low / self.step), math.floor(self.high / self.step)
        inside = [k * self.step for k in range(first, last + 1)]
        return [tick for tick in inside if 3 <= self.at(tick) <= 97]

    def label(self, tick: float) -> str:
        """A tick in words; zero is bare."""
        return "0" if tick == 0 else numbers.lift(tick, max(0, numbers.significant(100 * self.step, 1)))


def fit(
    estimates: Iterable[Estimate | None],
    keep: Iterable[float] = (),
    focus: Iterable[Estimate] = (),
    ticks: int = 6,
) -> Axis:
    """An axis for all intervals, unless a few are far wider than most: those run off it.

    Args:
        estimates: relative lifts; None and unbounded ends are passed over.
        keep: values that must be on the axis, such as guardrail margins.
        focus: intervals that must stay large enough to read, such as those of the primary metric.
        ticks: about how many labels there is room for.
    """
    kept, ends = [0.0, *keep], _ends(estimates)
    reach = sorted(abs(end) for end in ends)
    limit = 6 * reach[len(reach) // 2] if reach else 0.0
    if seen := _ends(focus):
        widest = max(map(abs, seen))
        limit = min(max(limit, 1.05 * widest), 6 * widest)
    limit = max(limit, 1.3 * max(abs(value) for value in kept))
    spread = [min(max(end, -limit), limit) for end in ends] + kept
    low, high = min(spread), max(spread)
    pad = 0.06 * (high - low) or 0.01
    return Axis.over(low - pad, high + pad, ticks)


def _ends(estimates: Iterable[Estimate | None]) -> list[float]:
    return [end for e in estimates if e for end in (e.lower, e.estimate, e.upper) if end is not None]


def ticks(axis: Axis) -> str:
    """The axis' labels for a table head; where they are many, a narrow page leaves out every second one."""
    odd = ' class="odd"' if len(axis.ticks) > 6 else ""
    spans = "".join(
        f'<span{odd if round(tick / axis.step) % 2 else ""} style="left:{axis.at(tick)}%">{axis.label(tick)}</span>'
        for tick in axis.ticks
    )
    return f'<div class="axis" aria-hidden="true">{spans}</div>'


def rule(axis: Axis) -> str:
    """Zero, on every row."""
    return f'<line class="zero" x1="{axis.at(0)}%" x2="{axis.at(0)}%" y1="0" y2="{HEIGHT}"/>'


def bar(axis: Axis, estimate: Estimate, tone: Tone, *, y: float, thick: float, hollow: bool = True) -> str:
    """An interval with its estimate; an end beyond the axis, or without bound, is an arrowhead at the edge."""
    if estimate.estimate is None:
        return ""
    drawn = "" if estimate.lower is None and estimate.upper is None else _interval(axis, estimate, tone, y, thick)
    if not axis.low <= estimate.estimate <= axis.high:
        return drawn
    shape = "ring" if hollow else "point"
    radius = thick / 2 + 2.6 if hollow else thick / 2 + 1.6
    return f'{drawn}<circle class="{shape} {tone}" cx="{axis.at(estimate.estimate)}%" cy="{y}" r="{radius}"/>'


def drawing(body: str, alt: str) -> str:
    """One row's drawing, with its content in words."""
    return f'<svg class="row" height="{HEIGHT}" role="img" aria-label="{alt}">{body}</svg>'


def _interval(axis: Axis, estimate: Estimate, tone: Tone, y: float, thick: float) -> str:
    low = -math.inf if estimate.lower is None else estimate.lower
    high = math.inf if estimate.upper is None else estimate.upper
    drawn = _onwards(tone, y, thick, right=False) if low < axis.low else ""
    if low <= axis.high and high >= axis.low:
        left, right = axis.at(low), axis.at(high)
        size = f'x="{left}%" width="{max(round(right - left, 3), 0.2)}%" y="{y - thick / 2}" height="{thick}"'
        drawn += f'<rect class="bar {tone}" {size}/>'
    return drawn + (_onwards(tone, y, thick, right=True) if high > axis.high else "")


def _onwards(tone: Tone, y: float, thick: float, *, right: bool) -> str:
    """An arrowhead just past the edge: the interval goes on beyond the axis."""
    half, long = thick / 2 + 3, thick / 2 + 8
    at, tip = (100, long) if right else (0, -long)
    shape = f"M0-{half:g} {tip:g} 0 0 {half:g}z"
    return f'<svg x="{at}%" y="{y}" overflow="visible"><path class="point {tone}" d="{shape}"/></svg>'


def _step(rough: float) -> float:
    """The round number nearest to `rough`: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor, below in ((1, 1.5), (2, 3.5), (5, 7.5), (10, 11)) if rough < below * power)
