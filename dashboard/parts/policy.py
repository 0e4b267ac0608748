"""A policy that never acted: what it would have earned, how much of the log says so, and by which estimator."""

from analysis.readout import Estimate as Drawn
from dashboard.parts import compare, html, numbers, words
from dashboard.parts.compare import Line
from dashboard.parts.words import Word
from recsys.offpolicy.estimate import LEAST_UNITS, Estimate
from recsys.offpolicy.estimator import known_estimators
from recsys.offpolicy.evaluation import PolicyReport
from recsys.offpolicy.interval import CORRECTED, Interval
from recsys.offpolicy.slate_log import REWARDS
from recsys.offpolicy.support import LEAST_EFFECTIVE

# The estimator that the page reads first; what each assumes, in the order of the table.
LEAD = "cascade_dr"
ASSUMES = {
    "cascade_dr": "people read downwards; a reward model narrows it",
    "rips": "people read downwards",
    "iips": "each place by itself",
    "sips": "nothing of how people read",
}
READINGS = {
    "more": Word("up", "Would have brought more {}", "good"),
    "less": Word("down", "Would have brought less {}", "bad"),
    "unclear": Word("dot", "Can’t tell yet"),
    "refused": Word("blocked", "The log cannot tell"),
}
REFUSAL = "Not evaluable: "
SHORT = {
    "more": Word("up", "more", "good"),
    "less": Word("down", "less", "bad"),
    "unclear": Word("dot", "can’t tell yet"),
    "refused": Word("none", "not evaluable"),
}


def card(report: PolicyReport) -> str:
    """The answer in one word and one sentence, its figures, and what it rests on."""
    found, lift = lead(report)
    key = _reading(found, lift)
    word = READINGS[key]
    stopped = " stopped" if key == "refused" else ""
    return (
        f'<section class="card is-{word.tone}{stopped}" aria-labelledby="verdict"><div class="main">'
        f'<h2 id="verdict">{html.icon(word.icon)}{html.text(_heading(report, key))}</h2>'
        f'<p class="say">{_sentence(report, found, lift)}</p>{_facts(report, found)}</div>'
        f'<div class="side"><h3>What this rests on</h3>{html.bullets(_rests(report, found, lift))}</div></section>'
    )


def lead(report: PolicyReport) -> tuple[Estimate | None, Interval | None]:
    """The estimate to read first with its lift; None where the policy cannot be asked about at all."""
    pairs = zip(report.estimates, report.lifts, strict=True)
    return next((pair for pair in pairs if pair[0].estimator == LEAD), (None, None))


def strip(report: PolicyReport) -> str:
    """How much of the log counts: one cell a figure, with its limit."""
    found, _ = lead(report)
    if found is None:
        return ""
    support = found.support
    enough, off = support.ratio >= LEAST_EFFECTIVE, "which should be 1" in support.refused
    cells = (
        (
            "How much of the log counts",
            "pass" if enough else "fail",
            _share(support.ratio),
            f"effective sample, of {support.decisions:,} slates; at least {numbers.percent(LEAST_EFFECTIVE, 0)}",
            "As many slates of the policy itself would say as much: those that it would hardly show count little.",
        ),
        (
            "Most that one slate counts",
            "pass" if enough else "unknown",
            _weight(support.largest),
            "largest weight; 1 is as logged",
            "How much more likely this policy shows that slate than the logged one did.",
        ),
        (
            "Are the logged chances right?",
            "fail" if off else "pass" if enough else "unknown",
            numbers.number(support.mean_weight, 3),
            "mean weight; 1 if they are",
            "Weights average 1 if choices were drawn with the logged probabilities and nothing was out of reach.",
        ),
        (
            "People",
            "pass" if found.units >= LEAST_UNITS else "fail",
            f"{found.units:,}",
            f"independent of each other; at least {LEAST_UNITS}",
            "Intervals are computed over people: the slates of one person are not independent.",
        ),
    )
    return f'<ul class="strip" aria-label="Support">{"".join(_cell(*cell) for cell in cells)}</ul>'


def table(report: PolicyReport) -> str:
    """Every estimator's lift on one axis, those that were refused with the reason; empty where all were."""
    pairs = zip(report.estimates, report.lifts, strict=True)
    order = [*ASSUMES, *(each.estimator for each in report.estimates)]
    told = sorted(pairs, key=lambda pair: order.index(pair[0].estimator))
    if all(found.value is None for found, _ in told):
        return ""
    lines = [_line(found, lift, report) for found, lift in told]
    heads = ("Way to work it out", f"{_a_slate(report)}", "Lift, 95% interval", "Reading")
    focus = [line.estimate for line, (found, _) in zip(lines, told, strict=True) if found.estimator == LEAD]
    drawn = compare.table(heads, {"": lines}, focus=focus)
    return drawn + (
        '<p class="legend">Each way (estimator) assumes what stands below its name, and all use the same slates and '
        "weights. The answer above is always that of the first. Where they disagree, what people saw above a place "
        "matters, or the log is too small.</p>"
    )


def _line(found: Estimate, lift: Interval | None, report: PolicyReport) -> Line:
    key = _reading(found, lift)
    point = _point(found, report)
    short = found.refused.removeprefix(REFUSAL).split(":")[0]
    reason = short or ("" if lift else "nothing was earned, so there is no relative change")
    known = lift is not None and point is not None
    drawn = Drawn(
        estimate=point if known else None,
        standard_error=None,
        lower=_end(lift.lower) if lift else None,
        upper=_end(lift.upper) if lift else None,
        reason=reason or None,
    )
    value = "" if found.value is None else _amount(found.value, report)
    first, _ = lead(report)
    # Said in the strip already, unless this way counts the log otherwise.
    own = first is not None and found.support.ratio != first.support.ratio
    counted = f"effective sample {_share(found.support.ratio)}" if own else ""
    title = known_estimators()[found.estimator].title
    return Line(title, drawn, ASSUMES.get(found.estimator, ""), value, SHORT[key], counted)


def _reading(found: Estimate | None, lift: Interval | None) -> str:
    if found is None or found.value is None:
        return "refused"
    if lift is None:
        return "unclear"
    return "more" if lift.lower > 0 else "less" if lift.upper < 0 else "unclear"


def _heading(report: PolicyReport, key: str) -> str:
    noun = REWARDS[report.reward].title.lower()
    said = READINGS[key].text.format(noun)
    return said.replace("less", "fewer") if noun.endswith("s") else said


def _sentence(report: PolicyReport, found: Estimate | None, lift: Interval | None) -> str:
    if found is None or found.value is None:
        why = report.refused or (found.refused if found else "") or "There is no estimate."
        return html.text(words.sentence_case(why.removeprefix(REFUSAL)))
    was = _amount(report.logged.value or 0.0, report)
    would = _amount(found.value, report)
    first = f"Instead of {was} {_what(report)} a slate, as logged, it would have been about {would}"
    point = _point(found, report)
    if lift is None or point is None:
        return html.text(f"{first}.")
    decimals = _decimals(lift)
    shown, span = numbers.lift(point, decimals), _span(lift, decimals)
    return html.bold(f"{first}: {shown}; the data fit {span}.", shown, span)


def _facts(report: PolicyReport, found: Estimate | None) -> str:
    facts = [("As logged", _with_span(report.logged, report))]
    if found is not None and found.value is not None:
        facts.append(("Would have been", _with_span(found, report)))
    cells = "".join(
        f"<div><dt>{html.text(label)}</dt><dd>{html.text(value)}<small>{html.text(span)}</small></dd></div>"
        for label, (value, span) in facts
    )
    return f'<dl class="facts">{cells}</dl>'


def _with_span(found: Estimate, report: PolicyReport) -> tuple[str, str]:
    if found.value is None:
        return "–", words.sentence_case(found.refused.removeprefix(REFUSAL))
    ends = found.interval
    span = f"{_amount(ends.lower, report)} to {_amount(ends.upper, report)} {_what(report)} a slate" if ends else ""
    return _amount(found.value, report), span


def _rests(report: PolicyReport, found: Estimate | None, lift: Interval | None) -> list[str]:
    reward = REWARDS[report.reward]
    said = [
        f"{words.count(report.slates, 'slate')} shown to {report.people:,} people by {report.logged_policy}, "
        f"{numbers.day(report.begin)} to {numbers.day(report.end)}.",
        "On people who read from the top down: what stands below a place does not change what happens at it.",
        f"What counts is what follows a slate within {words.count(reward.window.days, 'day')}.",
    ]
    if report.caveat:
        said.append(report.caveat)
    if report.open:
        said.append(f"{words.count(report.open, 'slate')} are too new to count.")
    if lift is not None and not lift.rule.startswith(CORRECTED):
        said.append("The difference hangs on few slates, so its interval is the guaranteed one, which is wider.")
    if reward.money:
        said.append("Money is before refunds.")
    return said


def _cell(name: str, verdict: str, figure: str, limit: str, meaning: str) -> str:
    mark = Word(verdict, figure, "bad" if verdict == "fail" else "open")
    return (
        f'<li class="{verdict}"><div class="head"><span>{html.text(name)}</span>'
        f"{html.note(name, meaning, 'off-policy')}</div>"
        f'<div class="state">{html.marked(mark)}</div><small>{html.text(limit)}</small></li>'
    )


def _point(found: Estimate, report: PolicyReport) -> float | None:
    return found.value / report.logged.value - 1 if found.value is not None and report.logged.value else None


def _end(value: float) -> float | None:
    return value if abs(value) != float("inf") else None


def _decimals(lift: Interval) -> int:
    return numbers.lift_decimals(Drawn(None, None, _end(lift.lower), _end(lift.upper)))


def _span(lift: Interval, decimals: int) -> str:
    return numbers.lift_span(Drawn(None, None, _end(lift.lower), _end(lift.upper)), decimals)


def _weight(value: float) -> str:
    return "below 0.001" if value < 0.001 else numbers.number(value, numbers.significant(value))


def _what(report: PolicyReport) -> str:
    return {"click": "items clicked", "purchase": "items bought", "revenue": "in revenue", "margin": "in margin"}[
        report.reward
    ]


def _a_slate(report: PolicyReport) -> str:
    return f"{REWARDS[report.reward].title} a slate"


def _amount(value: float, report: PolicyReport) -> str:
    """Money in major units, counts as they are: with digits enough to tell what was logged from the answer."""
    money = REWARDS[report.reward].money
    scale = 100 if money else 1
    found, _ = lead(report)
    known = [each.value / scale for each in (report.logged, found) if each is not None and each.value is not None]
    decimals = max((numbers.significant(each, 3) for each in known), default=0)
    if len(known) == 2 and known[0] != known[1]:
        decimals = max(decimals, min(numbers.significant(known[0] - known[1], 1), 4))
    text = numbers.number(value / scale, max(decimals, 2) if money else decimals)
    return numbers.beside(text, report.currency) if money else text


def _share(ratio: float) -> str:
    """A share of the log in percent; what rounds to nothing is not said to be nothing."""
    if 0 < ratio < 0.0001:
        return "below 0.01%"
    return numbers.percent(ratio, 0 if ratio >= 0.1 else 2)
