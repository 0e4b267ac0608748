"""Health: can I trust it, and if not, where does it break?"""

import streamlit as st

from dashboard.parts import checkup, friends
from dashboard.parts.element import show
from dashboard.source import Saved


def draw(saved: Saved, arm: str) -> None:
    """Every check, then what helps to find a cause."""
    readout = saved.readout
    st.header("Health checks", anchor="checks")
    show(checkup.checks(readout), key="checks")
    st.header("Split by segment", anchor="splits")
    show(checkup.splits(readout), key="splits")
    st.header("Does the lift wear off, or grow?", anchor="learning")
    show(checkup.learning(readout, arm), key="learning")
    for title, anchor, drawn in (
        ("Among friends", "friends", friends.section(readout, arm)),
        ("Clusters", "clusters", checkup.clusters(readout)),
    ):
        if drawn:
            st.header(title, anchor=anchor)
            show(drawn, key=anchor)
