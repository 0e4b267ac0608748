"""How an encoder is trained; what it is, is its shape."""

from dataclasses import asdict, dataclass
from typing import Any

from recsys.errors import ModelError


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of the training loop; the reasons for the numbers are in docs/encoder.md.

    Attributes:
        seed: everything random follows from it.
        rate: Adam's learning rate after the first `warmup` steps.
        dropout: of the tokens and of what each layer adds.
        id_dropout: share of items a batch knows by their content alone, where there is content.
        query_dropout: share of answers for which surface and hoped-for action are not told.
        tokens: acts in a batch over all processes, padding included.
        uniform, in_batch: negatives drawn from all items, and from the acts of the batch.
        rounds: the most epochs.
        patience: validations without a better one, after which the rate falls.
        falls: how often the rate falls, to a third, before the training stops.
        per_round: validations in one epoch.
        repeats: whether an act on an item that the history holds already is to be predicted too.
    """

    seed: int = 0
    rate: float = 4e-3
    warmup: int = 100
    decay: float = 0.0
    dropout: float = 0.4
    id_dropout: float = 0.3
    query_dropout: float = 0.3
    tokens: int = 2048
    uniform: int = 256
    in_batch: int = 256
    rounds: int = 200
    patience: int = 3
    falls: int = 2
    per_round: int = 1
    repeats: bool = False

    def __post_init__(self) -> None:
        if self.uniform < 1:
            raise ModelError(f"uniform is {self.uniform} negatives, must be at least 1: any item may be a negative.")
        for name in ("dropout", "id_dropout", "query_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ModelError(f"{name} is {getattr(self, name)}, must be from 0 to below 1.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
