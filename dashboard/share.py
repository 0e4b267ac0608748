"""The Share menu: a link to exactly this look, and everything that it holds as files."""

from functools import partial

import streamlit as st

from dashboard import source
from dashboard.report.document import report
from dashboard.report.tables import zipped
from dashboard.source import Saved


def menu(saved: Saved) -> None:
    """Files are made when they are asked for, not when the page is drawn."""
    name = f"{saved.readout.experiment}-look-{saved.look_id}"
    with st.popover("Share"):
        st.caption("Copy a link to exactly this look")
        st.code(_link(saved), language=None, wrap_lines=True)
        for label, make, ending, kind in (
            ("Report (HTML)", partial(_report, saved), "html", "text/html"),
            ("All tables (CSV)", partial(_tables, saved), "zip", "application/zip"),
            ("Everything (JSON)", partial(_json, saved), "json", "application/json"),
        ):
            st.download_button(label, make, f"{name}.{ending}", kind, on_click="ignore", width="stretch")


def _link(saved: Saved) -> str:
    base = (st.context.url or "").split("?")[0].rstrip("/")
    return f"{base}?exp={saved.readout.experiment}&look={saved.look_id}"


def _report(saved: Saved) -> str:
    decisions = source.workspace().registry.decisions(saved.readout.experiment)
    return report(saved.readout, saved.look_id, saved.taken_at, decisions, source.trust(saved.readout.experiment))


def _tables(saved: Saved) -> bytes:
    decisions = source.workspace().registry.decisions(saved.readout.experiment)
    return zipped(source.whole(saved.look_id), decisions)


def _json(saved: Saved) -> str:
    return source.whole(saved.look_id).to_json()
