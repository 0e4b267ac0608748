"""Results: the effect on each metric, and one of them look by look."""

from collections.abc import Callable

import streamlit as st

from dashboard import asked
from dashboard.parts import forest, picks, posterior, words
from dashboard.parts.element import show
from dashboard.source import Saved
from dashboard.tabs import course


def draw(saved: Saved, arm: str) -> None:
    """The table of effects first; the chart is sent last, because it is the slowest to draw."""
    readout = saved.readout
    blocked = readout.decision.verdict == "blocked"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Effect on each metric", anchor="effects")
        unadjusted = True
        if any(effect.adjustment for effect in picks.overall(readout.looks[-1], arm)):
            unadjusted = st.toggle("Show unadjusted", value=True, key="unadjusted", bind="query-params")
    if blocked:
        st.caption("Greyed: the comparison is broken, so these lifts are for finding the cause only.")
    if len(picks.treatments(readout)) > 1:
        show(forest.arms(readout, arm, unadjusted=unadjusted, muted=blocked), key="arms", arm=asked.choose("arm"))
    drawn = forest.table(readout, arm, unadjusted=unadjusted, muted=blocked)
    show(drawn, key="forest", metric=_opens(saved))
    if belief := posterior.table(readout, arm):
        st.header("Chances", anchor="chances")
        show(belief, key="posterior")
    if len(readout.looks) == 1:
        st.caption("There is one look, so there is no course over looks to draw.")
        _methods(saved)
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        heading = st.container(width="content")
        with st.container(horizontal=True, width="content"):
            plan = asked.metric(readout)
            rule = course.rule(readout, plan, arm)
    heading.header(f"{plan.name}, look by look", anchor="looks")
    reserved = st.container()
    _methods(saved)
    with reserved:
        course.draw(readout, plan, arm, rule)


def _opens(saved: Saved) -> Callable[[str], None]:
    """Opens a metric's own page. Its selectbox is set, for an address may not set what a widget is bound to."""
    lead = asked.lead("pages/metric.py", "look", {"exp": saved.readout.experiment})

    def clicked(metric: str) -> None:
        st.session_state["metric"] = metric
        lead(str(saved.look_id))

    return clicked


def _methods(saved: Saved) -> None:
    design = saved.readout.design
    with st.expander("How these numbers were made"):
        st.markdown("\n".join(f"- {line}" for line in words.methods(saved.readout)))
        asked.link("definitions", "What the words mean")
        if design.description:
            st.caption(design.description)
