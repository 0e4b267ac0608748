"""The health strip: one cell a check, failures first, each with its number, its limit and what it means."""

from analysis.readout import Check, Design, Look
from dashboard.parts import html, picks, words

# As many as fit beside each other: what passed beyond these is only named.
CELLS = 6


def strip(look: Look, design: Design, *, linked: bool = True) -> str:
    """The checks of a look, those that did not pass in any case; linked to how they are done."""
    checks = picks.checks(look)
    if not checks:
        return '<p class="line">No health check ran on this look.</p>'
    wrong = sum(check.verdict != "pass" for check in checks)
    shown, rest = checks[: max(CELLS, wrong)], checks[max(CELLS, wrong) :]
    cells = "".join(_cell(check, design, linked) for check in shown)
    also = words.listed([words.name_of(check, design)[0] for check in rest])
    passed = f'<p class="line">Passed too: {html.text(also)}.</p>' if also else ""
    return f'<ul class="strip" aria-label="Health checks">{cells}</ul>{passed}'


def _cell(check: Check, design: Design, linked: bool) -> str:
    name, question = words.name_of(check, design)
    measured, limit = words.check_numbers(check, design)
    tail = f'<span class="n">{html.text(measured)}</span>' if measured else ""
    reason = words.reason_of(check, design)
    quiet = check.verdict == "pass"
    below = limit if quiet else reason.split(";")[0]
    return (
        f'<li class="{check.verdict}"><div class="head"><span>{html.text(name)}</span>'
        f"{html.note(name, f'{question} {reason}.', 'health-checks' if linked else '')}</div>"
        f'<div class="state">{html.marked(words.CHECKS[check.verdict])}{tail}</div>'
        f"<small>{html.text(below)}</small></li>"
    )
