"""Running experiments of the workspace that may meet the same units as one that is planned."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.errors import ExperimentError
from analysis.experiment import Experiment, parse_experiment
from analysis.planning.result import Overlap

if TYPE_CHECKING:
    from store import Workspace


@dataclass(frozen=True, slots=True)
class Running:
    """A registered experiment that has not ended."""

    id: str
    name: str
    layer: str | None


def running_experiments(experiment: Experiment, workspace: Workspace | None, today: date) -> tuple[Running, ...]:
    """The workspace's other experiments whose end is to come or open, as of `today` (UTC)."""
    if workspace is None:
        return ()
    found = []
    for record in workspace.registry.experiments():
        if record.id == experiment.id:
            continue
        content = tomllib.loads(record.definition)
        try:
            end = parse_experiment(content, Path(f"{record.id}.toml")).end
        except ExperimentError:
            # A definition of an older grammar may be running all the same.
            end = None
        if end is None or end > today:
            found.append(Running(record.id, record.name, _layer(content)))
    return tuple(found)


def overlaps(experiment: Experiment, running: tuple[Running, ...], shared: Mapping[str, float]) -> tuple[Overlap, ...]:
    """Those that share units of the past, or the layer, with the experiment; the largest share first."""
    try:
        own = _layer(tomllib.loads(experiment.file.read_text(encoding="utf-8")))
    except OSError:
        own = None
    found = [
        Overlap(other.id, other.name, shared.get(other.id, 0.0), other.layer, own is not None and other.layer == own)
        for other in running
    ]
    return tuple(sorted((o for o in found if o.share or o.same_layer), key=lambda o: (-o.share, o.experiment)))


def _layer(content: Mapping[str, object]) -> str | None:
    table = content.get("assignment")
    layer = table.get("layer") if isinstance(table, dict) else None
    return layer if isinstance(layer, str) else None
