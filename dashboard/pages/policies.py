"""Policies: what would another way of choosing have earned, and does the log know?"""

from collections.abc import Iterable

import streamlit as st

from dashboard import asked, evaluating, source
from dashboard.parts import policy as parts
from dashboard.parts import words
from dashboard.parts.element import show
from recsys.offpolicy.evaluation import PolicyReport
from recsys.offpolicy.slate_log import REWARDS
from store import StoreError

TITLE = "Policies"
ICON = ""
GROUP = ""
ORDER = 28
PERIODS = {"The last 28 days": 28, "The last 7 days": 7, "All of the log": None}


def page() -> None:
    """Draws the answer to one question, or says what has to be logged first."""
    st.title("Policies", anchor=False)
    try:
        logged = evaluating.logged()
    except StoreError as error:
        st.error(f"The workspace cannot be read. {error}")
        return
    st.write("What another way of choosing would have earned, worked out from slates that were shown.")
    if not logged:
        here = source.workspace()
        st.write("No slate has been logged yet. The engine logs what it shows, and with which probability:")
        st.code(f"holdout serve --workspace {here.path}", language=None, wrap_lines=True)
        asked.link("definitions", "What can be asked of a log", doc="off-policy")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        titles = {words.plain(name): name for name in logged}
        surface = titles[_choice("Surface", titles, "surface")]
        policy = _choice("Chosen by", logged[surface], "chosen_by")
        question = _choice("What if", evaluating.questions(surface, policy), "what_if")
        reward = _choice("What counts", [each.title for each in REWARDS.values()], "reward")
        period = _choice("Slates of", PERIODS, "period")
    name = next(key for key, each in REWARDS.items() if each.title == reward)
    if found := _asked(surface, policy, question, name, PERIODS[period]):
        _draw(found)


def _choice(label: str, options: Iterable[str], key: str) -> str:
    return asked.choice(label, list(options), key, labelled=True)


def _asked(surface: str, policy: str, question: str, reward: str, days: int | None) -> PolicyReport | None:
    """The report; None once the reader was told why there is none."""
    try:
        with st.spinner("Weighing the logged slates …"):
            choice = evaluating.questions(surface, policy)[question]
            return evaluating.report(choice, surface, reward, policy, days)
    except StoreError as error:
        said = str(error)
        st.info(f"{said[:1].upper()}{said[1:]}")
        return None


def _draw(report: PolicyReport) -> None:
    st.header(report.policy, anchor=False)
    show(parts.card(report), key="card")
    show(parts.strip(report), key="support")
    if every := parts.table(report):
        st.header("Worked out in other ways", anchor="estimators")
        show(every, key="estimators")
    asked.link("definitions", "How this is worked out", doc="off-policy")


page()
