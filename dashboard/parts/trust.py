"""The proof beside the number: how often these rules were wrong on the team's own units, where nothing had happened."""

from analysis.trust import MetricTrust, Rate, Trust
from dashboard.parts import html, numbers, rules
from dashboard.parts.words import Word


def badge(trust: Trust | None, metric: str, arm: str) -> str:
    """Whether the plan's rule kept its promise, in one sentence; empty without a proof of this metric and arm."""
    found = of(trust, metric, arm)
    if trust is None or found is None or found.promised is None:
        return ""
    at_end = found.rules[0].rule == "fixed"
    rate = found.rules[0].false_positive_at_end if at_end else found.rules[0].false_positive
    promise = f"its {numbers.percent(found.promised, 0)} promise"
    said = {"holds": f"Held {promise}", "does not hold": f"Broke {promise}"}.get(found.verdict, "Proof")
    units = "your own users as they were before" if trust.basis == "before" else "your own users"
    why = "" if found.verdict in ("holds", "does not hold") else f": {found.verdict}, {found.reason}"
    text = (
        f"{said} in {trust.runs:,} re-randomisations of {units} ({numbers.percent(rate.share)}, {_range(rate)}){why}."
    )
    kept = {"holds": Word("pass", text), "does not hold": Word("alert", text, "bad")}
    return f'<p class="proof">{html.marked(kept.get(found.verdict, Word("unknown", text)))}</p>'


def table(trust: Trust | None, metric: str, arm: str, units: str) -> str:
    """How often each rule was wrong for one metric; empty without a proof of it."""
    found = of(trust, metric, arm)
    if trust is None or found is None:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{rules.NAMES[rule.rule]}</th>{_cell(rule.false_positive)}'
        f"{_cell(rule.false_positive_at_end)}{_cell(rule.coverage)}</tr>"
        for rule in found.rules
    )
    heads = ("Rule", "Wrong at any look", "Wrong at the last look", "Held the true lift at all looks")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p class="legend">'
        f"Counted where the truth is known: the arms of {trust.units:,} {html.text(units)} were drawn again "
        f"{trust.runs:,} times. The range is what the counting itself leaves open (95%).</p>"
    )


def of(trust: Trust | None, metric: str, arm: str) -> MetricTrust | None:
    """The proof of one metric and arm."""
    found = trust.metrics if trust else ()
    return next((each for each in found if (each.metric.id, each.arm) == (metric, arm)), None)


def _cell(rate: Rate) -> str:
    return f"<td>{numbers.percent(rate.share)}<small>{_range(rate)}</small></td>"


def _range(rate: Rate) -> str:
    return "–".join(numbers.number(100 * end, 1) for end in (rate.lower, rate.upper))
