"""Recording a decision on the look that is shown."""

import streamlit as st

from dashboard import source
from dashboard.parts import history, words
from dashboard.parts.numbers import minute
from dashboard.source import Saved
from store import StoreError
from store.registry import VERDICTS


def button(saved: Saved) -> None:
    """Opens the form."""
    if st.button("Record decision", type="primary", key="record"):
        _form(saved)


@st.dialog("Record a decision")
def _form(saved: Saved) -> None:
    readout = saved.readout
    call = readout.decision.verdict
    blocked = call == "blocked"
    st.caption(
        f"On the look saved {minute(saved.taken_at)}, which says “{words.CALLS[call].text}”. What you record is kept "
        "for ever, with this look; a later decision replaces it visibly."
    )
    with st.form("decision", border=False):
        verdict = st.radio(
            "Decision",
            VERDICTS,
            index=None if blocked else VERDICTS.index(call),
            format_func=lambda each: history.word(each).text,
            horizontal=True,
        )
        reason = st.text_area("Why", placeholder="What made the difference, and what you weighed against it")
        by = st.text_input("Your name", value=st.session_state.get("decided_by", ""))
        override = False
        if blocked:
            override = st.checkbox("A health check failed. I decide although these results cannot be trusted.")
        if st.form_submit_button("Record", type="primary"):
            _record(saved, verdict or "", reason, by, override)


def _record(saved: Saved, verdict: str, reason: str, by: str, override: bool) -> None:
    missing = [
        what
        for what, given in (("a decision", verdict), ("a reason", reason.strip()), ("a name", by.strip()))
        if not given
    ]
    if missing:
        st.error(f"Please give {words.listed(missing)}.")
        return
    try:
        source.workspace().registry.decide(
            saved.readout.experiment, saved.look_id, verdict, reason=reason, decided_by=by, override=override
        )
    except StoreError as error:
        st.error(f"Not recorded: {error}")
        return
    st.session_state["decided_by"] = by
    st.rerun()
