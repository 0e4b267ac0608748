"""History: which looks were taken, what was decided on them, and how the plan changed."""

import streamlit as st

from dashboard import source
from dashboard.parts import history
from dashboard.parts.element import show
from dashboard.source import Saved


def draw(saved: Saved, arm: str) -> None:
    """Decisions first: they are what a reader comes back for."""
    del arm
    registry, experiment = source.workspace().registry, saved.readout.experiment
    st.header("Decisions", anchor="decisions")
    show(history.decisions(registry.decisions(experiment)), key="decisions", look=_open)
    st.header("Changes of the plan", anchor="changes")
    audit = registry.audit(f"experiment {experiment}")
    show(history.changes(registry.experiment(experiment), audit), key="changes")
    st.header("Saved looks", anchor="looks")
    show(history.looks(registry.looks(experiment), saved.look_id), key="saved", look=_open)


def _open(look: str) -> None:
    st.query_params["look"] = look
