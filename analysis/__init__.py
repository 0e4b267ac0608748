"""What we may conclude: experiments read from facts, without needing the rest of Holdout."""

from typing import TYPE_CHECKING, Any

from analysis.errors import AnalysisError, ExperimentError, SourceError
from analysis.experiment import Experiment, load_experiment
from analysis.reading import read, read_collected
from analysis.readout import Readout

if TYPE_CHECKING:
    from analysis.planning import Plan, plan

__all__ = [
    "AnalysisError",
    "Experiment",
    "ExperimentError",
    "Plan",
    "Readout",
    "SourceError",
    "load_experiment",
    "plan",
    "read",
    "read_collected",
]


def __getattr__(name: str) -> Any:
    """Planning is loaded for those who plan: a readout starts a twentieth of a second sooner."""
    if name in ("Plan", "plan"):
        from analysis import planning

        return getattr(planning, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
