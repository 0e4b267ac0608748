"""Trained versions: which one serves, what it was made from, all of them, and which one served when."""

from collections.abc import Sequence

from dashboard.parts import figures as drawn
from dashboard.parts import history, html, numbers, words
from dashboard.parts.words import Word
from recsys.training.cards import COLD, ORDER, Figure, figures
from store.registry import AuditRecord, ModelRecord

LEAD = "Recall@50"
FOUND_50, POPULAR, FIRST = "Found among 50", "By the 50 most popular", "Clicks put first"
NO_MODEL = "Nothing was trained yet. The engine answers from charts until there is a model. Train one:"


def card(record: ModelRecord, *, roll_back: ModelRecord | None) -> str:
    """The version that serves, or one that is looked at: what it does, and how to go back from it."""
    word = Word("ship", "serves", "good") if record.serving else Word("wait", "does not serve")
    told = {each.name: each for each in reversed(figures(record))}
    facts = "".join(_fact(each) for each in _leading(told))
    return (
        f'<section class="card is-{word.tone}" aria-labelledby="model"><div class="main">'
        f'<h2 id="model">{html.icon(word.icon)}{html.text(record.version)} {word.text}</h2>'
        f'<p class="say">{html.text(_sentence(record, told.get(LEAD)))}</p>'
        f'<dl class="facts">{facts}</dl>{_back(record, roll_back)}</div>'
        f'<div class="side"><h3>What it was made from</h3>{html.bullets(_made_from(record))}'
        f"{_again(record)}</div></section>"
    )


def versions(records: Sequence[ModelRecord], shown: str) -> str:
    """Every version, newest first; a version's name shows its card."""
    rows = "".join(_version(each, shown) for each in records)
    terms = {FOUND_50: LEAD, POPULAR: "", FIRST: "AUC of clicks"}
    head = "".join(
        f'<th scope="col">{name}{f"<small>{terms[name]}</small>" if terms.get(name) else ""}</th>'
        for name in ("Version", "Trained", FOUND_50, POPULAR, FIRST, "State")
    )
    return f'<table class="plain versions stacked"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


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
    reason = f" {words.sentence_case(why)}." if (why := str(each.detail.get("reason") or "").rstrip(".")) else ""
    return f"By {each.actor or 'somebody'}{instead}.{reason}"


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
    under = "".join(f"<small>{html.text(part)}</small>" for part in (drawn.span(figure), drawn.against(figure)) if part)
    told = "–" if figure.value is None else drawn.shown(figure.group, figure.value)
    return f"<div><dt>{html.text(drawn.name(figure)[0])}</dt><dd>{told}{under}</dd></div>"


def _made_from(record: ModelRecord) -> list[str]:
    plan = record.card.get("plan") or {}
    said = [f"Trained on {numbers.minute(record.created_at)}."]
    if plan.get("cut"):
        people = f" by {int(many):,} people who came back" if (many := record.card.get("people_judged")) else ""
        said.append(
            f"It learnt to find items from acts before {_day(plan['cut'])}, and was judged on those after{people}."
        )
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
    return [*said, *_recalibrated(record)]


def _again(record: ModelRecord) -> str:
    """What somebody needs who wants to make the same version again."""
    facts = ", ".join(f"{table} v{version}" for table, version in sorted(record.lake_versions.items()))
    seed = (record.card.get("plan") or {}).get("seed")
    said = f"Code {record.code_version}{'' if seed is None else f', seed {seed}'}. Facts: {facts or 'not recorded'}."
    return f'<details class="rule"><summary>Code and versions of the facts</summary>{html.text(said)}</details>'


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
        f"{said}. It had expected {expected} of those to be clicked, and {seen} were; bent to other days than those it "
        f"would have expected {mended}. What was measured in training is older."
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
    popular = "–" if recall is None or recall.against is None else drawn.shown(recall.group, recall.against)
    word = Word("ship", "serves", "good") if record.serving else Word("dot", "ready")
    return (
        f'<tr><th scope="row">{name}</th>{drawn.cell("Trained", html.text(numbers.day(record.created_at)))}'
        f"{drawn.cell(FOUND_50, drawn.value(recall))}{drawn.cell(POPULAR, popular)}"
        f"{drawn.cell(FIRST, drawn.value(auc))}{drawn.cell('State', html.marked(word))}</tr>"
    )


def _day(microseconds: object) -> str:
    from datetime import UTC, datetime

    return numbers.day(datetime.fromtimestamp(int(str(microseconds)) / 1e6, UTC))
