"""The trained parts of an engine, as one folder; any of them may be missing, and then others take its work."""

from dataclasses import dataclass
from pathlib import Path

from recsys.encoder.encoder import Encoder
from recsys.engine.neighbours import Neighbours
from recsys.errors import ModelError
from recsys.ranking.ranker import Ranker

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
            Encoder.load(folder / ENCODER) if (folder / ENCODER).is_dir() else None,
            Neighbours.load(folder / LINEAR) if (folder / LINEAR).is_dir() else None,
            Ranker.load(folder / RANKER) if (folder / RANKER).is_dir() else None,
        )
