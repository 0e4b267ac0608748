"""Where pages get their values: the workspace, its experiments and its stored readouts, each parsed once."""

import os
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from analysis.readout import Readout
from dashboard.parts import picks
from store import Workspace
from store.registry import ExperimentRecord


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored readout with the look it was saved as; of earlier looks only what a page shows, not their segments."""

    look_id: int
    taken_at: datetime
    readout: Readout


def workspace() -> Workspace:
    """The workspace that the server was started on.

    Raises:
        store.StoreError: if it is not one, or not one any more.
    """
    return _open(os.environ.get("HOLDOUT_WORKSPACE", "."))


def experiments() -> list[ExperimentRecord]:
    """All experiments, in the registry's order."""
    return workspace().registry.experiments()


def latest(experiment_id: str) -> Saved | None:
    """The newest readout of an experiment; None before its first look."""
    looks = workspace().registry.looks(experiment_id)
    return saved(experiment_id, looks[0].id) if looks else None


def saved(experiment_id: str, look_id: int) -> Saved | None:
    """One stored readout; None where this experiment has no such look."""
    here = workspace()
    if look_id not in {look.id for look in here.registry.looks(experiment_id)}:
        return None
    return _parse(str(here.path), experiment_id, look_id)


@st.cache_resource(show_spinner=False)
def _open(path: str) -> Workspace:
    return Workspace.open(path)


def whole(look_id: int) -> Readout:
    """The readout of a look with the segments of its earlier looks, which a page does not need."""
    registry = workspace().registry
    return Readout.from_json(registry.look(look_id).readout or "", registry.segment_history(look_id))


@st.cache_resource(show_spinner=False, max_entries=128)
def _parse(path: str, experiment_id: str, look_id: int) -> Saved:
    """A saved look never changes, so it is parsed once for all visitors."""
    record = _open(path).registry.look(look_id)
    return Saved(look_id, record.taken_at, picks.until_decided(Readout.from_json(record.readout or "")))
