"""The trained parts of an engine, as one folder; any of them may be missing, and then others take its work."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from recsys.encoder.encoder import Encoder
from recsys.engine.neighbours import Neighbours
from recsys.errors import ModelError
from recsys.ranking.ranker import Ranker

T = TypeVar("T")
ENCODER, LINEAR, RANKER = "encoder", "linear", "ranker"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What training made: who is near whom, and what follows from showing an item.

    Attributes:
        version: as the registry names it; None where nothing was trained.
    """

    version: str | None = None
    encoder: Encoder | None = None
    neighbours: Neighbours | None = None
    ranker: Ranker | None = None

    @classmethod
    def load(cls, folder: Path, version: str) -> "Bundle":
        """Those parts that the folder has.

        Raises:
            ModelError: if the folder is not there, or a part is broken.
        """
        if not folder.is_dir():
            raise ModelError(
                f"engine {version!r} has no folder {folder}. Train again, or `holdout models use` another version."
            )
        return cls(
            version,
            _part(Encoder.load, folder / ENCODER),
            _part(Neighbours.load, folder / LINEAR),
            _part(Ranker.load, folder / RANKER),
        )


def _part(load: Callable[[Path], T], folder: Path) -> T | None:
    """What lies in the folder, None where there is no such folder."""
    from safetensors import SafetensorError

    try:
        return load(folder) if folder.is_dir() else None
    except (SafetensorError, FileNotFoundError) as error:
        raise ModelError(
            f"{folder} is broken: {error}. Train again, or go back to another version with `holdout models use`."
        ) from None
