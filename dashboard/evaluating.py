"""What pages ask of the log of slates: each question is worked out once for the same facts."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import source
from recsys.offpolicy.evaluation import PolicyReport, evaluate_policy
from recsys.offpolicy.policies import Explore, TargetPolicy, Uniform, logged_share
from recsys.offpolicy.slate_log import logged_policies

if TYPE_CHECKING:
    from recsys.training.recalibration import Served

RANDOM = "All equally likely"
SHARES = {"Never explore": 0.0, "Explore 1%": 0.01, "Explore 10%": 0.1, "Explore 25%": 0.25}


def logged() -> dict[str, dict[str, tuple[int, datetime]]]:
    """Of each surface, the busiest first, the policies that chose there, the latest first: how many slates, and when
    the last."""
    here = source.workspace()
    found: dict[str, dict[str, tuple[int, datetime]]] = {}
    for (surface, policy), seen in _logged(str(here.path), _facts()).items():
        found.setdefault(surface, {})[policy] = seen
    slates = {surface: sum(many for many, _ in policies.values()) for surface, policies in found.items()}
    return {surface: found[surface] for surface in sorted(found, key=lambda name: -slates[name])}


def questions(surface: str, policy: str) -> dict[str, TargetPolicy]:
    """What can be asked of this policy's log, by its name on the page; the share that it had itself is left out."""
    own = logged_share(policy, surface)
    some: dict[str, TargetPolicy] = {}
    if own is not None:
        some = {name: Explore(share, own) for name, share in SHARES.items() if share != own}
    return some | {RANDOM: Uniform()}


def report(asked: TargetPolicy, surface: str, reward: str, policy: str, days: int | None) -> PolicyReport:
    """The answer, from the last `days` of the policy's log, or from all of it.

    Raises:
        DataError: if the log does not hold what the question needs.
    """
    here = source.workspace()
    last = logged()[surface][policy][1]
    since = last - timedelta(days=days) if days else None
    kept = _kept(str(here.path), _facts(), asked, surface, reward, policy, since)
    if not kept:
        period = (since, None)
        kept.append(evaluate_policy(here, asked, surface=surface, reward=reward, logged_policy=policy, period=period))
    return kept[0]


def as_served(version: str) -> dict[str, dict[str, Any] | None]:
    """How the chances that a version of the engine logged did against what followed, by outcome."""
    return _as_served(str(source.workspace().path), _facts(), version).whole


def as_served_by_surface(version: str) -> dict[str, dict[str, dict[str, Any] | None]]:
    """The same of each surface alone."""
    return _as_served(str(source.workspace().path), _facts(), version).by_surface


def _facts() -> tuple[tuple[str, int], ...]:
    return tuple(sorted(source.workspace().lake.versions().items()))


@st.cache_resource(show_spinner=False, max_entries=8)
def _logged(path: str, facts: tuple[tuple[str, int], ...]) -> dict[tuple[str, str], tuple[int, datetime]]:
    return logged_policies(source.workspace())


@st.cache_resource(show_spinner=False, max_entries=16)
def _as_served(path: str, facts: tuple[tuple[str, int], ...], version: str) -> "Served":
    from recsys.training import recalibration

    return recalibration.as_served(source.workspace(), version)


@st.cache_resource(show_spinner=False, max_entries=256)
def _kept(*key: object) -> list[PolicyReport]:
    """A place for one report, empty at first."""
    return []
