"""The readout of one experiment: can I decide, and what?"""

import csv
import io
from collections.abc import Callable
from functools import partial

import streamlit as st

from analysis.readout import MetricPlan, Readout
from dashboard import source
from dashboard.parts import forest, health, looks, numbers, picks, segments, verdict, words
from dashboard.parts.element import show
from dashboard.parts.palette import palette
from store import StoreError

TITLE = "Readout"
ICON = ""
GROUP = ""
ORDER = 20
HIDDEN = True


def page() -> None:
    """Draws the readout that the address names."""
    try:
        saved = _asked_for()
    except StoreError as error:
        _lost("This readout cannot be read.", str(error))
        return
    if saved is not None:
        _draw(saved)


def _asked_for() -> source.Saved | None:
    """The saved readout of ?exp= and ?look=; None once the reader was told why there is none."""
    experiment, look = st.query_params.get("exp", ""), st.query_params.get("look", "")
    known = {each.id: each for each in source.experiments()}
    if experiment not in known:
        _lost(
            "No such experiment.", f"The address asks for “{experiment}”." if experiment else "The address names none."
        )
        return None
    newest = source.latest(experiment)
    if newest is None:
        _lost(known[experiment].name, "This experiment has no look yet. To take the first, run: holdout refresh")
        return None
    if not look:
        return newest
    asked = source.saved(experiment, int(look)) if look.isdecimal() else None
    if asked is None:
        st.info(f"This experiment has no saved look “{look}”, so this is its latest.")
        return newest
    if asked.look_id != newest.look_id:
        st.info(f"This is the look saved on {numbers.minute(asked.taken_at)}, not the latest.")
    return asked


def _lost(title: str, what: str) -> None:
    st.title(title, anchor=False)
    st.write(what)
    st.page_link("pages/experiments.py", label="See all experiments")


def _draw(saved: source.Saved) -> None:
    readout = saved.readout
    arm = _top(saved)
    blocked = readout.decision.verdict == "blocked"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Effect on each metric", anchor="effects")
        unadjusted = True
        if any(effect.adjustment for effect in picks.overall(readout.looks[-1], arm)):
            unadjusted = st.toggle("Show unadjusted", value=True, key="unadjusted", bind="query-params")
    if blocked:
        st.caption("Greyed: the comparison is broken, so these lifts are for finding the cause only.")
    if len(picks.treatments(readout)) > 1:
        show(forest.arms(readout, arm, unadjusted=unadjusted, muted=blocked), key="arms", arm=_choose("arm"))
    show(forest.table(readout, arm, unadjusted=unadjusted, muted=blocked), key="forest", metric=_choose("metric"))
    _details(readout, arm, blocked)


def _top(saved: source.Saved) -> str:
    """Title, status, arm, share, the card and the health strip; gives the chosen arm."""
    readout = saved.readout
    design, look = readout.design, readout.looks[-1]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title(design.name, anchor=False, width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.badge(words.progress(look, readout.looks, design), color="gray")
            arm = _arm(readout)
            with st.popover("Share"):
                _share(saved)
    top = verdict.summary_line(readout) + verdict.card(readout, arm) + health.strip(look, design)
    show(top, key="top")
    return arm


def _arm(readout: Readout) -> str:
    """The treatment arm to read, from the address; not asked where there is only one."""
    arms, lead = picks.treatments(readout), picks.lead_arm(readout)
    if len(arms) == 1:
        return lead
    return st.selectbox(
        "Arm", arms, index=arms.index(lead), key="arm", bind="query-params", label_visibility="collapsed", width=220
    )


def _share(saved: source.Saved) -> None:
    name = f"{saved.readout.experiment}-look-{saved.look_id}"
    st.caption("Copy a link to exactly this look")
    st.code(_link(saved), language=None, wrap_lines=True)
    stored, table = partial(source.stored, saved.look_id), partial(_csv, saved.readout)
    st.download_button("Download JSON", stored, f"{name}.json", "application/json", on_click="ignore")
    st.download_button("Download CSV", table, f"{name}.csv", "text/csv", on_click="ignore")


def _link(saved: source.Saved) -> str:
    base = (st.context.url or "").split("?")[0].rstrip("/")
    return f"{base}?exp={saved.readout.experiment}&look={saved.look_id}"


def _csv(readout: Readout) -> str:
    rows = forest.csv_rows(readout.looks[-1])
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys() if rows else ["metric"])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _choose(key: str) -> Callable[[str], None]:
    def chosen(value: str) -> None:
        st.session_state[key] = value

    return chosen


def _details(readout: Readout, arm: str, blocked: bool) -> None:
    """One metric at every look and in every segment; the chart is sent last, because it is the slowest to draw."""
    several, segmented = len(readout.looks) > 1, any(effect.segment for effect in readout.looks[-1].effects)
    if not several and not segmented:
        st.caption("There is one look and no segment, so there is nothing more to draw.")
        _methods(readout)
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        heading = st.container(width="content")
        plan = _metric(readout)
    heading.header(f"{plan.name}, look by look" if several else f"{plan.name} by segment", anchor="looks")
    course = st.container()
    if segmented:
        if several:
            st.header(f"{plan.name} by segment", anchor="segments")
        _segments(readout, plan, arm, blocked)
    _methods(readout)
    if several:
        with course:
            _looks(readout, plan, arm, blocked)


def _metric(readout: Readout) -> MetricPlan:
    plans = picks.plans(readout)
    chosen = st.selectbox(
        "Metric",
        list(plans),
        format_func=lambda id: plans[id].name,
        key="metric",
        bind="query-params",
        label_visibility="collapsed",
        width=260,
    )
    return plans[chosen]


@st.fragment
def _looks(readout: Readout, plan: MetricPlan, arm: str, blocked: bool) -> None:
    """The chart, once the rest is painted: the browser needs a second to read Plotly and paints nothing meanwhile."""
    points = picks.history(readout, plan.id, arm)
    if all(effect.relative.estimate is None for _, effect in points):
        st.caption(f"No look has a lift of {plan.name}, so there is nothing to draw.")
        return
    if not st.session_state.get("painted"):
        show(looks.WAITING, key="waiting", painted=_choose("painted"))
        return
    import plotly.graph_objects as go

    figure = go.Figure(looks.figure(points, palette(st.context.theme.type), blocked=blocked), _validate=False)
    config = {"displayModeBar": False, "responsive": True}
    st.plotly_chart(figure, key="looks", config=config, alt=looks.alt(points, plan))


def _segments(readout: Readout, plan: MetricPlan, arm: str, blocked: bool) -> None:
    effects = picks.segments(readout.looks[-1], plan.id, arm)
    if not effects:
        st.caption(f"This look has no segment of {plan.name}.")
        return
    st.caption(segments.sentence(effects))
    show(segments.table(readout, plan.id, arm, muted=blocked), key="segments")


def _methods(readout: Readout) -> None:
    design = readout.design
    with st.expander("How these numbers were made"):
        st.markdown("\n".join(f"- {line}" for line in words.methods(readout)))
        st.page_link("pages/definitions.py", label="What the words mean")
        if design.description:
            st.caption(design.description)


page()
