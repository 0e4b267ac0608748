"""Plans for the page: of an experiment file, or of an edit of it that nobody has saved."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import streamlit as st

import analysis
from analysis.errors import ExperimentError
from analysis.experiment import Experiment, parse_experiment
from dashboard import source

TEMPLATE = """[experiment]
id = "my_experiment"
name = "My experiment"
control = "old"
shares = { old = 1, new = 1 }
inference = "confidence_sequence"
planned_units = 10000

[source]
lake = true

[[metrics]]
id = "revenue"
name = "Revenue per visitor"
kind = "mean"
value = "value"
where = { kind = "purchase" }
role = "primary"
"""


def drafted(text: str, file: source.File | None) -> Experiment:
    """The experiment that a text states, as if it were in the file.

    Raises:
        ExperimentError: if it is wrong, or reads other facts than the lake or the file's own: a page must not open
            whatever its visitor names.
    """
    path = file.path if file else source.workspace().experiments / "draft.toml"
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise ExperimentError(f"This is not valid TOML: {wrong}.") from None
    experiment = parse_experiment(content, path)
    own = file.experiment.source if file and file.experiment else None
    if experiment.source.kind != "lake" and experiment.source != own:
        raise experiment.error("source", "table", "here only the lake, or the file's own source, can be read.")
    return experiment


def planned(
    experiment: Experiment,
    text: str,
    *,
    effect: float | None,
    target: float,
    traffic: float,
    progress: Callable[[str], None],
) -> analysis.Plan:
    """The plan, worked out once for the same text, numbers and facts."""
    here = source.workspace()
    versions = here.lake.versions()
    files = (getattr(experiment.source, name) for name in ("table", "exposures", "events", "moments"))
    facts = tuple((str(path), path.stat().st_mtime_ns) for path in files if isinstance(path, Path) and path.is_file())
    running = tuple((each.id, each.updated_at) for each in source.experiments())
    made = _kept(str(here.path), text, effect, target, traffic, (*sorted(versions.items()), *facts, *running))
    if not made:
        at = here.at(versions)
        made.append(analysis.plan(experiment, at, effect=effect, target=target, traffic=traffic, progress=progress))
    return made[0]


@st.cache_resource(show_spinner=False, max_entries=64)
def _kept(*key: object) -> list[analysis.Plan]:
    """A place for one plan, empty at first."""
    return []
