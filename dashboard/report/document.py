"""The readout as one HTML file: the page's own parts and style, no script, no other host, light and dark, printable."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from analysis.readout import MetricPlan, Readout
from analysis.trust import Trust
from dashboard.parts import (
    checkup,
    course,
    forest,
    friends,
    health,
    history,
    html,
    looks,
    numbers,
    picks,
    posterior,
    rules,
    segments,
    sensitivity,
    verdict,
    words,
)
from dashboard.parts.palette import settings
from dashboard.parts.trust import badge
from store.registry import DecisionRecord

PARTS = (Path(__file__).parents[1] / "parts" / "parts.css").read_text("utf-8")
PAGE = Path(__file__).with_name("report.css").read_text("utf-8")


def report(
    readout: Readout, look_id: int, taken_at: datetime, decisions: Sequence[DecisionRecord], trust: Trust | None = None
) -> str:
    """The whole file.

    Args:
        readout: as stored; what came after the deciding look is left out.
        look_id, taken_at: of the saved look, for the reader who wants to find it again.
        decisions: on the experiment, newest first.
        trust: the newest proof of its error rates.
    """
    shown = picks.until_decided(readout)
    name = html.text(shown.design.name)
    sections = "".join(
        f"<section><h2>{html.text(title)}</h2>{body}</section>" for title, body in _sections(shown) if body
    )
    made = f"Look {look_id}, saved {numbers.minute(taken_at)}. Every number comes from this saved look."
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<style>{_themes()}{PARTS}{PAGE}</style></head><body><main class="part"><h1>{name}</h1>'
        f"{_top(shown, look_id, decisions, trust)}{sections}"
        f"<section><h2>Decisions</h2>{history.decisions(decisions)}</section>"
        f'<section><h2>How these numbers were made</h2><ul class="methods">{_methods(shown)}</ul></section>'
        f'<p class="line">{html.text(made)}</p></main></body></html>'
    )


def _top(readout: Readout, look_id: int, decisions: Sequence[DecisionRecord], trust: Trust | None) -> str:
    arm = picks.lead_arm(readout)
    card = verdict.card(readout, arm) + badge(trust, picks.primary(readout).id, arm)
    strip = health.strip(readout.looks[-1], readout.design, linked=False)
    return verdict.summary_line(readout) + card + history.decided(decisions, look_id) + strip


def _sections(readout: Readout) -> list[tuple[str, str]]:
    blocked, found = readout.decision.verdict == "blocked", []
    treatments = picks.treatments(readout)
    for arm in treatments:
        of = f", {arm}" if len(treatments) > 1 else ""
        drawn = forest.table(readout, arm, unadjusted=True, muted=blocked, linked=False)
        found += [
            (f"Effect on each metric{of}", drawn),
            (f"Chances{of}", posterior.table(readout, arm)),
            *((f"{plan.name}, look by look{of}", _course(readout, plan.id, arm)) for plan in _primaries(readout)),
            *((f"{plan.name} by segment{of}", _segments(readout, plan.id, arm)) for plan in _primaries(readout)),
        ]
        if strip := sensitivity.strip(readout, arm):
            found.append(
                (f"Other choices of the analysis{of}", f"{html.said(sensitivity.sentence(readout, arm))}{strip}")
            )
        found.append((f"Among friends{of}", friends.section(readout, arm)))
    return [*found, ("Clusters", checkup.clusters(readout)), ("Health checks", checkup.checks(readout))]


def _primaries(readout: Readout) -> list[MetricPlan]:
    return [plan for plan in readout.design.metrics if plan.role == "primary"]


def _course(readout: Readout, metric: str, arm: str) -> str:
    points, plan = picks.history(readout, metric, arm), picks.plans(readout)[metric]
    if len(points) < 2 or all(effect.relative.lower is None for _, effect in points):
        return ""
    kind = points[-1][1].interval.kind
    said = [rules.price(points, kind), rules.stopped(points[-1][1], readout.looks)]
    blocked = readout.decision.verdict == "blocked"
    return (
        course.drawing(rules.under(points, kind, plan), looks.alt(points, plan), blocked=blocked)
        + f'<p class="legend">{html.text(" ".join(filter(None, said)))}</p>'
        + rules.comparison(points, plan)
    )


def _segments(readout: Readout, metric: str, arm: str) -> str:
    look = readout.looks[-1]
    effects = picks.segments(look, metric, arm)
    if not effects:
        return ""
    differs = segments.differs(look, metric, arm, readout.design.alpha)
    table = segments.table(readout, metric, arm, muted=readout.decision.verdict == "blocked")
    return html.said(differs) + html.line(segments.sentence(effects)) + table


def _methods(readout: Readout) -> str:
    return "".join(f"<li>{html.text(line)}</li>" for line in words.methods(readout))


def _themes() -> str:
    """Streamlit's names of the colours, which the parts use, for either scheme."""
    theme = settings()["theme"]
    light, dark = (
        "".join(f"--st-{_dashed(key)}:{value};" for key, value in theme[mode].items() if isinstance(value, str))
        for mode in ("light", "dark")
    )
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}@media print{{:root{{{light}}}}}"


def _dashed(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
