"""The frame around every page: browser title, and the menu at the top."""

from pathlib import Path

import streamlit as st

from dashboard.pages_list import PageFile, page_files

ICON = str(Path(__file__).with_name("icon.svg"))


def main() -> None:
    """Runs the page that the address names."""
    st.set_page_config(page_title="Holdout", page_icon=ICON, layout="wide")
    st.logo(ICON, size="small")
    groups: dict[str, list[st.Page]] = {}
    for file in page_files():
        groups.setdefault(file.group, []).append(_page(file))
    st.navigation(groups, position="top").run()


def _page(file: PageFile) -> st.Page:
    return st.Page(
        file.file,
        title=file.title,
        icon=file.icon or None,
        default=file.home,
        visibility="hidden" if file.hidden else "visible",
    )


main()
