"""A trained encoder as it serves: vectors of users and items, in numpy alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.encoder.content import Bags, Content, hashed
from recsys.encoder.forward import content_vectors, histories, unit, user_vectors
from recsys.encoder.shape import SURFACES, Shape
from recsys.encoder.weights import random_weights
from recsys.errors import ModelError
from recsys.files import whole_folder
from recsys.interactions import ACTIONS

FORM = 1
CARD, WEIGHTS, ITEMS = "encoder.json", "encoder.safetensors", "items.safetensors"


@dataclass(frozen=True)
class Encoder:
    """One transformer and one item tower for all surfaces. Rows of all vectors have length 1, so that a dot
    product is a cosine.

    Attributes:
        items: the ids, in the order of the places that `user_vectors` takes.
        weights: the network's arrays by name, float32.
        vectors: of the items, float32 (items, width).
        version: names the training that made it.
    """

    shape: Shape
    items: tuple[str, ...]
    weights: Mapping[str, NDArray[np.float32]]
    vectors: NDArray[np.float32]
    version: str

    @classmethod
    def untrained(
        cls, items: Sequence[str], contents: Sequence[Content] | None = None, *, shape: Shape, rng: np.random.Generator
    ) -> "Encoder":
        """One with random weights, to build on before anything is trained; vectors of alike contents are alike."""
        weights = random_weights(shape, rng)
        ids = unit(rng.standard_normal((len(items), shape.width)).astype(np.float32))
        vectors = ids if contents is None else content_vectors(weights, hashed(contents, shape.features))
        return cls(shape, tuple(items), weights, vectors, "untrained")

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """The encoder that `save` wrote.

        Raises:
            ModelError: if the folder holds none, or one of another form.
        """
        from safetensors.numpy import load_file

        card = _card(folder)
        weights = load_file(folder / WEIGHTS)
        kept = load_file(folder / ITEMS)
        ids = kept["ids"].tobytes().decode().split("\n") if kept["ids"].size else []
        if len(ids) != len(kept["vectors"]):
            raise ModelError(
                f"{folder / ITEMS} has {len(ids):,} ids and {len(kept['vectors']):,} vectors. Train again, or go back "
                "to another version with `holdout models use`."
            )
        return cls(Shape.from_dict(card["shape"]), tuple(ids), weights, kept["vectors"], card["version"])

    def save(self, folder: Path) -> None:
        """Write it into `folder`, which appears complete or not at all and must not be there yet."""
        from safetensors.numpy import save_file

        broken = next((item for item in self.items if "\n" in item), None)
        if broken is not None:
            raise ModelError(f"item id {broken!r} holds a line break. Import items under ids of one line.")
        ids = np.frombuffer("\n".join(self.items).encode(), np.uint8)
        card = {"form": FORM, "version": self.version, "shape": self.shape.to_dict(), "items": len(self.items)}
        with whole_folder(folder) as beside:
            save_file(dict(self.weights), beside / WEIGHTS)
            save_file({"ids": ids, "vectors": self.vectors}, beside / ITEMS)
            (beside / CARD).write_text(json.dumps(card, indent=2), encoding="utf-8")

    def item_vectors(self) -> NDArray[np.float32]:
        """Of all items, float32 (items, width), in the order of `items`."""
        return self.vectors

    def vectors_of(self, contents: Sequence[Content]) -> NDArray[np.float32]:
        """Of items that nobody has touched, from what is known of them alone, float32 (contents, width).

        Raises:
            ModelError: if the encoder was trained without content.
        """
        return self.vectors_of_bags(hashed(contents, self._features()))

    def vectors_of_bags(self, bags: Bags) -> NDArray[np.float32]:
        """As `vectors_of`, from features that are numbered already."""
        self._features()
        return content_vectors(self.weights, bags)

    def with_items(self, items: Sequence[str], contents: Sequence[Content]) -> "Encoder":
        """The same encoder with new items after its own, so that histories may hold them too."""
        known = set(self.items)
        twice = next((item for item in items if item in known), None)
        if twice is not None:
            raise ModelError(f"item {twice!r} is in the encoder already. Give only items that are new.")
        vectors = np.concatenate([self.vectors, self.vectors_of(contents)])
        return replace(self, items=(*self.items, *items), vectors=vectors)

    def user_vectors(
        self,
        items: NDArray[np.integer],
        actions: NDArray[np.integer],
        times: NDArray[np.integer],
        now: NDArray[np.integer] | int,
        surface: str = "any",
        *,
        target: str | None = None,
    ) -> NDArray[np.float32]:
        """What people want next, float32 (n, width).

        Args:
            items: places in `items` of each person's acts in order of time, -1 where there is none (padded left),
                shape (n, L); only the latest `shape.length` are read. A row of -1 alone is a person without history.
            actions: places in ACTIONS, shape (n, L).
            times: microseconds since 1970, shape (n, L).
            now: when the vectors are for, shape (n,) or one for all.
            surface: one of SURFACES.
            target: the action that is hoped for, a name of ACTIONS; None for any.

        Raises:
            ModelError: if the surface or the action is not known, or an item's place is out of range.
        """
        if items.size and (items.max() >= len(self.items) or items.min() < -1):
            raise ModelError(
                f"a history holds the item places {items.min()} to {items.max()}; this encoder has -1 to "
                f"{len(self.items) - 1:,}. Number the items by `encoder.items`."
            )
        history = histories(items, actions, times, now, self.shape)
        query = _place("surface", surface, SURFACES), self._target(target)
        return user_vectors(self.weights, self.shape, self.vectors, history, query)

    def _target(self, target: str | None) -> int:
        return len(ACTIONS) if target is None else _place("action", target, ACTIONS)

    def _features(self) -> int:
        if not self.shape.features:
            raise ModelError("this encoder was trained without content, so new items have no vector. Train with items.")
        return self.shape.features


def _place(what: str, name: str, known: Sequence[str]) -> int:
    from store.errors import did_you_mean

    if name not in known:
        raise ModelError(f"{what} {name!r} is not known to the encoder.{did_you_mean(name, known)}")
    return known.index(name)


def _card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        raise ModelError(f"{folder} holds no encoder: {CARD} is missing or broken. Train one: holdout train.") from None
    if card.get("form") != FORM:
        raise ModelError(f"{folder} is an encoder of form {card.get('form')}, this Holdout reads {FORM}. Train again.")
    return dict(card)
