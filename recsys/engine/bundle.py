"""The trained parts of an engine, as one folder; any of them may be missing, and then others take its work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from recsys.encoder.encoder import Encoder
from recsys.engine.neighbours import Neighbours
from recsys.errors import ModelError
from recsys.ranking.ranker import Ranker

T = TypeVar("T")
ENCODER, LINEAR, RANKER = PARTS = "encoder", "linear", "ranker"


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
    def load(cls, folder: Path, version: str, made_of: Sequence[str] = ()) -> "Bundle":
        """Those parts that the folder has.

        Raises:
            ModelError: if the folder or one of the parts `made_of` is not there, or a part is broken.
        """
        check_folder(folder, version, made_of)
        return cls(
            version,
            _part(Encoder.load, folder / ENCODER),
            _part(Neighbours.load, folder / LINEAR),
            _part(Ranker.load, folder / RANKER),
        )


def check_folder(folder: Path, version: str, made_of: Sequence[str]) -> None:
    """That the folder has every part that its version was made of.

    Raises:
        ModelError: naming the folders that are not there.
    """
    for needed in (folder, *(folder / name for name in made_of)):
        if not needed.is_dir():
            raise ModelError(
                f"engine {version!r} has no folder {needed}. Put it back, train again, or let another version serve: "
                "`holdout models use`."
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
