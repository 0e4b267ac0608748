"""The readout of one experiment: can I decide, and what?"""

import streamlit as st

from dashboard import asked, decide, share, source
from dashboard.parts import health, history, picks, trust, verdict, words
from dashboard.parts.element import show
from dashboard.tabs import health as health_tab
from dashboard.tabs import history as history_tab
from dashboard.tabs import results, segments, sensitivity

TITLE = "Readout"
ICON = ""
GROUP = ""
ORDER = 20
HIDDEN = True


def page() -> None:
    """Draws the readout that the address names."""
    asked.follow()
    saved = asked.readout()
    if saved is None:
        return
    arm = _top(saved)
    draws = {
        "Results": results.draw,
        "Health": health_tab.draw,
        "Segments": segments.draw,
        "Sensitivity": sensitivity.draw,
        "History": history_tab.draw,
    }
    for tab, draw in zip(st.tabs(list(draws), key="tab", bind="query-params"), draws.values(), strict=True):
        if tab.open:
            with tab:
                draw(saved, arm)


def _top(saved: source.Saved) -> str:
    """Title, status, arm, share, the card with what was decided, and the health strip; gives the chosen arm."""
    readout = saved.readout
    design, look = readout.design, readout.looks[-1]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title(design.name, anchor=False, width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.badge(words.progress(look, readout.looks, design), color="gray")
            arm = asked.arm(readout)
            share.menu(saved)
            decide.button(saved)
    made = source.workspace().registry.decisions(readout.experiment)
    proof = trust.badge(source.trust(readout.experiment), picks.primary(readout).id, arm)
    top = verdict.summary_line(readout) + verdict.card(readout, arm) + proof + history.decided(made, saved.look_id)
    show(top + health.strip(look, design), key="top")
    return arm


page()
