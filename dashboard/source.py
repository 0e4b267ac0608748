"""Where pages get their values: the workspace, its experiments and its stored readouts, each parsed once."""

import os
import tomllib
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import streamlit as st

from analysis.crossings import crossings
from analysis.errors import ExperimentError
from analysis.experiment import Experiment, load_experiment, parse_experiment
from analysis.inference.schedule import longest_window
from analysis.planning.pace import days_left
from analysis.readout import Readout
from analysis.trust import Trust
from dashboard.parts import picks
from dashboard.parts.summary import Glance
from store import Workspace
from store.registry import ExperimentRecord


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored readout with the look it was saved as; of earlier looks only what a page shows, not their segments."""

    look_id: int
    taken_at: datetime
    readout: Readout


@dataclass(frozen=True, slots=True)
class File:
    """An experiment file of the workspace with its text; one that cannot be read has an error."""

    path: Path
    text: str
    experiment: Experiment | None
    error: str = ""


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


def glances() -> dict[str, Glance]:
    """The newest readout in short of every experiment that has one."""
    here = workspace()
    newest = here.registry.latest_look_ids()
    read = [file.experiment for file in files() if file.experiment]
    waits = {each.id: (each.end, longest_window(each)) for each in read}
    return {id: _glance(str(here.path), look, *waits.get(id, (None, 0.0))) for id, look in newest.items()}


def files() -> list[File]:
    """The experiment files of the workspace, by name; one that did not change is not read again."""
    found = sorted(workspace().experiments.glob("*.toml"))
    return [_file(str(path), path.stat().st_mtime_ns if path.exists() else 0) for path in found]


def stated() -> list[tuple[Experiment, str]]:
    """The experiments whose definition can be read, with its text: as registered, or as its file says if it is new."""
    found = {each.id: (_stated(each.definition), each.definition) for each in experiments()}
    for file in files():
        if file.experiment and file.experiment.id not in found:
            found[file.experiment.id] = file.experiment, file.text
    return [(experiment, text) for experiment, text in found.values() if experiment]


def saved(experiment_id: str, look_id: int) -> Saved | None:
    """One stored readout; None where this experiment has no such look."""
    here = workspace()
    if look_id not in {look.id for look in here.registry.looks(experiment_id)}:
        return None
    return _parse(str(here.path), experiment_id, look_id)


@st.cache_resource(show_spinner=False)
def _open(path: str) -> Workspace:
    return Workspace.open(path)


def trust(experiment_id: str) -> Trust | None:
    """The newest proof of an experiment's error rates; None where nobody has made one."""
    found = workspace().registry.latest_trust(experiment_id)
    return Trust.from_json(found.result) if found else None


def whole(look_id: int) -> Readout:
    """The readout of a look with the segments of its earlier looks, which a page does not need."""
    registry = workspace().registry
    return Readout.from_json(registry.look(look_id).readout or "", registry.segment_history(look_id))


@st.cache_resource(show_spinner=False, max_entries=128)
def _parse(path: str, experiment_id: str, look_id: int) -> Saved:
    """A saved look never changes, so it is parsed once for all visitors."""
    record = _open(path).registry.look(look_id)
    return Saved(look_id, record.taken_at, picks.until_decided(Readout.from_json(record.readout or "")))


@st.cache_resource(show_spinner=False, max_entries=10_000)
def _glance(path: str, look_id: int, end: date | None, window: float) -> Glance:
    """Small, so that a list of many experiments opens each of their readouts once only."""
    whole = Readout.from_json(_open(path).registry.look(look_id).readout or "")
    shown = picks.until_decided(whole)
    ends = tuple(look.without_segments() for look in shown.looks[:1] + shown.looks[1:][-1:])
    short = replace(shown, looks=ends, decision=replace(shown.decision, look=-1))
    return Glance(short, crossings(whole), days_left(whole, end, window))


@st.cache_resource(show_spinner=False, max_entries=10_000)
def _file(path: str, changed: int) -> File:
    file = Path(path)
    text = file.read_text("utf-8", errors="replace") if file.is_file() else ""
    try:
        return File(file, text, load_experiment(path))
    except ExperimentError as error:
        return File(file, text, None, str(error))


@st.cache_resource(show_spinner=False, max_entries=10_000)
def _stated(definition: str) -> Experiment | None:
    """An experiment as it was registered; one of an older grammar cannot be read any more."""
    try:
        return parse_experiment(tomllib.loads(definition), Path("experiment.toml"))
    except (ExperimentError, tomllib.TOMLDecodeError):
        return None
