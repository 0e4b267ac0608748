"""What the words, the metrics and the methods on the pages mean."""

import tomllib
from pathlib import Path

import streamlit as st

from analysis.experiment import Experiment
from analysis.reading import metric_plan
from dashboard import source
from dashboard.methods import methods
from dashboard.parts import history, stated, words
from dashboard.parts.element import show
from store import StoreError

TITLE = "Definitions"
ICON = ""
GROUP = ""
ORDER = 30

FILE = Path(__file__).resolve().parents[1] / "definitions.toml"


def page() -> None:
    """Every term with an anchor, so that /definitions#lift leads to it; ?doc=lift leads to a method."""
    st.title("Definitions", anchor=False)
    draws = {"Words": _words, "Metrics": _metrics, "Methods": _methods}
    first = "Methods" if "doc" in st.query_params else "Words"
    for tab, draw in zip(
        st.tabs(list(draws), default=first, key="tab", bind="query-params"), draws.values(), strict=True
    ):
        if tab.open:
            with tab, st.container(width=900):
                draw()


def _words() -> None:
    for group in tomllib.loads(FILE.read_text("utf-8"))["group"]:
        st.header(group["title"], anchor=False)
        for term in group["term"]:
            st.subheader(term["name"], anchor=term["anchor"])
            more = f" [How it is done](definitions?doc={term['doc']})" if "doc" in term else ""
            st.write(term["text"] + more)


def _metrics() -> None:
    """Every metric of every experiment; one that several define alike is told once."""
    try:
        known = source.stated()
    except StoreError as error:
        st.error(f"The workspace cannot be read. {error}")
        return
    found: dict[tuple[str, str, str], list[str]] = {}
    for experiment, text in known:
        unit = words.unit_of(experiment.cluster or experiment.unit, [metric.name for metric in experiment.metrics])
        for metric in experiment.metrics:
            key = metric.name, stated.in_words(metric_plan(metric), unit), stated.lines(text, metric.id)
            found.setdefault(key, []).append(_user(experiment))
    if not found:
        st.write("No experiment of this workspace defines a metric yet.")
        return
    asked = st.text_input(
        "Find",
        key="define",
        bind="query-params",
        placeholder="Find by name, experiment or definition",
        label_visibility="collapsed",
    )
    entries = [stated.entry(*key, users) for key, users in sorted(found.items()) if _has(asked, *key, *users)]
    st.caption(
        f"{len(entries)} of {words.count(len(found), 'definition')}, in {words.count(len(known), 'experiment')}."
    )
    show(history.ledger(entries), key="metrics")


def _user(experiment: Experiment) -> str:
    owner = f", owner {experiment.owner}" if experiment.owner else ""
    path = experiment.source.path
    return f"{experiment.name}{owner}, source {path.name if path else 'lake'}"


def _has(asked: str, *texts: str) -> bool:
    return asked.strip().lower() in " ".join(texts).lower()


def _methods() -> None:
    name = st.query_params.get("doc", "")
    if method := methods().get(name):
        show(stated.link("All methods", "definitions?tab=Methods", "all"), key="back", doc=_turn_to)
        st.header(method.title, anchor=False)
        # Code wraps: a block that scrolls sideways cannot be reached without a mouse.
        for position, part in enumerate(method.parts):
            if position % 2:
                st.code(part, language=None, wrap_lines=True)
            else:
                st.markdown(part)
        return
    if name:
        st.info(f"There is no page “{name}”. These there are:")
    links = [stated.link(each.title, f"definitions?doc={each.name}", each.name) for each in methods().values()]
    show(f'<ul class="titles"><li>{"</li><li>".join(links)}</li></ul>', key="titles", doc=_turn_to)


def _turn_to(name: str) -> None:
    """Opens a page of the docs, or the list of all."""
    st.session_state["tab"] = "Methods"
    if name in methods():
        st.query_params["doc"] = name
    else:
        st.query_params.pop("doc", None)


page()
