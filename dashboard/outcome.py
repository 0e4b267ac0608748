"""Recording what became of a decision."""

import streamlit as st

from dashboard import source
from dashboard.parts import history
from dashboard.parts.numbers import minute
from store import StoreError
from store.registry import DecisionRecord


@st.dialog("What became of it")
def form(made: DecisionRecord, name: str) -> None:
    """Asks for the outcome of a decision, and keeps it."""
    st.caption(f"{name}: {history.word(made.verdict).text}, decided on {minute(made.decided_at)}. Kept for ever.")
    looks = [look.id for look in source.workspace().registry.looks(made.experiment_id)]
    with st.form("outcome", border=False):
        what = st.text_area("What happened", placeholder="What you saw after the decision, and where")
        lift = st.number_input("The lift as it turned out, in % (if it was measured)", value=None, format="%.2f")
        look = st.selectbox(
            "The look that shows it (if one does)", looks, index=None, format_func=lambda id: f"Look {id}"
        )
        by = st.text_input("Your name", value=st.session_state.get("decided_by", ""))
        if st.form_submit_button("Record", type="primary"):
            _record(made, what, by, look, lift)


def _record(made: DecisionRecord, what: str, by: str, look: int | None, lift: float | None) -> None:
    try:
        source.workspace().registry.record_outcome(
            made.id, what, recorded_by=by, look_id=look, estimate=None if lift is None else lift / 100
        )
    except StoreError as error:
        st.error(f"Not recorded: {error}")
        return
    st.session_state["decided_by"] = by
    st.rerun()
