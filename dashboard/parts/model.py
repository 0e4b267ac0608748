"""Trained versions: which one serves, how well each does on days after those it learnt from, and two side by side."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from dashboard.parts import history, html, numbers
from dashboard.parts.words import Word
from recsys.training.cards import COLD, ORDER, Figure, Pair, figures, served_figures
from store.registry import AuditRecord, ModelRecord

READINGS = {
    "better": Word("up", "better", "good"),
    "worse": Word("down", "worse", "bad"),
    "same": Word("none", "the same"),
    "unclear": Word("dot", "can’t tell yet"),
    "other_days": Word("none", "other days"),
    "not_in_both": Word("none", "not in both"),
}
LEAD = "Recall@50"
# Columns that a narrow page has no room for.
WIDE = ' class="wide"'
NO_MODEL = "Nothing was trained yet. The engine answers from charts until there is a model. Train one:"


def card(record: ModelRecord, *, roll_back: ModelRecord | None) -> str:
    """The version that serves, or one that is looked at: what it does, and how to go back from it."""
    word = Word("ship", "Serves", "good") if record.serving else Word("wait", "Ready, does not serve")
    told = {each.name: each for each in reversed(figures(record))}
    facts = "".join(_fact(each) for each in _leading(told))
    return (
        f'<section class="card is-{word.tone}" aria-labelledby="model"><div class="main">'
        f'<h2 id="model">{html.icon(word.icon)}{html.text(record.version)}</h2>'
        f'<p class="say">{html.text(_sentence(record, told.get(LEAD)))}</p>'
        f'<dl class="facts">{facts}</dl></div>'
        f'<div class="side"><h3>What it was made from</h3>{html.bullets(_made_from(record))}'
        f"{_back(record, roll_back)}</div></section>"
    )


def versions(records: Sequence[ModelRecord], shown: str) -> str:
    """Every version, newest first; a version's name shows its card."""
    rows = "".join(_version(each, shown) for each in records)
    heads = ("Version", "Trained", "Recall@50", "Popularity", "Click AUC", "State")
    rare = ("Popularity", "Click AUC")
    head = "".join(f'<th scope="col"{WIDE if name in rare else ""}>{name}</th>' for name in heads)
    return f'<table class="plain versions"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def comparison(pairs: Sequence[Pair], one: str, other: str) -> str:
    """Every figure of both versions with its interval, by group."""
    said = ""
    for group, members in groupby(pairs, key=lambda pair: pair.group):
        rows = "".join(
            f'<tr><th scope="row">{html.text(pair.name)}<small>{html.text(_beside(pair))}</small></th>'
            f"{_value(pair.one)}{_value(pair.other)}<td>{html.marked(READINGS[pair.reading])}</td></tr>"
            for pair in members
        )
        heads = "".join(f'<th scope="col">{html.text(name)}</th>' for name in (group, one, other, "Reading"))
        said += f'<table class="plain figures"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="compared">{said}</div>' + (
        '<p class="legend">Ranges are 95% intervals over people. '
        "“Better” is clear of both together. Versions "
        "that were judged on other days are not read against each other: the days may have been easier.</p>"
    )


def measured(record: ModelRecord) -> str:
    """Every figure of one version with its interval, by group."""
    return _tables(figures(record)) or html.line("This version has no figures on its card.")


def as_served(heads: Mapping[str, Any]) -> str:
    """How the chances that a version logged fit what followed, or that it logged none."""
    if not heads:
        return html.line("It has shown nothing in the last four weeks of the log.")
    return _tables(served_figures(heads)) + (
        '<p class="legend">Chances as they were logged when items were shown, in the last four weeks of the log, and '
        "what followed: none of that was known to what made them. Outcomes count once their time has passed.</p>"
    )


def _tables(shown: Sequence[Figure]) -> str:
    said = ""
    for group, members in groupby(shown, key=lambda each: each.group):
        rows = "".join(
            f'<tr><th scope="row">{html.text(each.name)}</th>{_value(each)}<td>{html.text(each.beside)}</td></tr>'
            for each in members
        )
        heads = "".join(f'<th scope="col">{html.text(name)}</th>' for name in (group, "Measured", "Beside"))
        said += f'<table class="plain figures"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="compared">{said}</div>' if said else ""


def served(audit: Sequence[AuditRecord]) -> str:
    """Who let which version serve, newest first."""
    used = [each for each in reversed(audit) if each.action == "use"]
    entries = [
        history.entry(
            numbers.minute(each.at),
            f"<b>{html.text(each.detail.get('version', ''))}</b> serves",
            f"<p>{html.text(_by(each))}</p>",
        )
        for each in used
    ]
    return history.ledger(entries) if entries else html.line("No version was ever told to serve.")


def _by(each: AuditRecord) -> str:
    before = each.detail.get("before")
    instead = f", in place of {before}" if before else ""
    reason = f": {each.detail['reason']}" if each.detail.get("reason") else ""
    return f"{each.actor or 'Somebody'}{instead}{reason}."


def _leading(told: dict[str, Figure]) -> list[Figure]:
    lead = [told[name] for name in ("Recall@10", LEAD) if name in told]
    return lead + [told[name] for name in (COLD,) if name in told]


def _sentence(record: ModelRecord, recall: Figure | None) -> str:
    if recall is None or recall.value is None:
        return "Its card has no figure of how well it finds what people come to."
    first = (
        f"Of the items that people came to afterwards, {numbers.percent(recall.value)} were among the 50 that it "
        "thought nearest"
    )
    if not recall.against:
        return f"{first}."
    times = recall.value / recall.against
    said = f"{times:.1f} times as many as" if times >= 1.05 else "no more than" if times < 1 else "about as many as"
    return f"{first}: {said} the 50 most popular ({numbers.percent(recall.against)})."


def _fact(figure: Figure) -> str:
    span = _span(figure)
    under = " · ".join(part for part in (span, figure.beside) if part)
    value = "–" if figure.value is None else f"{figure.value:.3f}"
    return f"<div><dt>{html.text(figure.name)}</dt><dd>{value}<small>{html.text(under)}</small></dd></div>"


def _made_from(record: ModelRecord) -> list[str]:
    plan = record.card.get("plan") or {}
    said = [f"Trained on {numbers.minute(record.created_at)}."]
    if plan.get("cut"):
        said.append(f"It learnt to find items from acts before {_day(plan['cut'])}, and was judged on those after.")
    if renewed := record.card.get("renewed"):
        learnt = f"{int(renewed['rows']):,} places shown since {_day(renewed['since'])}"
        until = f" (its chances alone from those after {_day(end)})" if (end := renewed.get("trained_until")) else ""
        said.append(
            f"Its ranker learnt anew from {learnt}{until}; how it finds items is as {renewed['from']} was judged."
        )
        if until:
            said.append(
                "How its ranker does was measured by one that was trained in the same way until some days earlier."
            )
    said.extend(_recalibrated(record))
    if record.card.get("people_judged"):
        said.append(f"Judged on {int(record.card['people_judged']):,} people who came back.")
    facts = ", ".join(f"{table} v{version}" for table, version in sorted(record.lake_versions.items()))
    said.append(f"Versions of the facts: {facts or 'not recorded'}.")
    seed = f", seed {plan['seed']}" if "seed" in plan else ""
    return [*said, f"Code {record.code_version}{seed}."]


def _recalibrated(record: ModelRecord) -> list[str]:
    """What a version changed whose chances were bent to its own log, and that the other figures are not its own."""
    source, heads = record.card.get("recalibrated"), record.metrics.get("recalibrated") or {}
    if not source:
        return []
    said = f"It is {source['from']} with chances bent to {int(source['rows']):,} places that it showed"
    click = heads.get("click")
    if not click or not click["before"] or not click["after"]:
        return [f"{said}. What was measured in training is older."]
    before, after = click["before"], click["after"]
    seen = numbers.percent(before["observed_rate"])
    expected, mended = (numbers.percent(each["predicted_rate"]) for each in (before, after))
    return [
        f"{said}. On the latest days {seen} of places were clicked: {expected} were expected, and {mended} with what "
        "the days before them taught. What was measured in training is older."
    ]


def _back(record: ModelRecord, roll_back: ModelRecord | None) -> str:
    if roll_back is None:
        return ""
    return f'<p class="rule">To let {html.text(roll_back.version)} serve: holdout models use {roll_back.version}</p>'


def _version(record: ModelRecord, shown: str) -> str:
    told = {(each.group, each.name): each for each in figures(record)}
    recall = next((each for (_, name), each in told.items() if name == LEAD), None)
    auc = next((each for (group, name), each in told.items() if group == ORDER and name == "Click"), None)
    current = ' aria-current="true"' if record.version == shown else ""
    name = (
        f'<button type="button" data-event="version" data-value="{html.text(record.version)}"{current}>'
        f"{html.text(record.version)}</button>"
    )
    popular = "–" if recall is None or recall.against is None else f"{recall.against:.3f}"
    word = Word("ship", "serves", "good") if record.serving else Word("dot", "ready")
    return (
        f'<tr><th scope="row">{name}</th><td>{html.text(numbers.day(record.created_at))}</td>{_value(recall)}'
        f"<td{WIDE}>{popular}</td>{_value(auc, WIDE)}<td>{html.marked(word)}</td></tr>"
    )


def _value(figure: Figure | None, more: str = "") -> str:
    if figure is None or figure.value is None:
        return f"<td{more}>–</td>"
    return f"<td{more}>{figure.value:.{_decimals(figure.value)}f}<small>{html.text(_span(figure))}</small></td>"


def _span(figure: Figure) -> str:
    if figure.value is None or figure.lower is None or figure.upper is None:
        return ""
    decimals = _decimals(figure.value)
    return f"{figure.lower:.{decimals}f} to {figure.upper:.{decimals}f}"


def _decimals(value: float) -> int:
    return 4 if value < 0.02 else 3


def _beside(pair: Pair) -> str:
    """What both are held against, where that is the same."""
    told = {each.beside for each in (pair.one, pair.other) if each is not None}
    return told.pop() if len(told) == 1 else ""


def _day(microseconds: object) -> str:
    from datetime import UTC, datetime

    return numbers.day(datetime.fromtimestamp(int(str(microseconds)) / 1e6, UTC))
