"""A training that was stopped, whole on disk: arrays in safetensors, everything else in JSON."""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.files import whole_file

FILE = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is; from it and the arrays every later step follows.

    Attributes:
        round, step: epoch and step that come next; `within` counts the steps of this epoch.
        losses: mean loss of each finished part of an epoch.
        scores: validation after each of them.
        best: the highest score.
        waited, falls: validations without a better one, and how often the rate fell.
        rate: the learning rate now.
        seconds: CPU spent so far.
        summed, counted: loss of the part that is running, and its steps.
        finished: whether training stopped by itself.
    """

    round: int = 0
    step: int = 0
    within: int = 0
    losses: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    best: float = -1.0
    waited: int = 0
    falls: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    summed: float = 0.0
    counted: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`arrays` holds weights, Adam's moments and the best weights so far, each under its own prefix."""

    progress: Progress
    arrays: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, NDArray[np.float32]]:
        return {name[len(prefix) :]: array for name, array in self.arrays.items() if name.startswith(prefix)}


def save(folder: Path, checkpoint: Checkpoint, settings: Mapping[str, Any]) -> None:
    """Replace the checkpoint of `folder`: arrays and progress in one file, so that they cannot part."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    told = {"progress": json.dumps(asdict(checkpoint.progress)), "settings": _text(settings)}
    with whole_file(folder / FILE) as beside:
        save_file(dict(checkpoint.arrays), beside, metadata=told)


def load(folder: Path, settings: Mapping[str, Any]) -> Checkpoint | None:
    """The checkpoint of `folder`, None if there is none.

    Raises:
        ModelError: if it is of a training with other settings or data.
    """
    from safetensors.numpy import load_file

    file = folder / FILE
    if not file.is_file():
        return None
    told = _metadata(file)
    if told["settings"] != _text(settings):
        raise ModelError(f"{file} is of a training with other settings or data. Remove it, or train without --resume.")
    progress = json.loads(told["progress"])
    listed = {name: tuple(progress[name]) for name in ("losses", "scores")}
    return Checkpoint(Progress(**(progress | listed)), load_file(file))


def _metadata(file: Path) -> dict[str, str]:
    """What a safetensors file says of itself: a length of 8 bytes, then JSON."""
    with open(file, "rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        return dict(json.loads(opened.read(length))["__metadata__"])


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
