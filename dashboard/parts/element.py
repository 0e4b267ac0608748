"""Puts HTML that the parts made onto a page, with the shared style; the same style serves an exported report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent
CSS = (HERE / "parts.css").read_text("utf-8")
_mount = st.components.v2.component(
    "holdout_part", html='<div class="part"></div>', css=CSS, js=(HERE / "parts.js").read_text("utf-8")
)


def show(html: str, *, key: str, **on_event: Callable[[str], Any]) -> None:
    """Draws `html`. A click on something with data-event="metric" calls `metric` with its data-value.

    Something with data-when-painted="painted" calls `painted` once the browser has painted what came before it.

    Args:
        html: made by a part, which escapes whatever came from data.
        key: unique on the page.
    """
    callbacks: dict[str, Any] = {f"on_{name}_change": _told(key, name, act) for name, act in on_event.items()}
    _mount(key=key, data={"html": html}, **callbacks)


def _told(key: str, name: str, act: Callable[[str], Any]) -> Callable[[], None]:
    def callback() -> None:
        value = st.session_state[key].get(name)
        if value is not None:
            act(str(value))

    return callback
