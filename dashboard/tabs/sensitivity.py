"""Sensitivity: would another choice of the analysis have said something else?"""

import streamlit as st

from dashboard.parts import html, sensitivity
from dashboard.parts.element import show
from dashboard.source import Saved


def draw(saved: Saved, arm: str) -> None:
    """The answer in one sentence, then every choice on one axis."""
    st.header("Other choices of the analysis", anchor="sensitivity")
    strip = sensitivity.strip(saved.readout, arm)
    show(html.said(sensitivity.sentence(saved.readout, arm)) + strip, key="sensitivity")
    if strip:
        st.caption(
            "The plan’s own choice was made before the data and is the one that decides; the others are a check."
        )
