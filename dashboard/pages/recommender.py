"""Recommender: what would this person be shown, and why?"""

import random

import streamlit as st

from dashboard import recommending, source
from dashboard.parts import numbers
from dashboard.parts import slate as parts
from dashboard.parts.element import show
from recsys.errors import RequestError
from store import StoreError

TITLE = "Recommender"
ICON = ""
GROUP = ""
ORDER = 26


def page() -> None:
    """Draws the slates of one person on every surface, what they did, and what is near them."""
    st.title("Recommender", anchor=False)
    try:
        with st.spinner("Opening the engine …"):
            items = recommending.items()
    except StoreError as error:
        st.error(f"The engine cannot be opened. {error}")
        return
    st.write("What each surface would show one person, and why.")
    if not items:
        st.write("The catalogue is empty, so there is nothing to show. Import items, and what people do with them:")
        path = source.workspace().path
        st.code(
            f"holdout import items items.csv --workspace {path}\nholdout import events events.csv --workspace {path}",
            language=None,
            wrap_lines=True,
        )
        return
    person, draw = _asked()
    try:
        found = recommending.seen(person, draw)
    except StoreError as error:
        st.error(str(error))
        return
    _draw(found)


def _asked() -> tuple[str, int]:
    """The person and the draw, from the address; somebody who did something where it names nobody."""
    if "person" not in st.session_state and not st.query_params.get("person"):
        st.session_state["person"] = _somebody(0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        person = st.text_input("Person", key="person", bind="query-params", width=240)
        draw = st.number_input("Draw", 1, 1_000_000, 1, 1, key="draw", bind="query-params", width=140)
        st.button("Somebody else", on_click=_another)
    return (person or "").strip() or _somebody(0), int(draw)


def _another() -> None:
    st.session_state["person"] = _somebody(random.SystemRandom().randrange(2**31))
    st.query_params.pop("item", None)


def _somebody(seed: int) -> str:
    """Somebody with acts; a name for nobody where there is none."""
    return next(iter(recommending.people(seed)), "somebody")


def _draw(found: recommending.Seen) -> None:
    model = f"by engine {found.model}" if found.model else "without a trained engine, from charts"
    st.caption(
        f"{found.person}, as of {numbers.minute(found.at)}, {model}. Chance to be shown: that this item is drawn for "
        "this place, given those above it (propensity). Another draw shows how the surfaces explore."
    )
    if not found.past:
        st.info(parts.NOBODY)
    for shown in found.slates:
        st.header(shown.title, anchor=shown.surface)
        if about := parts.about(shown):
            st.write(f"{about}:")
        show(parts.slate(shown, found.titles), key=f"slate-{shown.surface}", item=_choose)
    if absent := parts.absent(found.slates):
        st.caption(absent)
    if found.past:
        st.header("What this person did", anchor="past")
        show(parts.past(found.past), key="past", item=_choose)
    st.header("What is most alike", anchor="near")
    st.caption(
        "From 0, nothing in common, to 1, the same direction: the cosine of what the encoder learnt of both, from what "
        "people do."
    )
    if not found.past:
        _near_item(found)
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("To this person", anchor=False)
        show(parts.near(found.near), key="near-person", item=_choose)
    with right:
        _near_item(found)


def _near_item(found: recommending.Seen) -> None:
    """Neighbours of the item in the address; of what the person did last where it names none."""
    first = next((act.item_id for act in found.past), next(iter(found.titles), ""))
    item = st.query_params.get("item") or first
    try:
        near = recommending.near(item)
    except RequestError as error:
        st.info(str(error))
        return
    st.subheader(f"To {found.titles.get(item, item)}", anchor=False)
    show(parts.near(near), key="near-item", item=_choose)


def _choose(item: str) -> None:
    st.query_params["item"] = item


page()
