"""Reads the experiment files of this folder, and others made from their text."""

import json
from functools import cache
from pathlib import Path

from shared import EXPERIMENTS

from analysis import Readout, load_experiment, read
from analysis.readout import Effect

FILES = Path(__file__).parent / "experiments"


@cache
def readout_of(name: str) -> Readout:
    """The readout of one of the experiment files, with the data beside the checkout or where HOLDOUT_SHARED says."""
    return read(load_experiment(FILES / f"{name}.toml"))


@cache
def facts(dataset: str) -> dict:
    """The known answers of a data set."""
    return json.loads((EXPERIMENTS / dataset / "FACTS.json").read_text())["computed"]


def effect(readout: Readout, metric: str, arm: str, segment: str | None = None, look: int = -1) -> Effect:
    """One effect; `segment` is written "dimension=value"."""
    for found in readout.looks[look].effects:
        label = f"{found.segment.dimension}={found.segment.value}" if found.segment else None
        if (found.metric, found.arm, label) == (metric, arm, segment):
            return found
    raise AssertionError(f"no effect of {metric} in {arm}, {segment}")


def check(readout: Readout, name: str, look: int = -1):
    """One health check."""
    return next(found for found in readout.looks[look].checks if found.name == name)
