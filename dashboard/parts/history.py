"""What happened to an experiment: looks that were saved, what people decided on them, and edits of its plan."""

import difflib
from collections.abc import Sequence

from dashboard.parts import html, numbers, words
from store.registry import AuditRecord, DecisionRecord, ExperimentRecord, LookRecord

DECIDED = {"review": words.Word("scale", "Review further")}


def looks(records: Sequence[LookRecord], shown: int) -> str:
    """Saved looks, newest first, each a link to itself."""
    items = []
    for look in records:
        here = look.id == shown
        link = (
            "shown now"
            if here
            else f'<a href="readout?exp={html.text(look.experiment_id)}&amp;look={look.id}" data-event="look" '
            f'data-value="{look.id}">Open look {look.id}</a>'
        )
        items.append(entry(numbers.minute(look.taken_at), html.marked(_advice(look.verdict)), link))
    return ledger(items)


def decisions(records: Sequence[DecisionRecord]) -> str:
    """Decisions, newest first, with what the look advised and what became of them."""
    if not records:
        return html.line("Nobody has recorded a decision yet.")
    return ledger([entry(numbers.minute(each.decided_at), marked(each.verdict), decision(each)) for each in records])


def decided(records: Sequence[DecisionRecord], look_id: int) -> str:
    """The decision that stands, in one line for the top of a readout; empty without any."""
    standing = next((each for each in records if each.superseded_by is None), None)
    if standing is None:
        return ""
    on = "this look" if standing.look_id == look_id else f"look {standing.look_id}"
    earlier = len(records) - 1
    replaces = f" It replaces {words.count(earlier, 'earlier decision')}." if earlier else ""
    override = " A health check had failed; that was overridden." if standing.override else ""
    return (
        f'<p class="decided">{html.marked(word(standing.verdict))} <b>decided</b> by '
        f"{html.text(standing.decided_by)} on {numbers.day(standing.decided_at)}, on {on}: "
        f"{html.text(_quoted(standing))}{override}{replaces}</p>"
    )


def changes(record: ExperimentRecord, audit: Sequence[AuditRecord]) -> str:
    """Edits of the plan, newest first, line by line."""
    edits = [each for each in audit if each.action == "change" and "before" in each.detail]
    if not edits:
        return html.line("The plan has not changed since the first look.")
    versions = [str(each.detail["before"].get("definition", "")) for each in edits] + [record.definition]
    items = [
        entry(
            numbers.minute(edit.at), f"<b>{html.text(edit.actor or 'somebody')}</b> changed the plan", _diff(old, new)
        )
        for edit, old, new in zip(edits, versions, versions[1:], strict=False)
    ]
    return ledger(items[::-1])


def _diff(old: str, new: str) -> str:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[2:]
    kept = [line for line in lines if not line.startswith("@@")]
    tags = {"-": "del", "+": "ins"}
    body = "\n".join(f"<{tags[line[0]]}>{line[0]} {html.text(line[1:])}</{tags[line[0]]}>" for line in kept)
    return f"<pre>{body}</pre>" if kept else "Only its name or owner."


def decision(made: DecisionRecord) -> str:
    """Why it was made, by whom, what its look advised, and what became of it."""
    advised = _advice(made.recommended).text
    said = [
        f"{html.text(made.decided_by)}: {html.text(_quoted(made))} On look {made.look_id}, which said “{advised}”.",
        "A failed health check was overridden." if made.override else "",
        f"Superseded by decision {made.superseded_by}." if made.superseded_by else "",
    ]
    seen = "".join(
        f"<li>{numbers.day(each.recorded_at)}, {html.text(each.recorded_by)}: {html.text(each.what)}"
        f"{'' if each.estimate is None else f' ({numbers.lift(each.estimate)})'}</li>"
        for each in made.outcomes
    )
    became = f"<ul>{seen}</ul>" if seen else ""
    return f"{' '.join(filter(None, said))}{became}"


def _advice(verdict: str) -> words.Word:
    """What a look said; a verdict of a newer version reads as one that a person must judge."""
    return next((word for call, word in words.CALLS.items() if call == verdict), words.CALLS["review"])


def word(verdict: str) -> words.Word:
    """What a person decided, as icon, word and tone."""
    return DECIDED.get(verdict) or _advice(verdict)


def marked(verdict: str) -> str:
    """What a person decided, as a mark."""
    return html.marked(word(verdict))


def entry(when: str, what: str, more: str) -> str:
    """One thing that happened; `what` and `more` are HTML."""
    return f'<li><div class="who">{what}<small>{html.text(when)}</small></div><div class="what">{more}</div></li>'


def ledger(items: list[str]) -> str:
    """Entries as a list."""
    return f'<ul class="ledger">{"".join(items)}</ul>'


def _quoted(made: DecisionRecord) -> str:
    """The reason as a sentence, which people often leave without its end."""
    return f"“{made.reason}”" + ("" if made.reason.endswith((".", "!", "?")) else ".")
