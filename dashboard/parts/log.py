"""The log of decisions over all experiments: what was advised, what was decided, and what became of it."""

from collections.abc import Mapping, Sequence

from dashboard.parts import history, html, numbers, words
from store.registry import DecisionRecord, ExperimentRecord


def entries(records: Sequence[DecisionRecord], experiments: Mapping[str, ExperimentRecord]) -> str:
    """Decisions in the given order; each leads to its frozen look, and asks for an outcome."""
    return history.ledger([_entry(made, experiments[made.experiment_id]) for made in records])


def summary(records: Sequence[DecisionRecord]) -> str:
    """How past calls turned out, in counts only: nobody can say from here what a lift would have been otherwise."""
    followed = sum(made.verdict == made.recommended for made in records)
    seen = [made for made in records if made.outcomes]
    lifts = [last for made in seen if (last := _lift(made)) is not None]
    overridden = sum(made.override for made in records)
    said = [
        f"{words.count(len(records), 'decision')}: {followed} as the readout advised, "
        f"{overridden} in spite of a failed health check.",
        f"{len(seen)} with a later outcome." if seen else "None with a later outcome yet.",
    ]
    if lifts:
        above = sum(lift > 0 for lift in lifts)
        said.append(f"Measured again, the lift was above zero after {above} of {len(lifts)}.")
    return " ".join(said)


def _lift(made: DecisionRecord) -> float | None:
    return next((each.estimate for each in reversed(made.outcomes) if each.estimate is not None), None)


def _entry(made: DecisionRecord, experiment: ExperimentRecord) -> str:
    href = f"readout?exp={html.text(made.experiment_id)}&amp;look={made.look_id}"
    link = f'<a href="{href}" data-event="open" data-value="{made.id}">{html.text(experiment.name)}</a>'
    owner = f" · {html.text(experiment.owner)}" if experiment.owner else ""
    ask = f'<button class="ask" data-event="outcome" data-value="{made.id}">Record what became of it</button>'
    return history.entry(
        numbers.minute(made.decided_at),
        history.marked(made.verdict),
        f"<p><b>{link}</b>{owner}</p>{history.decision(made)}<p>{ask}</p>",
    )
