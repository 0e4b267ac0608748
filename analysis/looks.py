"""Looks of a workspace's experiments: taken on the facts as they are now, and taken again on the facts as they were."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.experiment import Experiment, load_experiment, parse_experiment
from analysis.reading import read
from analysis.readout import Readout

if TYPE_CHECKING:
    from store import Workspace
    from store.registry import LookRecord


def registered(workspace: Workspace, id: str) -> Experiment:
    """An experiment as the registry has it.

    Raises:
        RegistryError: if it has none of this id.
    """
    definition = workspace.registry.experiment(id).definition
    return parse_experiment(tomllib.loads(definition), workspace.experiments / f"{id}.toml")


def take_look(workspace: Workspace, file: Path, now: datetime) -> tuple[LookRecord, tuple[str, ...]]:
    """Reads the experiment of a file, registers it as it is written now, and saves the look.

    Returns:
        The look, and which keys of the file changed since the last one in a way that moves units between arms.
    """
    from store.assignment_file import moved_by_edit

    experiment, versions = load_experiment(file), workspace.lake.versions()
    readout = read(experiment, workspace.at(versions), now=workspace.due(now), sensitivity=True)
    text, registry = file.read_text(encoding="utf-8"), workspace.registry
    before = {record.id: record.definition for record in registry.experiments()}.get(experiment.id, text)
    moved = moved_by_edit(before, text, now, file)
    registry.save_experiment(text, id=experiment.id, name=experiment.name, owner=experiment.owner)
    shown, history = readout.split()
    saved = registry.save_look(
        experiment.id,
        readout=shown,
        segment_history=history,
        verdict=readout.decision.verdict,
        lake_versions=versions,
        taken_at=now,
    )
    return saved, tuple(moved)


def recomputes(workspace: Workspace, look_id: int) -> bool:
    """Whether a saved look comes out the same, to the last digit, on the facts as they were."""
    saved = workspace.registry.look(look_id)
    experiment = registered(workspace, saved.experiment_id)
    due = workspace.due(saved.taken_at)
    again = read(experiment, workspace.at(saved.lake_versions), now=due, sensitivity=True)
    return again == Readout.from_json(saved.readout or "", workspace.registry.segment_history(look_id))
