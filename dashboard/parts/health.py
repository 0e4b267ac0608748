"""The health strip: one cell a check, failures first, each with its number, its limit and what it means."""

from analysis.readout import Check, Design, Look
from dashboard.parts import html, picks, words


def strip(look: Look, design: Design) -> str:
    """All checks of a look."""
    cells = "".join(_cell(check, design) for check in picks.checks(look))
    if not cells:
        return '<p class="line">No health check ran on this look.</p>'
    return f'<ul class="strip" aria-label="Health checks">{cells}</ul>'


def _cell(check: Check, design: Design) -> str:
    name, question = words.name_of(check, design)
    measured, limit = words.check_numbers(check, design)
    tail = f'<span class="n">{html.text(measured)}</span>' if measured else ""
    explained = f"{question} {words.sentence_case(check.reason)}."
    quiet = check.verdict == "pass"
    below = limit if quiet else words.sentence_case(check.reason)
    return (
        f'<li class="{check.verdict}"><div class="head"><span>{html.text(name)}</span>'
        f"{html.note(name, explained)}</div>"
        f'<div class="state">{html.marked(words.CHECKS[check.verdict])}{tail}</div>'
        f"<small>{html.text(below)}</small></li>"
    )
