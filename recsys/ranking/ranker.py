"""The ranker that serves: a model, its calibration, and the names that it was trained with, as one folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.files import whole_folder
from recsys.ranking.boosted import Boosted
from recsys.ranking.calibration import LEAST, MOST, Curve
from recsys.ranking.experts import Experts
from recsys.ranking.rows import Chances, RankerError, Rows, in_order
from recsys.slate import OUTCOMES

FORM = 2
CARD, WEIGHTS = "ranker.json", "ranker.safetensors"
SHIFTS = "shifts"


class Model(Protocol):
    """What is between rows and raw chances."""

    @property
    def kind(self) -> str:
        """A key of MODELS."""

    def read(self, rows: Rows) -> Chances:
        """What does not depend on where a row stands, a row each."""

    def placed(self, read: Chances, rows: Rows) -> Chances:
        """Of each of OUTCOMES, float64 (rows, outcomes), from what was read of these rows at any position."""

    def chances(self, rows: Rows) -> Chances:
        """Both at once."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that the class's `of` needs to make it again."""


MODELS: dict[str, type[Experts] | type[Boosted]] = {Experts.kind: Experts, Boosted.kind: Boosted}


@dataclass(frozen=True, slots=True)
class Ranker:
    """Calibrated chances of every outcome.

    Attributes:
        curves: one of each outcome.
        shifts: what a surface adds to the log odds behind the curves, float64 (surfaces, outcomes).
        features: names of the columns of Rows.features.
        surfaces: names that Rows.surface numbers.
        report: how it was trained and how it is calibrated, for the card.
    """

    model: Model
    curves: tuple[Curve, ...]
    shifts: NDArray[np.float64]
    features: tuple[str, ...]
    surfaces: tuple[str, ...]
    version: str
    report: Mapping[str, Any]

    def chances(self, rows: Rows) -> Chances:
        """Of each of OUTCOMES if shown at the rows' positions, float64 (rows, outcomes).

        Raises:
            RankerError: if the rows have another number of features.
        """
        return self.placed(self.read(rows), rows)

    def read(self, rows: Rows) -> Chances:
        """What does not depend on where a row stands: read once, placed at any position.

        Raises:
            RankerError: if the rows have another number of features.
        """
        if rows.features.shape[1] != len(self.features):
            raise RankerError(
                f"rows have {rows.features.shape[1]} features, this ranker was trained with {len(self.features)}: "
                f"{', '.join(self.features)}. Train again, or go back to a version with `holdout models use`."
            )
        return self.model.read(rows)

    def placed(self, read: Chances, rows: Rows) -> Chances:
        """`chances` from what was read of the same rows."""
        raw = self.model.placed(read, rows)
        shifts = self.shifts[rows.surface]
        for outcome, curve in enumerate(self.curves):
            if curve.method != "identity" or self.shifts[:, outcome].any():
                raw[:, outcome] = curve(raw[:, outcome], shifts[:, outcome])
        return in_order(np.clip(raw, LEAST, MOST))

    def surface(self, name: str) -> int:
        """The number of a surface; one that training never saw reads as the first."""
        return self.surfaces.index(name) if name in self.surfaces else 0

    def save(self, folder: Path) -> None:
        """Write it into `folder`, which appears complete or not at all and must not be there yet."""
        from safetensors.numpy import save_file

        arrays = {f"model.{name}": np.ascontiguousarray(array) for name, array in self.model.arrays().items()}
        arrays[SHIFTS] = np.ascontiguousarray(self.shifts)
        for outcome, curve in zip(OUTCOMES, self.curves, strict=True):
            arrays |= {f"curve.{outcome}.raw": curve.raw, f"curve.{outcome}.calibrated": curve.calibrated}
        card = {
            "form": FORM,
            "kind": self.model.kind,
            "version": self.version,
            "features": self.features,
            "surfaces": self.surfaces,
            "outcomes": OUTCOMES,
            "curves": [curve.method for curve in self.curves],
            "report": dict(self.report),
        }
        with whole_folder(folder) as beside:
            save_file(arrays, beside / WEIGHTS)
            (beside / CARD).write_text(json.dumps(card, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Ranker":
        """The ranker that `save` wrote.

        Raises:
            ModelError: if the folder holds none, or one of another form.
        """
        from safetensors.numpy import load_file

        card = _card(folder)
        arrays = load_file(folder / WEIGHTS)
        model = MODELS[card["kind"]].of(_part(arrays, "model."))
        curves = [
            Curve(method, arrays[f"curve.{outcome}.raw"], arrays[f"curve.{outcome}.calibrated"])
            for outcome, method in zip(OUTCOMES, card["curves"], strict=True)
        ]
        names = tuple(card["features"]), tuple(card["surfaces"])
        # Versions of before surfaces had shifts have none in the file.
        shifts = arrays.get(SHIFTS, np.zeros((len(names[1]), len(OUTCOMES))))
        return cls(model, tuple(curves), shifts, *names, card["version"], card["report"])


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        raise ModelError(f"{folder} holds no ranker: {CARD} is missing or broken. Train one: holdout train.") from None
    wanted = {"form": FORM, "outcomes": list(OUTCOMES)}
    found = {key: card.get(key) for key in wanted}
    if found != wanted or card.get("kind") not in MODELS:
        raise ModelError(
            f"{folder} is a ranker of {found} and kind {card.get('kind')!r}; expected {wanted}. Train again."
        )
    return card
