"""One metric look by look under a rule that the reader chooses: the only chart that needs a script."""

import streamlit as st

from analysis.readout import MetricPlan, Readout
from dashboard.asked import choose
from dashboard.parts import looks, picks, rules
from dashboard.parts.element import show
from dashboard.parts.palette import palette


def rule(readout: Readout, plan: MetricPlan, arm: str) -> str:
    """The rule to read by, from the address; the plan's own where it names none."""
    kinds = rules.kinds(picks.history(readout, plan.id, arm))
    own = kinds[0]
    return st.selectbox(
        "Rule",
        kinds,
        format_func=lambda kind: f"{rules.NAMES[kind]} (the plan’s rule)" if kind == own else rules.NAMES[kind],
        key="rule",
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
        width=300,
    )


@st.fragment
def draw(readout: Readout, plan: MetricPlan, arm: str, kind: str) -> None:
    """The chart, once the rest is painted: the browser needs a second to read Plotly and paints nothing meanwhile."""
    whole, blocked = picks.history(readout, plan.id, arm), readout.decision.verdict == "blocked"
    points = rules.under(whole, kind, plan)
    if all(effect.relative.estimate is None for _, effect in points):
        st.caption(f"No look has a lift of {plan.name} under this rule, so there is nothing to draw.")
        return
    st.caption(" ".join(filter(None, (rules.price(whole, kind), rules.stopped(whole[-1][1], readout.looks)))))
    if not st.session_state.get("painted"):
        show(looks.WAITING, key="waiting", painted=choose("painted"))
        return
    import plotly.graph_objects as go

    figure = go.Figure(looks.figure(points, palette(st.context.theme.type), blocked=blocked), _validate=False)
    config = {"displayModeBar": False, "responsive": True}
    st.plotly_chart(figure, key="looks", config=config, alt=looks.alt(points, plan))
