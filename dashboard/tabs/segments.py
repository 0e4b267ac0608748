"""Segments: who gains beyond noise, and what may be said of those that a reader picks."""

import streamlit as st

from analysis.errors import AnalysisError
from analysis.multiplicity.segments import picked
from analysis.readout import MetricPlan, Readout
from dashboard import asked
from dashboard.parts import html, picks, segments, words
from dashboard.parts.element import show
from dashboard.source import Saved


def draw(saved: Saved, arm: str) -> None:
    """Whether the effect differs at all, then every segment, then the picked ones."""
    readout = saved.readout
    if not any(effect.segment for effect in readout.looks[-1].effects):
        st.caption('The plan names no segment. Add `segments = ["country"]` to its file and refresh to see some.')
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        heading = st.container(width="content")
        plan = asked.metric(readout)
    heading.header(f"{plan.name} by segment", anchor="segments")
    effects = picks.segments(readout.looks[-1], plan.id, arm)
    if not effects:
        st.caption(f"This look has no segment of {plan.name}.")
        return
    differs = segments.differs(readout.looks[-1], plan.id, arm, readout.design.alpha)
    differs = differs or "Whether the effect differs between segments was not tested in this look."
    table = segments.table(readout, plan.id, arm, muted=readout.decision.verdict == "blocked")
    show(html.said(differs) + html.line(segments.sentence(effects)) + table, key="segments")
    _picked(readout, plan, arm)


def _picked(readout: Readout, plan: MetricPlan, arm: str) -> None:
    st.header("The segments that you pick", anchor="picked")
    known = {
        segments.label(effect.segment): effect.segment
        for effect in picks.segments(readout.looks[-1], plan.id, arm)
        if effect.segment
    }
    chosen = st.multiselect(
        "Pick segments, for whatever reason",
        list(known),
        key="picked",
        bind="query-params",
        persist_state="session",
        placeholder="Segments, because they look good, or bad, or matter",
    )
    if not chosen:
        st.caption("Picking what looks best makes ordinary intervals too narrow. These allow for your picking.")
        return
    try:
        found = picked(readout, plan.id, arm, [known[name] for name in chosen])
    except AnalysisError as error:
        st.info(f"These cannot be read together: {error}")
        return
    show(segments.picked(found, plan, words.units(readout.design)), key="picks")
    st.caption(
        f"Of the intervals that readers pick like this, at most {100 * readout.design.alpha:g}% miss on average, "
        f"however they pick: you picked {len(found)} of {len(known)}, so each is wider than on its own."
    )
