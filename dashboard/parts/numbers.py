"""Numbers as readers see them: true minus, plus on every change, digits enough to tell two values apart."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from analysis.readout import Estimate, MetricPlan

MINUS = "\u2212"
CURRENCIES = ("$", "€", "£", "¥")
# Kinds of metric that are shares of units, shown in percent.
SHARES = ("proportion", "retention")


def number(value: float, decimals: int = 0) -> str:
    """1234.5 is "1,234.5" with one decimal; below zero with a true minus."""
    text = f"{abs(value):,.{decimals}f}"
    return MINUS + text if value < 0 and _shows(text) else text


def signed(value: float, decimals: int = 0) -> str:
    """As `number`, with a plus above zero; what rounds to zero has no sign.

    >>> signed(2.46, 1), signed(-0.04, 1)
    ('+2.5', '0.0')
    """
    text = number(value, decimals)
    return f"+{text}" if value > 0 and _shows(text) else text


def significant(value: float, digits: int = 2) -> int:
    """Decimals that show `digits` significant digits of a value.

    >>> significant(0.0786), significant(41.2)
    (3, 0)
    """
    if value == 0 or not math.isfinite(value):
        return 0
    return min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), 9)


def percent(fraction: float, decimals: int = 1) -> str:
    """0.0412 is "4.1%"."""
    return f"{number(100 * fraction, decimals)}%"


def lift(fraction: float, decimals: int = 1) -> str:
    """A relative change: 0.025 is "+2.5%"."""
    return f"{signed(100 * fraction, decimals)}%"


def lift_decimals(*estimates: Estimate | None) -> int:
    """One decimal, or as many more as show an interval's width, and that an end is not zero."""
    known = [e for e in estimates if e is not None]
    widths = [e.upper - e.lower for e in known if e.lower is not None and e.upper is not None]
    near_zero = [abs(end) for e in known for end in (e.lower, e.upper) if end and abs(end) < 0.0005]
    telling = [width / 2 for width in widths if width > 0] + near_zero
    return min(max([1, *(significant(100 * size, 1) for size in telling)]), 4)


def span(low: str | None, high: str | None) -> str:
    """An interval from its two ends in words; an end that is None has no bound on that side."""
    if low is None or high is None:
        return f"{low} or more" if low else f"{high} or less" if high else "no bound on either side"
    return f"{low} to {high}"


def lift_span(estimate: Estimate, decimals: int = 1) -> str:
    """The interval of a relative change: "+0.8% to +4.1%"."""
    return span(*(None if end is None else lift(end, decimals) for end in (estimate.lower, estimate.upper)))


def p_value(p: float) -> str:
    """Two significant digits, and never a zero.

    >>> p_value(0.4231), p_value(0.9999), p_value(2e-7)
    ('p = 0.42', 'p = 1', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def values(control: float | None, treatment: float | None, plan: MetricPlan) -> tuple[str, str]:
    """Both arms' values of a metric, with as many digits as their difference needs."""
    shown = [None if value is None else _displayed(value, plan) for value in (control, treatment)]
    known = [value for value in shown if value is not None]
    decimals = max((significant(value, 3) for value in known), default=0)
    if len(known) == 2 and known[0] != known[1]:
        telling = significant(known[0] - known[1], 1)
        decimals = max(decimals, min(telling, *(significant(value, 5) for value in known)))
    if plan.unit in CURRENCIES and any(abs(value) < 1000 for value in known):
        decimals = max(decimals, 2)
    first, second = ("–" if value is None else with_unit(number(value, decimals), plan) for value in shown)
    return first, second


def change(value: float, plan: MetricPlan, times: float = 1, decimals: int | None = None) -> str:
    """An absolute change of a metric with its unit, for `times` units; of a proportion in points, or as a count."""
    shown = _changed(value, plan, times)
    text = signed(shown, significant(shown) if decimals is None else decimals)
    if _is_rate(plan):
        return text if times > 1 else f"{text} points"
    return with_unit(text, plan)


def change_decimals(ends: Iterable[float | None], plan: MetricPlan, times: float = 1) -> int:
    """Decimals for an estimate and its interval together: two significant digits of the larger end."""
    decimals = significant(max((abs(_changed(end, plan, times)) for end in ends if end is not None), default=0.0))
    return 2 if decimals == 1 and plan.unit in CURRENCIES else decimals


def with_unit(text: str, plan: MetricPlan) -> str:
    """A number with the metric's unit: currencies before it and after its sign, others behind."""
    if _is_rate(plan):
        return f"{text}%"
    return beside(text, plan.unit)


def beside(text: str, unit: str) -> str:
    """A number with its unit, which may be empty."""
    if unit in CURRENCIES:
        sign = text[0] if text[0] in f"+{MINUS}" else ""
        return f"{sign}{unit}{text.removeprefix(sign)}"
    return f"{text} {unit}".rstrip()


def day(time: str | datetime) -> str:
    """ "15 Nov 2025"; a time that is only a name, such as "day 3", stays as it is."""
    when = moment(time)
    return f"{when.day} {when:%b %Y}" if when else str(time)


def last_day(look: str | None) -> str:
    """The day that a look closes: one at midnight is the end of the day before. Empty where there is none."""
    when = moment(look)
    return day(when - timedelta(microseconds=1)) if when else look or ""


def minute(time: str | datetime | None) -> str:
    """ "15 Nov 2025, 06:10 UTC"."""
    when = moment(time)
    return f"{day(when)}, {when:%H:%M} UTC" if when else str(time or "")


def moment(time: str | datetime | None) -> datetime | None:
    """The time, aware and in UTC; None where there is none, or only a name of it."""
    try:
        when = datetime.fromisoformat(time) if isinstance(time, str) else time
    except ValueError:
        return None
    if when is None:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _is_rate(plan: MetricPlan) -> bool:
    return plan.kind in SHARES or plan.unit == "%"


def _displayed(value: float, plan: MetricPlan) -> float:
    return value * (100 if plan.kind in SHARES else plan.scale)


def _changed(value: float, plan: MetricPlan, times: float) -> float:
    return value * times if plan.kind in SHARES and times > 1 else _displayed(value, plan) * times


def _shows(text: str) -> bool:
    """Whether any digit but zero is left after rounding."""
    return any(digit in "123456789" for digit in text)
