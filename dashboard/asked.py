"""What the address of a page asks for: a saved readout, an arm and a metric; and where a click leads."""

import re
from collections.abc import Callable
from typing import Literal

import streamlit as st

from analysis.readout import MetricPlan, Readout
from dashboard import source
from dashboard.parts import numbers, picks
from store import StoreError

# How a reader looks at one experiment: another one starts afresh.
VIEW = ("tab", "arm", "metric", "rule", "picked")


def readout() -> source.Saved | None:
    """The saved readout of ?exp= and ?look=; None once the reader was told why there is none."""
    try:
        return _saved()
    except StoreError as error:
        lost("This readout cannot be read.", str(error))
        return None


def _saved() -> source.Saved | None:
    experiment, look = st.query_params.get("exp", ""), st.query_params.get("look", "")
    known = {each.id: each for each in source.experiments()}
    if experiment not in known:
        lost(
            "No such experiment.", f"The address asks for “{experiment}”." if experiment else "The address names none."
        )
        return None
    newest = source.latest(experiment)
    if newest is None:
        lost(known[experiment].name, "This experiment has no look yet. To take the first, run: holdout refresh")
        return None
    if not look:
        return newest
    asked = source.saved(experiment, int(look)) if look.isdecimal() else None
    if asked is None:
        st.info(f"This experiment has no saved look “{look}”, so this is its latest.")
        return newest
    if asked.look_id != newest.look_id:
        st.info(f"This is the look saved on {numbers.minute(asked.taken_at)}, not the latest.")
    return asked


def lost(title: str, what: str) -> None:
    """Says what is not there, and leads back."""
    st.title(title, anchor=False)
    st.write(what)
    link("experiments", "See all experiments")


def arm(readout: Readout) -> str:
    """The treatment arm to read, from the address; not asked where there is only one. The one to read first leads."""
    arms, lead = picks.treatments(readout), picks.lead_arm(readout)
    if len(arms) == 1:
        return lead
    return st.selectbox(
        "Arm",
        sorted(arms, key=lambda arm: arm != lead),
        key="arm",
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
        width=220,
    )


def metric(readout: Readout) -> MetricPlan:
    """The metric to read, from the address; the primary one where it names none."""
    plans = picks.plans(readout)
    chosen = st.selectbox(
        "Metric",
        list(plans),
        format_func=lambda id: plans[id].name,
        key="metric",
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
        width=260,
    )
    return plans[chosen]


def choice(label: str, options: list[str], key: str, *, labelled: bool = False) -> str:
    """One of the options, from the address; the first where it names none. `labelled`: its label is shown."""
    shown: Literal["visible", "collapsed"] = "visible" if labelled else "collapsed"
    return st.selectbox(label, options, key=key, bind="query-params", label_visibility=shown, width=200)


def link(page: str, label: str, **query: str) -> None:
    """A line that leads to another page, in the colour of links: Streamlit draws it like any text."""
    shown = re.sub(r"([\\\[\]*_`~$:])", r"\\\1", label)
    st.page_link(f"pages/{page}.py", label=f":blue[{shown}]", query_params=query or None)


def choose(key: str) -> Callable[[str], None]:
    """A callback that sets the widget, or the flag, of this key."""

    def chosen(value: str) -> None:
        st.session_state[key] = value

    return chosen


def lead(page: str, key: str, query: dict[str, str]) -> Callable[[str], None]:
    """A callback that opens a page with the clicked value under `key`; `follow` does it on the run after."""

    def clicked(value: str) -> None:
        st.session_state["leading"] = page, {**query, key: value}

    return clicked


def follow() -> None:
    """A callback may not change the page, so the click is followed on the run after it."""
    if leading := st.session_state.pop("leading", None):
        page, query = leading
        if query.get("exp") != st.query_params.get("exp"):
            for key in VIEW:
                st.session_state.pop(key, None)
        st.switch_page(page, query_params=query)
