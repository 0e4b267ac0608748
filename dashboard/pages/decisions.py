"""The log of decisions: what did we decide, and was it right?"""

import streamlit as st

from dashboard import asked, outcome, source
from dashboard.parts import history, log
from dashboard.parts.element import show
from store import StoreError
from store.registry import DecisionRecord, ExperimentRecord

TITLE = "Decisions"
ICON = ""
GROUP = ""
ORDER = 25
ANYBODY, ANY_DECISION, ANY_OUTCOME = "Any owner", "Any decision", "Any outcome"
OUTCOMES = {ANY_OUTCOME: None, "With an outcome": True, "Without an outcome": False}


def page() -> None:
    """Draws the log, newest first, or says how to begin one."""
    asked.follow()
    st.title("Decisions", anchor=False)
    try:
        records = source.workspace().registry.decisions()
        experiments = {each.id: each for each in source.experiments()}
    except StoreError as error:
        st.error(f"The workspace cannot be read. {error}")
        return
    if not records:
        st.write("Nobody has recorded a decision yet. Open the readout of an experiment and press “Record decision”.")
        asked.link("experiments", "See all experiments")
        return
    st.write(log.summary(records))
    by_id = {made.id: made for made in records}
    if asking := by_id.get(st.session_state.pop("outcome_of", 0)):
        outcome.form(asking, experiments[asking.experiment_id].name)
    if chosen := _filtered(records, experiments):
        show(log.entries(chosen, experiments), key="log", open=lambda id: _open(by_id[int(id)]), outcome=_ask)
    else:
        st.write("No decision is like that. Change what is asked for above.")


def _filtered(records: list[DecisionRecord], experiments: dict[str, ExperimentRecord]) -> list[DecisionRecord]:
    """What the reader asks for; it is in the address."""
    owners = {made.id: experiments[made.experiment_id].owner for made in records}
    with st.container(horizontal=True):
        owner = asked.choice("Owner", [ANYBODY, *sorted({name for name in owners.values() if name})], "owned_by")
        texts = {made.id: history.word(made.verdict).text for made in records}
        verdict = asked.choice("Decision", [ANY_DECISION, *dict.fromkeys(texts.values())], "decision")
        had = OUTCOMES[asked.choice("Outcome", list(OUTCOMES), "outcome")]
    return [
        made
        for made in records
        if owner in (ANYBODY, owners[made.id])
        and verdict in (ANY_DECISION, texts[made.id])
        and had in (None, bool(made.outcomes))
    ]


def _open(made: DecisionRecord) -> None:
    asked.lead("pages/readout.py", "look", {"exp": made.experiment_id})(str(made.look_id))


def _ask(id: str) -> None:
    st.session_state["outcome_of"] = int(id)


page()
