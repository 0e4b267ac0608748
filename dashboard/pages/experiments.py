"""The list of experiments: which of them need a decision."""

import streamlit as st

from analysis.crossings import count as count_crossings
from dashboard import asked, source
from dashboard.parts import peeking, summary, words
from dashboard.parts.element import show
from dashboard.parts.summary import Row
from store import StoreError

TITLE = "Experiments"
ICON = ""
GROUP = ""
ORDER = 10
HOME = True
ANY_STATUS, ANYBODY, NOBODY = "Any status", "Any owner", "No owner"


def page() -> None:
    """Draws the list, or says what to type to get one."""
    asked.follow()
    st.title("Experiments", anchor=False)
    try:
        with st.spinner("Opening the latest looks …"):
            rows, broken = _rows(), [file for file in source.files() if file.error]
    except StoreError as error:
        st.error(f"The workspace cannot be read. {error}")
        return
    if broken:
        st.error(f"{words.count(len(broken), 'experiment file')} cannot be read, and so not be refreshed.")
        show(summary.broken([(file.path.name, file.error) for file in broken]), key="broken")
    if not rows:
        here = source.workspace()
        st.write(
            f"No experiment has been read in this workspace yet. Put its TOML file into {here.experiments}, then run:"
        )
        st.code(f"holdout refresh --workspace {here.path}", language=None)
        return
    counts = count_crossings(crossing for row in rows if row.glance for crossing in row.glance.crossings)
    peeked = peeking.sentence(counts)
    waiting = sum(row.waiting for row in rows)
    below = "; at the end, [what peeking would have claimed](#peeking)" if peeked else ""
    st.write(
        f"{words.count(len(rows), 'experiment')}, {waiting} waiting for somebody. The most urgent come first{below}."
    )
    if chosen := _filtered(rows):
        readout, plan = asked.lead("pages/readout.py", "exp", {}), asked.lead("pages/plan.py", "file", {})
        show(summary.table(chosen), key="list", open=readout, plan=plan)
    else:
        st.write("No experiment is like that. Change what is asked for above.")
    # Over the whole workspace, whatever the filters say.
    if peeked:
        st.header("What peeking would have claimed", anchor="peeking")
        st.write(peeked)
        show(peeking.table(counts), key="peeking")
        asked.link("definitions", "How this is counted", doc="peeking")


def _rows() -> list[Row]:
    """Every registered experiment, and those whose file nobody has refreshed yet."""
    standing = {made.experiment_id: made for made in reversed(source.workspace().registry.decisions())}
    stated = {file.experiment.id: (file.experiment, file.path.stem) for file in source.files() if file.experiment}
    seen, registered = source.glances(), source.experiments()
    rows = [Row(each.id, each.name, each.owner, seen.get(each.id), standing.get(each.id)) for each in registered]
    known = {row.id for row in rows}
    new = [(each, stem) for each, stem in stated.values() if each.id not in known]
    return rows + [Row(each.id, each.name, each.owner, file=stem) for each, stem in new]


def _filtered(rows: list[Row]) -> list[Row]:
    """The rows that the reader asks for; what is asked is in the address."""
    with st.container(horizontal=True):
        text = st.text_input(
            "Find", key="find", bind="query-params", placeholder="Find by name", label_visibility="collapsed", width=240
        )
        statuses = [ANY_STATUS, *dict.fromkeys(row.status for row in rows)]
        status = asked.choice("Status", statuses, "status")
        named = sorted({row.owner for row in rows if row.owner})
        owners = [ANYBODY, *named, *([NOBODY] if any(not row.owner for row in rows) else [])]
        owner = asked.choice("Owner", owners, "owner")
    return [
        row
        for row in rows
        if text.strip().lower() in f"{row.name} {row.id} {row.owner or ''}".lower()
        and status in (ANY_STATUS, row.status)
        and owner in (ANYBODY, row.owner or NOBODY)
    ]


page()
