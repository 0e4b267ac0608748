"""One metric of an experiment: is this number real?"""

import streamlit as st

from analysis.readout import Effect, MetricPlan, Readout
from dashboard import asked, source
from dashboard.parts import checkup, compare, html, numbers, picks, rules, segments, stated, trust, words
from dashboard.parts.element import show
from dashboard.tabs import course

TITLE = "Metric"
ICON = ""
GROUP = ""
ORDER = 21
HIDDEN = True


def page() -> None:
    """Draws the metric that the address names: its course, its rules, what adjusting did, and its definition."""
    saved = asked.readout()
    if saved is None:
        return
    readout = saved.readout
    back = {"exp": readout.experiment, "look": str(saved.look_id)}
    asked.link("readout", f"← {readout.design.name}", **back)
    top = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with top:
        heading = st.container(width="content")
        with st.container(horizontal=True, width="content"):
            plan, arm = asked.metric(readout), asked.arm(readout)
    heading.title(plan.name, anchor=False)
    points = picks.history(readout, plan.id, arm)
    if not points:
        st.write(f"This look has no effect of {arm} on {plan.name}.")
        return
    effect = points[-1][1]
    show(html.said(words.in_words(effect, plan)) + html.line(_who(readout, effect)), key="said")
    st.header("Under every rule", anchor="rules")
    show(rules.comparison(points, plan), key="rules")
    if proof := trust.table(source.trust(readout.experiment), plan.id, arm, words.units(readout.design)):
        st.header("On your own users, where nothing happened", anchor="trust")
        show(proof, key="trust")
    _adjusting(saved, plan, arm)
    _segments(saved, plan, arm)
    if costs := checkup.clusters(readout, plan.id):
        st.header("What randomising clusters costs", anchor="clusters")
        show(costs, key="clusters")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Look by look", anchor="looks")
        rule = course.rule(readout, plan, arm)
    reserved = st.container()
    _definition(saved, plan)
    with reserved:
        if len(points) > 1:
            course.draw(readout, plan, arm, rule)
        else:
            st.caption("There is one look, so there is no course over looks to draw.")


def _who(readout: Readout, effect: Effect) -> str:
    units, look = words.units(readout.design), readout.looks[-1]
    many = [
        f"{arm} ({n or 0:,.0f} {units})"
        for arm, n in ((effect.arm, effect.n.treatment), (effect.control, effect.n.control))
    ]
    return f"{many[0]} against {many[1]}. {words.progress(look, readout.looks, readout.design)}."


def _adjusting(saved: source.Saved, plan: MetricPlan, arm: str) -> None:
    effect = picks.effect_of(saved.readout.looks[-1], plan.id, arm)
    if effect is None or effect.adjustment is None:
        st.caption("Nothing that was known before exposure is used, so there is no adjusted and unadjusted number.")
        return
    st.header("Adjusted and not", anchor="adjusted")
    known = words.listed(list(effect.adjustment.covariates))
    lines = [
        compare.Line("Adjusted", effect.relative, f"for {known}", word=words.READINGS[effect.reading]),
        compare.Line("Not adjusted", effect.unadjusted.relative, "as measured"),
    ]
    show(compare.table(("Number", "", "Lift, same interval", "Reading"), {"": lines}), key="adjusted")
    if effect.variance_reduction is not None:
        st.caption(f"Adjusting took away {numbers.percent(effect.variance_reduction, 0)} of the variance.")


def _segments(saved: source.Saved, plan: MetricPlan, arm: str) -> None:
    look = saved.readout.looks[-1]
    if said := segments.differs(look, plan.id, arm, saved.readout.design.alpha):
        st.header("By segment", anchor="segments")
        show(html.said(said), key="differs")
        query = {"exp": saved.readout.experiment, "look": str(saved.look_id), "tab": "Segments", "metric": plan.name}
        asked.link("readout", "Every segment →", **query)


def _definition(saved: source.Saved, plan: MetricPlan) -> None:
    st.header("Definition", anchor="definition")
    show(html.line(stated.in_words(plan, words.member(saved.readout))), key="definition")
    registry = source.workspace().registry
    record = registry.experiment(saved.readout.experiment)
    if text := stated.lines(record.definition, plan.id):
        st.code(text, language=None)
    # A refresh keeps the plan just before its look, so an edit after this one comes with a later look.
    later = [look for look in registry.looks(record.id) if look.taken_at > saved.taken_at]
    if any(look.taken_at <= record.updated_at for look in later):
        st.caption("The plan was edited after this look; its History tab shows how.")


page()
