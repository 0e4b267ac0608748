"""The sizes of an encoder, and the names that it numbers."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from recsys.errors import ModelError

# A user vector is made for a surface; `any` where it is not known.
SURFACES = ("any", "homepage", "cart", "post_purchase", "wishlist")
# Time gaps are told apart by their power of two in seconds: the last bucket begins at 2 ** 26 s, two years.
GAPS = 28
# Of the logarithm of what cosines are multiplied by: exp(4.6) is 100, and a sharper softmax rounds to a choice.
HOTTEST = 4.6


@dataclass(frozen=True, slots=True)
class Shape:
    """What cannot change once an encoder is trained.

    Attributes:
        width: numbers in a vector, of users as of items.
        blocks, heads: transformer blocks, and attention heads in each.
        hidden: width inside a block's and the content's feed-forward layers.
        length: acts of a history that are read, the latest ones.
        features: how many content features there are; 0 for an encoder that knows items by their id alone.
        ordered: whether the order of acts means anything; if not, an act's place is not told to the model.
    """

    width: int = 64
    blocks: int = 2
    heads: int = 2
    hidden: int = 256
    length: int = 100
    features: int = 0
    ordered: bool = True

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ModelError(f"width {self.width} is not a multiple of heads {self.heads}. Choose 64 and 2.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Shape":
        unknown = sorted(set(content) - {each.name for each in fields(cls)})
        if unknown:
            raise ModelError(f"the encoder's shape has {unknown[0]!r}, which this Holdout does not know. Upgrade it.")
        return cls(**content)
