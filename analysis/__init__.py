"""What we may conclude: experiments read from facts, without needing the rest of Holdout."""

from analysis.errors import AnalysisError, ExperimentError, SourceError
from analysis.experiment import Experiment, load_experiment
from analysis.planning.planner import plan
from analysis.planning.result import Plan
from analysis.reading import read, read_collected
from analysis.readout import Readout

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
