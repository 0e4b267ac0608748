"""A table that compares intervals of the same lift: by rule, by choice of the analysis, by cohort."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.readout import Estimate
from dashboard.parts import axis, html, numbers
from dashboard.parts.words import Tone, Word


@dataclass(frozen=True, slots=True)
class Line:
    """One row: what it is and its interval, with what is said under its name, beside it, and after it."""

    name: str
    estimate: Estimate
    hint: str = ""
    beside: str = ""
    word: Word | None = None
    after: str = ""

    @property
    def tone(self) -> Tone:
        return self.word.tone if self.word else "open"


def table(
    heads: tuple[str, str, str, str],
    groups: Mapping[str, list[Line]],
    *,
    muted: bool = False,
    focus: Iterable[Estimate] = (),
) -> str:
    """The lines of each group on one axis; a group named "" has no title.

    Args:
        heads: of name, beside, lift and word.
        focus: intervals that must stay large enough to read.
    """
    shared, body = axis.fit((line.estimate for lines in groups.values() for line in lines), focus=focus), ""
    for title, lines in groups.items():
        if title:
            body += f'<tr class="group"><th scope="colgroup" colspan="5">{html.text(title)}</th></tr>'
        body += "".join(_row(line, shared) for line in lines)
    return frame(body, shared, heads, "forest compare", muted=muted)


def frame(body: str, shared: axis.Axis, heads: tuple[str, str, str, str], look: str, *, muted: bool) -> str:
    """The table around rows that share an axis; `look` are its classes, and `heads` as in `table`."""
    name, beside, lift, word = map(html.text, heads)
    return (
        f'<div class="scroll{" muted" if muted else ""}"><table class="{look}"><thead><tr>'
        f'<th scope="col">{name}</th><th scope="col" class="means">{beside}</th>'
        f'<th scope="col" class="plot"><span class="hidden">Interval, drawn</span>{axis.ticks(shared)}</th>'
        f'<th scope="col" class="num">{lift}</th><th scope="col">{word}</th>'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def lift_cell(estimate: Estimate, why: str) -> str:
    """A lift over its interval, or why there is none."""
    if estimate.estimate is None:
        return f'<span class="why">No lift: {html.text(why)}</span>'
    decimals = numbers.lift_decimals(estimate)
    best = f"<b>{numbers.lift(estimate.estimate, decimals)}</b>"
    if estimate.lower is None and estimate.upper is None:
        return f'{best}<small class="why">no interval: {html.text(why)}</small>'
    return f"{best}<small>{numbers.lift_span(estimate, decimals)}</small>"


def _row(line: Line, shared: axis.Axis) -> str:
    drawn, estimate = "", line.estimate
    if estimate.lower is not None or estimate.upper is not None:
        decimals = numbers.lift_decimals(estimate)
        said = (
            f"{line.name}: {numbers.lift(estimate.estimate or 0.0, decimals)}, {numbers.lift_span(estimate, decimals)}"
        )
        bar = axis.bar(shared, estimate, line.tone, y=18, thick=6)
        drawn = axis.drawing(axis.rule(shared) + bar, html.text(said))
    hint = f"<small>{html.text(line.hint)}</small>" if line.hint else ""
    after = f"<small>{html.text(line.after)}</small>" if line.after else ""
    cell = lift_cell(estimate, estimate.reason or "the reason is not recorded")
    return (
        f'<tr><th scope="row">{html.text(line.name)}{hint}</th><td class="means">{html.text(line.beside)}</td>'
        f'<td class="plot">{drawn}</td><td class="num">{cell}</td>'
        f'<td class="reading">{html.marked(line.word) if line.word else ""}{after}</td></tr>'
    )
