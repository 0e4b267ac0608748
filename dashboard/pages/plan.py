"""Plan: how long will it take, and what can it show?"""

import streamlit as st

from analysis.errors import AnalysisError
from analysis.planning.result import Plan
from dashboard import asked, planning, source
from dashboard.parts import curve, html, words
from dashboard.parts import plan as parts
from dashboard.parts.element import show
from store import StoreError

TITLE = "Plan"
ICON = ""
GROUP = ""
ORDER = 15
NEW = "A new experiment"
POWERS = ["80%", "90%", "95%", "70%"]


def page() -> None:
    """Draws the plan of the experiment that the address names, or of an edit of it."""
    st.title("Plan", anchor=False)
    try:
        files = {file.path.stem: file for file in source.files()}
    except StoreError as error:
        st.error(f"The workspace cannot be read. {error}")
        return
    st.write("What an experiment can show and how long it takes, worked out from this workspace’s own past.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Experiment file", [*files, NEW], key="file", bind="query-params", width=260)
        effect = st.number_input(
            "Effect to find, in %", 0.0, 1000.0, 5.0, 0.5, "%.1f", key="effect", bind="query-params", width=160
        )
        power = st.selectbox("Power", POWERS, key="power", bind="query-params", width=110)
        traffic = st.number_input(
            "Share of traffic, in %", 1, 100, 100, 5, key="traffic", bind="query-params", width=160
        )
    file = files.get(name)
    with st.expander("Try other lines. Nothing is written.", expanded=file is None):
        first = file.text if file else planning.TEMPLATE
        # An edit belongs to the text that it began from: a file that changed meanwhile is shown anew.
        key = f"draft-{name}-{hash(first)}"
        text = st.text_area("Lines of the file", first, height=360, key=key, label_visibility="collapsed") or ""
    if text != first:
        st.info("This is the plan of your own lines, not of the file.")
    if made := _planned(text, file, effect / 100 or None, float(power.rstrip("%")) / 100, traffic / 100):
        _draw(*made)


def _planned(
    text: str, file: source.File | None, effect: float | None, target: float, traffic: float
) -> tuple[Plan, str] | None:
    """The plan and what is randomised, while saying what is done; None once the reader was told why there is none."""
    waiting = st.empty()
    try:
        experiment = planning.drafted(text, file)
        with waiting.status("Reading the past …") as status:
            plan = planning.planned(
                experiment,
                text,
                effect=effect,
                target=target,
                traffic=traffic,
                progress=lambda message: status.update(label=f"{message} …"),
            )
    except (AnalysisError, StoreError) as error:
        st.error("There is no plan for this.")
        st.code(str(error), language=None, wrap_lines=True)
        return None
    finally:
        waiting.empty()
    return plan, words.unit_of(experiment.cluster or experiment.unit, [metric.name for metric in experiment.metrics])


def _draw(plan: Plan, noun: str) -> None:
    show(parts.card(plan, noun), key="card")
    for title, anchor, said in (
        ("Before you start", "warnings", parts.warnings(plan)),
        ("Other experiments on the same units", "overlap", parts.overlaps(plan)),
    ):
        if said:
            st.header(title, anchor=anchor)
            show(f'<div class="bullets">{html.bullets(said)}</div>', key=anchor)
    first = next((forecast for forecast in plan.metrics if forecast.metric.role == "primary"), plan.metrics[0])
    if first.curve:
        st.header(f"Least lift of {first.metric.name} by days", anchor="curve")
        show(curve.drawing(first.curve, plan.days, first.metric.name), key="curve")
    asked.link("definitions", "How plans are made", doc="power")
    st.header("Every metric, every way to read", anchor="metrics")
    show(parts.table(plan), key="metrics")
    st.header("The price of peeking", anchor="price")
    show(parts.price(plan), key="price")
    st.header("For the experiment file", anchor="lines")
    st.code(parts.snippet(plan), language=None, wrap_lines=True)
    st.download_button("Download these lines", parts.snippet(plan), f"{plan.experiment}-plan.toml", "application/toml")


page()
