"""The contract of a head: fit once, then score all items for any of the users."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import HeadError
from recsys.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_KNOWN: dict[str, type["Head"]] = {}


@dataclass(frozen=True, slots=True)
class Context:
    """What a head may use beside the interactions; any part may be missing.

    Attributes:
        friends: 1 where two users are friends, shape (users, users).
        attributes: 1 where an item has an attribute (tag, publisher, word, price band), shape (items, attributes).
        members: 1 where a user that stands for a group has another user as its member, shape (users, users).
        ordered: whether the times of the acts tell their order; False where a file lists them in no order.
        target: the action that is to be predicted (a name of ACTIONS), None for any.
        validation: acts held out of training, to choose settings and to stop early by; never the test's.
        seconds: CPU seconds that fitting may take.
        progress: is told, in words, how far it is.
    """

    friends: "csr_array | None" = None
    attributes: "csr_array | None" = None
    members: "csr_array | None" = None
    ordered: bool = True
    target: str | None = None
    validation: Interactions | None = None
    seconds: float = 1800.0
    progress: Callable[[str], None] = field(default=lambda message: None)


class Head(ABC):
    """A subclass in a file of this folder, `class ItemKnn(Head, name="item_knn")`, is known by its name.

    Attributes:
        linear: whether its scores are linear in what users did.
        needs: fields of Context without which it cannot be fitted.
        random: whether another `rng` gives another fit; one that says no is fitted once where seeds are compared.
    """

    name: ClassVar[str]
    linear: ClassVar[bool]
    needs: ClassVar[tuple[str, ...]]
    random: ClassVar[bool]

    def __init_subclass__(
        cls, *, name: str, linear: bool = True, needs: tuple[str, ...] = (), random: bool = True
    ) -> None:
        if name in _KNOWN and _KNOWN[name].__module__ != cls.__module__:
            raise HeadError(f"two heads are named {name!r}: {_KNOWN[name].__module__} and {cls.__module__}.")
        cls.name, cls.linear, cls.needs, cls.random = name, linear, needs, random
        _KNOWN[name] = cls

    @abstractmethod
    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        """Learn from `data`; returns itself.

        Raises:
            HeadError: if the data or the context lack what the head needs.
        """

    def refit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        """Learn again from `data`, which holds the validation acts too; `context.validation` is None.

        A head that chose settings by validation in `fit` keeps them here.
        """
        return self.fit(data, context, rng)

    @abstractmethod
    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        """Of every item for these users (places in `data.users`), higher is better, shape (len(users), items)."""


def head(name: str) -> type[Head]:
    """The head of this name.

    Raises:
        HeadError: if no file in heads/ defines it; the message lists those that do.
    """
    from store.errors import did_you_mean

    known = known_heads()
    if name not in known:
        raise HeadError(f"head {name!r} is not known.{did_you_mean(name, tuple(known))}")
    return known[name]


def known_heads() -> Mapping[str, type[Head]]:
    """All heads by name, sorted."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"recsys.heads.{module.name}")
    return dict(sorted(_KNOWN.items()))
