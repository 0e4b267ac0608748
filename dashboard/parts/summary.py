"""One experiment in one row: what the list of experiments shows of its latest readout."""

from dataclasses import dataclass

from analysis.crossings import Crossing
from analysis.readout import Call, Effect, MetricPlan, Readout
from dashboard.parts import axis, history, html, numbers, picks, words
from dashboard.parts.words import Word
from store.registry import DecisionRecord

NO_LOOK = "No look yet"
URGENCY: tuple[Call, ...] = ("blocked", "ship", "stop", "review", "keep_running")


@dataclass(frozen=True, slots=True)
class Glance:
    """What a list needs of an experiment's latest look: its first and last analysis, without segments."""

    readout: Readout
    crossings: tuple[Crossing, ...]
    days_left: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """An experiment with its latest look, or without one, and the decision that stands.

    `file` is the stem of its file where nobody has refreshed it yet: then there is nothing but a plan.
    """

    id: str
    name: str
    owner: str | None
    glance: Glance | None = None
    decision: DecisionRecord | None = None
    file: str = ""

    @property
    def readout(self) -> Readout | None:
        return self.glance.readout if self.glance else None

    @property
    def settled(self) -> bool:
        """Whether the decision that stands ends it."""
        return self.decision is not None and self.decision.verdict in ("ship", "stop")

    @property
    def waiting(self) -> bool:
        """Whether the readout asks for something that nobody has settled."""
        return self.readout is not None and self.readout.decision.verdict != "keep_running" and not self.settled

    @property
    def status(self) -> str:
        """The verdict in the words of the list."""
        return words.CALLS[self.readout.decision.verdict].text if self.readout else NO_LOOK


def table(rows: list[Row]) -> str:
    """Experiments, those that need somebody first."""
    shown = sorted(rows, key=_urgency)
    effects = [effect for row in shown if (effect := _primary(row)[1]) and not _blocked(row)]
    shared = axis.fit((effect.relative for effect in effects), ticks=4)
    body = "".join(_row(row, shared) for row in shown)
    legend = (
        '<p class="legend">Bar: the interval of the lift against control. Ring: the best estimate. '
        "Arrowhead: it goes on beyond this axis. Grey: can’t tell yet.</p>"
    )
    return (
        f'<div class="scroll"><table class="forest list"><thead><tr>'
        '<th scope="col">Experiment</th><th scope="col">Verdict</th><th scope="col" class="plot">'
        f'<span class="hidden">Interval, drawn</span>{axis.ticks(shared) if effects else ""}</th>'
        '<th scope="col" class="num">Lift of the primary metric</th><th scope="col">So far</th>'
        f'<th scope="col">Health</th></tr></thead><tbody>{body}</tbody></table></div>{legend if effects else ""}'
    )


def broken(files: list[tuple[str, str]]) -> str:
    """Experiment files that cannot be read, by name, each with what is wrong."""
    items = (
        f'<li><div class="who">{html.marked(Word("fail", name, "bad"))}</div><div class="what">{html.text(error)}</div>'
        for name, error in files
    )
    return f'<ul class="ledger">{"</li>".join(items)}</li></ul>'


def _row(row: Row, shared: axis.Axis) -> str:
    under = " · ".join(html.text(part) for part in (row.id, row.owner) if part)
    link = f'href="readout?exp={html.text(row.id)}" data-event="open" data-value="{html.text(row.id)}"'
    if row.file:
        link = f'href="plan?file={html.text(row.file)}" data-event="plan" data-value="{html.text(row.file)}"'
    head = f'<th scope="row"><a {link}>{html.text(row.name)}</a><small>{under}</small></th>'
    if row.readout is None:
        return f'<tr>{head}<td colspan="5" class="why">{NO_LOOK}. Run: holdout refresh</td></tr>'
    plan, effect = _primary(row)
    look = row.readout.looks[-1]
    return (
        f'<tr>{head}<td class="verdict">{html.marked(_verdict(row.readout))}{_decided(row)}</td>'
        f"{_lift(plan, effect, shared, blocked=_blocked(row))}"
        f'<td class="so-far">{html.text(words.progress(look, row.readout.looks, row.readout.design))}'
        f"<small>{html.text(words.arrived(look, row.readout.design))}{_left(row)}</small></td>"
        f'<td class="health">{_health(row.readout)}</td></tr>'
    )


def _decided(row: Row) -> str:
    made = row.decision
    if made is None:
        return ""
    return f"<small>Decided: {html.text(history.word(made.verdict).text)}, {numbers.day(made.decided_at)}</small>"


def _left(row: Row) -> str:
    days = row.glance.days_left if row.glance else None
    return f", about {words.count(days, 'day')} left" if days else ""


def _lift(plan: MetricPlan | None, effect: Effect | None, shared: axis.Axis, *, blocked: bool) -> str:
    if blocked:
        return '<td class="plot"></td><td class="num"><span class="why">Not shown: a health check failed</span></td>'
    if plan is None or effect is None or effect.relative.estimate is None:
        why = (effect.reason or effect.relative.reason) if effect else "no primary metric in this look"
        return f'<td class="plot"></td><td class="num"><span class="why">No lift: {html.text(why)}</span></td>'
    tone = words.READINGS[effect.reading].tone
    body = axis.rule(shared) + axis.bar(shared, effect.relative, tone, y=18, thick=6)
    decimals = numbers.lift_decimals(effect.relative)
    return (
        f'<td class="plot">{axis.drawing(body, html.text(words.in_words(effect, plan)))}</td>'
        f'<td class="num"><b>{numbers.lift(effect.relative.estimate, decimals)}</b>'
        f"<small>{html.text(plan.name)}, {numbers.lift_span(effect.relative, decimals)}</small></td>"
    )


def _verdict(readout: Readout) -> Word:
    """The verdict, short: the list has no room for the whole sentence."""
    verdict, arm = readout.decision.verdict, picks.lead_arm(readout)
    whole = words.CALLS[verdict]
    short = {"blocked": "Don’t use yet", "ship": f"Ship {arm}"}
    return Word(whole.icon, short.get(verdict, whole.text), whole.tone)


def _health(readout: Readout) -> str:
    checks = picks.checks(readout.looks[-1])
    bad = [check for check in checks if check.verdict in ("fail", "warn")]
    if not checks:
        return html.marked(Word("none", "No checks"))
    if not bad:
        return html.marked(Word("pass", "Healthy"))
    worst = words.CHECKS[bad[0].verdict]
    names = [words.name_of(check, readout.design)[0] for check in bad if check.verdict == bad[0].verdict]
    return html.marked(Word(worst.icon, words.listed(names), worst.tone))


def _primary(row: Row) -> tuple[MetricPlan | None, Effect | None]:
    if row.readout is None or not row.readout.design.metrics or not picks.treatments(row.readout):
        return None, None
    plan = picks.primary(row.readout)
    return plan, picks.effect_of(row.readout.looks[-1], plan.id, picks.lead_arm(row.readout))


def _blocked(row: Row) -> bool:
    return row.readout is not None and row.readout.decision.verdict == "blocked"


def _urgency(row: Row) -> tuple[bool, int, str]:
    place = URGENCY.index(row.readout.decision.verdict) if row.readout else len(URGENCY)
    return row.settled, place, row.name.lower()
