"""The list of experiments: which of them need a decision."""

import streamlit as st

from analysis.readout import Readout
from dashboard import source
from dashboard.parts import summary
from dashboard.parts.element import show
from dashboard.parts.words import count
from store import StoreError

TITLE = "Experiments"
ICON = ""
GROUP = ""
ORDER = 10
HOME = True


def page() -> None:
    """Draws the list, or says what to type to get one."""
    st.title("Experiments", anchor=False)
    try:
        records = source.experiments()
    except StoreError as error:
        st.error(f"The workspace cannot be read. {error}")
        return
    if not records:
        here = source.workspace()
        st.write(
            f"No experiment has been read in this workspace yet. Put its TOML file into {here.experiments}, then run:"
        )
        st.code(f"holdout refresh --workspace {here.path}", language=None)
        return
    rows = [summary.Row(each.id, each.name, each.owner, _readout(each.id)) for each in records]
    waiting = sum(row.readout is not None and row.readout.decision.verdict != "keep_running" for row in rows)
    st.caption(f"{count(len(rows), 'experiment')}, {waiting} waiting for somebody. The most urgent come first.")
    show(summary.table(rows), key="list", open=_open)


def _readout(experiment_id: str) -> Readout | None:
    latest = source.latest(experiment_id)
    return latest.readout if latest else None


def _open(experiment_id: str) -> None:
    st.session_state["opening"] = experiment_id


def _follow() -> None:
    """A callback may not change the page, so the click is followed on the run after it."""
    if opening := st.session_state.pop("opening", None):
        st.switch_page("pages/readout.py", query_params={"exp": opening})


_follow()
page()
