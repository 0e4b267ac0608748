"""What was measured of a version: questions in plain words, the field's term after each, and figures with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dashboard.parts import html, numbers, words
from dashboard.parts.words import Word
from recsys.training.cards import CALIBRATION, COLD, FOUND, ORDER, Figure, Pair, Reading, figures, served_figures
from store.registry import ModelRecord

READINGS: dict[Reading, Word] = {
    "better": Word("up", "better", "good"),
    "worse": Word("down", "worse", "bad"),
    "same": Word("none", "the same"),
    "unclear": Word("dot", "can’t tell yet"),
    "other_days": Word("none", "other days"),
    "not_in_both": Word("none", "not in both"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """A question that some figures answer, and what their values mean."""

    asks: str
    means: str


GROUPS = {
    FOUND: Group(
        "Does it find what people come to?",
        "Of the items that a person came to afterwards, the share that was among the first that it would show "
        "(recall); the mean over people.",
    ),
    ORDER: Group(
        "Does it put first what people will do?",
        "Of a place where it happened and one where it did not, how often the first had the higher chance (AUC). "
        "A coin gets 0.5.",
    ),
    CALIBRATION: Group(
        "Do its chances come true?",
        "How far its chances lie from what happened, in percentage points (calibration error). Luck alone "
        "makes some of it.",
    ),
}


def measured(record: ModelRecord) -> str:
    """Every figure of one version with its interval, by the question that it answers."""
    said = ""
    for group, members in groupby(figures(record), key=lambda each: each.group):
        told = list(members)
        rows = "".join(
            f"<tr>{_head(each)}{cell('Measured', value(each))}{cell('To compare', html.text(against(each)))}</tr>"
            for each in told
            if each.value is not None
        )
        said += _answer(group, ("Measured", "To compare"), rows, _unknown(told))
    return f'<div class="compared">{said}</div>' if said else html.line("This version has no figures on its card.")


def as_served(heads: Mapping[str, Any]) -> str:
    """How the chances that a version logged fit what followed, or that it logged none."""
    if not heads:
        return html.line("It has shown nothing in the last four weeks of the log, so it cannot be judged by that.")
    told = served_figures(heads)
    rows = "".join(
        _served(figure, heads[outcome]) for outcome, figure in zip(heads, told, strict=True) if figure.value is not None
    )
    return (
        html.said(_in_short(heads.get("click")))
        + (_table(("It said", "It was", "Off by", "Luck alone"), rows) + _unknown(told))
        + '<p class="legend">It said: the mean of the chances as they were logged when items were shown, in the last '
        "four weeks of the log. It was: how often it then happened. Off by: the calibration error in percentage "
        "points, which also counts chances that are too high for some and too low for others. What is too new to have "
        "happened is left out.</p>"
    )


def comparison(pairs: Sequence[Pair], one: str, other: str) -> str:
    """Every figure of both versions with its interval, by the question that it answers."""
    said = ""
    for group, members in groupby(pairs, key=lambda pair: pair.group):
        told = list(members)
        known = [pair for pair in told if any(each and each.value is not None for each in (pair.one, pair.other))]
        rows = "".join(
            f"<tr>{_head(pair.other or pair.one, _beside(pair))}{cell(one, value(pair.one))}"
            f"{cell(other, value(pair.other))}{cell('Reading', html.marked(READINGS[pair.reading]))}</tr>"
            for pair in known
        )
        unknown = [each for pair in told if pair not in known and (each := pair.other or pair.one)]
        said += _answer(group, (one, other, "Reading"), rows, _unknown(unknown))
    return f'<div class="compared">{said}</div>' + (
        '<p class="legend">Ranges are 95% intervals over people. “Better” is clear of both together. Versions '
        "that were judged on other days are not read against each other: the days may have been easier.</p>"
    )


def value(figure: Figure | None) -> str:
    """A figure over its interval, in the unit of its group."""
    if figure is None or figure.value is None:
        return "–"
    known = figure.lower is not None and figure.upper is not None
    return (
        f"{shown(figure.group, figure.value)}<small>{span(figure)}</small>"
        if known
        else shown(figure.group, figure.value)
    )


def span(figure: Figure) -> str:
    """The 95% interval; empty where none is known."""
    if figure.value is None or figure.lower is None or figure.upper is None:
        return ""
    ends = (shown(figure.group, end, bare=True) for end in (figure.lower, figure.upper))
    return f"{' to '.join(ends)}{'%' if figure.group == FOUND else ''}"


def shown(group: str, number: float, *, bare: bool = False) -> str:
    """A share in percent, an error in points, an area as it is; `bare` leaves the unit to others."""
    if group == FOUND:
        return numbers.number(100 * number, 1) + ("" if bare else "%")
    if group == CALIBRATION:
        return numbers.number(100 * number, 2) + ("" if bare else " points")
    return numbers.number(number, 3)


def against(figure: Figure) -> str:
    """What to hold a figure against, in words."""
    if figure.against is None or figure.group == ORDER:
        return figure.beside
    held = shown(figure.group, figure.against)
    if figure.group == CALIBRATION:
        return f"luck alone: {held}"
    if figure.name == COLD:
        return f"{figure.beside}; at random: {held}"
    return f"the most popular: {held}"


def name(figure: Figure) -> tuple[str, str]:
    """What a figure is called on pages, and the field's term for it."""
    if figure.name == COLD:
        return "New items found among the first 10", "Recall@10 among items without any act"
    first, _, many = figure.name.partition("@")
    return (f"Found among the first {many}", figure.name) if first == "Recall" else (figure.name, "")


def _head(figure: Figure | None, beside: str = "") -> str:
    if figure is None:
        return '<th scope="row"></th>'
    plain, term = name(figure)
    under = " · ".join(part for part in (term, beside) if part)
    return f'<th scope="row">{html.text(plain)}{f"<small>{html.text(under)}</small>" if under else ""}</th>'


def _served(figure: Figure, told: Mapping[str, Any]) -> str:
    expected, happened = _rates(told)
    luck = "–" if figure.against is None else shown(CALIBRATION, figure.against)
    places = f"<small>of {told['rows']:,.0f} places</small>"
    return (
        f"<tr>{_head(figure)}{cell('It said', expected + _too_much(told))}{cell('It was', happened + places)}"
        f"{cell('Off by', value(figure))}{cell('Luck alone', luck)}</tr>"
    )


def _too_much(told: Mapping[str, Any]) -> str:
    """By which share more was expected than happened: of a rare outcome an error of few points may be a large one."""
    expected, happened = float(told["predicted_rate"]), float(told["observed_rate"])
    share = round(100 * (expected / happened - 1)) if happened else 0
    return f"<small>{abs(share):,}% too {'high' if share > 0 else 'low'}</small>" if share else ""


def _in_short(click: Mapping[str, Any] | None) -> str:
    if not click:
        return ""
    expected, happened = _rates(click)
    return f"It expected {expected} of the places that it showed to be clicked; {happened} were."


def _rates(told: Mapping[str, Any]) -> tuple[str, str]:
    """What was expected and what happened, in percent, with digits enough to tell one from the other."""
    rates = [100 * float(told[rate]) for rate in ("predicted_rate", "observed_rate")]
    decimals = max(numbers.significant(max(rates), 3), min(numbers.significant(rates[0] - rates[1], 1), 3))
    expected, happened = (f"{numbers.number(rate, decimals)}%" for rate in rates)
    return expected, happened


def cell(label: str, content: str) -> str:
    """A cell that says its column's name on a narrow page, where there is no head."""
    return f'<td data-label="{html.text(label)}"><span>{content}</span></td>'


def _answer(group: str, columns: Sequence[str], rows: str, unknown: str) -> str:
    about = GROUPS[group]
    table = _table(columns, rows) if rows else ""
    return f"<section><h3>{html.text(about.asks)}</h3>{html.line(about.means)}{table}{unknown}</section>"


def _table(columns: Sequence[str], rows: str) -> str:
    heads = "".join(f'<th scope="col">{html.text(column)}</th>' for column in columns)
    return (
        '<table class="plain figures stacked"><thead><tr><th scope="col"><span class="hidden">Figure</span></th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _unknown(told: Sequence[Figure]) -> str:
    """One line for all of a group that could not be measured."""
    reasons: dict[str, list[str]] = {}
    for each in told:
        if each.value is None:
            reasons.setdefault(each.beside or "not measured", []).append(name(each)[0])
    return "".join(html.line(f"{words.listed(names)}: {reason}.") for reason, names in reasons.items())


def _beside(pair: Pair) -> str:
    """What both are held against, where that is the same."""
    told = {against(each) for each in (pair.one, pair.other) if each is not None}
    return told.pop() if len(told) == 1 else ""
