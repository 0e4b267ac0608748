"""How far a version's chances were off on each surface: what is right on the whole may be wrong in one place."""

from collections.abc import Mapping
from typing import Any

from dashboard.parts import figures, html, words
from recsys.training.cards import CALIBRATION, TITLES, Figure, served_figures

Judged = Mapping[str, Mapping[str, Any] | None]


def table(surfaces: Mapping[str, Judged]) -> str:
    """A row a surface, a column an outcome that could be judged on some surface; empty for one surface or none."""
    told = {name: dict(zip(heads, served_figures(heads), strict=True)) for name, heads in surfaces.items()}
    known = [outcome for outcome in TITLES if any(_value(each.get(outcome)) is not None for each in told.values())]
    if len(told) < 2 or not known:
        return ""
    heads = "".join(f'<th scope="col">{html.text(TITLES[outcome])}</th>' for outcome in known)
    rows = "".join(
        f'<tr><th scope="row">{html.text(words.plain(name))}</th>'
        + "".join(figures.cell(TITLES[outcome], _cell(each.get(outcome))) for outcome in known)
        + "</tr>"
        for name, each in told.items()
    )
    return (
        '<div class="compared"><section><h3>On each surface alone</h3>'
        + html.line("How far off its chances were there, and what luck alone makes of that.")
        + '<table class="plain figures stacked"><thead><tr><th scope="col"><span class="hidden">Surface</span></th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></section></div>"
    )


def _cell(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "too few"
    luck = (
        "" if figure.against is None else f"<small>luck {figures.shown(CALIBRATION, figure.against, bare=True)}</small>"
    )
    return figures.shown(CALIBRATION, figure.value) + luck


def _value(figure: Figure | None) -> float | None:
    return None if figure is None else figure.value
