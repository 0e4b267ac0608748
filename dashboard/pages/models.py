"""Models: which version serves, and is the new one better?"""

import streamlit as st

from dashboard import asked, evaluating, source
from dashboard.parts import by_surface, figures
from dashboard.parts import model as parts
from dashboard.parts.element import show
from recsys.training.cards import compare, same_days
from store import StoreError
from store.registry import ModelRecord

TITLE = "Models"
ICON = ""
GROUP = ""
ORDER = 27
NONE = "No other version"


def page() -> None:
    """Draws the card of the version that serves, or of the one in the address, and all versions."""
    st.title("Models", anchor=False)
    try:
        records = source.workspace().registry.models()
    except StoreError as error:
        st.error(f"The workspace cannot be read. {error}")
        return
    if not records:
        st.write(parts.NO_MODEL)
        st.code(f"holdout train --workspace {source.workspace().path}", language=None, wrap_lines=True)
        return
    by_version = {each.version: each for each in records}
    serving = next((each for each in records if each.serving), records[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = [serving.version, *(version for version in by_version if version != serving.version)]
        shown = by_version[asked.choice("Version", order, "version", labelled=True)]
        others = [each.version for each in records if each is not shown and each.name == shown.name]
        beside = asked.choice("Compare with", [NONE, *others], "beside", labelled=True)
    back = next((each for each in records if not each.serving), None) if shown.serving else shown
    show(parts.card(shown, roll_back=back), key="card")
    _figures(shown, by_version.get(beside))
    st.header("All versions", anchor="versions")
    show(parts.versions(records, shown.version), key="versions", version=asked.choose("version"))
    st.header("What served", anchor="served")
    show(parts.served(source.workspace().registry.audit(f"model {shown.name}")), key="served")


def _figures(shown: ModelRecord, beside: ModelRecord | None) -> None:
    if beside is None:
        _as_served("As it served", shown.version, "as-served")
        st.header("When it was trained, on later days", anchor="measured")
        show(figures.measured(shown), key="measured")
        return
    st.header(f"{shown.version} beside {beside.version}", anchor=False)
    if not same_days(beside, shown):
        st.info("They were judged on other days or other facts, so no figure is read as better or worse.")
    show(figures.comparison(compare(beside, shown), beside.version, shown.version), key="compared")
    for column, each in zip(st.columns(2, gap="large"), (beside, shown), strict=True):
        with column:
            _as_served(f"{each.version} as it served", each.version)


def _as_served(title: str, version: str, anchor: str | None = None) -> None:
    st.header(title, anchor=anchor or False)
    with st.spinner("Holding its chances against what followed …"):
        show(figures.as_served(evaluating.as_served(version)), key=f"as-served-{version}")
        if surfaces := by_surface.table(evaluating.as_served_by_surface(version)):
            show(surfaces, key=f"by-surface-{version}")


page()
