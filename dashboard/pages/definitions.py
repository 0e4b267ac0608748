"""What the words on the pages mean."""

import tomllib
from pathlib import Path

import streamlit as st

TITLE = "Definitions"
ICON = ""
GROUP = ""
ORDER = 30

FILE = Path(__file__).resolve().parents[1] / "definitions.toml"


def page() -> None:
    """Every term with an anchor, so that /definitions#lift leads to it."""
    st.title("Definitions", anchor=False)
    st.caption("Every term that the pages use, in plain words.")
    with st.container(width=760):
        _terms()


def _terms() -> None:
    for group in tomllib.loads(FILE.read_text("utf-8"))["group"]:
        st.header(group["title"], anchor=False)
        for term in group["term"]:
            st.subheader(term["name"], anchor=term["anchor"])
            st.write(term["text"])


page()
