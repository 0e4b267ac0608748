"""The one scan: facts in, Moments for every look, segment and arm out. Nothing after it touches rows."""

from typing import TYPE_CHECKING, Literal

from analysis.collected import Collected
from analysis.experiment import Experiment

if TYPE_CHECKING:
    from store import Workspace

__all__ = ["collect"]


def collect(
    experiment: Experiment, workspace: "Workspace | None" = None, *, looks: Literal["daily", "last"] = "daily"
) -> Collected:
    """Moments of an experiment at the end of every UTC day, or at the last one only.

    Args:
        workspace: a `store.Workspace`, needed when the source is the lake.

    Raises:
        SourceError: if the facts cannot be used; the message names file, column, row and remedy.
        ExperimentError: if a metric's kind does not allow the values found.
    """
    from analysis.collect.local import collect_rows
    from analysis.collect.summaries import collect_summaries

    if experiment.source.kind == "moments":
        return collect_summaries(experiment, looks)
    return collect_rows(experiment, workspace, looks)
