"""What the shop offers, as arrays in the order in which every model numbers the items."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.prices import ALWAYS, NEVER, UNKNOWN, Prices

if TYPE_CHECKING:
    import pyarrow as pa

    from store import Workspace


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Items in order of their ids; texts are "" and tags () where the shop does not say.

    Attributes:
        ids, title, publisher, category, description: one text an item.
        tags: the words of an item.
        first_party: True where the shop makes it itself, shape (items,).
        list_price: whole cents, int64, shape (items,); UNKNOWN (-1) where it is not said.
        released, delisted: microseconds since 1970 UTC, int64; ALWAYS and NEVER where not said.
        age_rating: years, int32; 0 means any age.
        margin: share of the price that the shop keeps, float64; nan where it is not said.
        prices: list prices and public discounts as steps in time.
    """

    ids: tuple[str, ...]
    title: Sequence[str]
    publisher: tuple[str, ...]
    category: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    description: tuple[str, ...]
    first_party: NDArray[np.bool_]
    list_price: NDArray[np.int64]
    released: NDArray[np.int64]
    delisted: NDArray[np.int64]
    age_rating: NDArray[np.int32]
    margin: NDArray[np.float64]
    prices: Prices

    @classmethod
    def of(cls, items: "pa.Table", discounts: "pa.Table | None" = None) -> "Catalogue":
        """From tables as the contracts items and prices state them; columns that are not required may lack.

        Discounts of items that are not in `items` are left out.

        Raises:
            DataError: if an item is there twice.
        """
        items = items.sort_by("item_id")
        ids = tuple(items["item_id"].to_pylist())
        twice = next((one for one, other in pairwise(ids) if one == other), None)
        if twice is not None:
            raise DataError(f"item {twice!r} is in the items table more than once; one row an item is expected.")
        list_price = _numbers(items, "list_price", np.int64, UNKNOWN)
        return cls(
            ids=ids,
            title=_texts(items, "title"),
            publisher=_texts(items, "publisher"),
            category=_texts(items, "category"),
            tags=_tags(_texts(items, "tags")),
            description=_texts(items, "description"),
            first_party=_numbers(items, "first_party", np.bool_, False),
            list_price=list_price,
            released=_times(items, "released", ALWAYS),
            delisted=_times(items, "delisted", NEVER),
            age_rating=_numbers(items, "age_rating", np.int32, 0),
            margin=_numbers(items, "margin", np.float64, float("nan")),
            prices=_prices(ids, list_price, discounts),
        )

    @classmethod
    def read(cls, workspace: "Workspace") -> "Catalogue":
        """From the lake of a workspace."""
        return cls.of(workspace.lake.table("items").to_pyarrow(), workspace.lake.table("prices").to_pyarrow())

    def __len__(self) -> int:
        return len(self.ids)

    def codes(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Texts as numbers: the place of each in the sorted distinct texts, and those texts; "" is -1."""
        names = tuple(sorted(set(texts) - {""}))
        place = {name: k for k, name in enumerate(names)} | {"": -1}
        return np.array([place[text] for text in texts], np.int32), names


def _prices(ids: tuple[str, ...], list_price: NDArray[np.int64], discounts: "pa.Table | None") -> Prices:
    none = np.zeros(0, np.int64)
    if discounts is None or not len(discounts):
        return Prices.of(list_price, none, none, none, none)
    import pyarrow as pa
    import pyarrow.compute as pc

    item = pc.fill_null(pc.index_in(discounts["item_id"], pa.array(ids, discounts["item_id"].type)), -1).to_numpy()
    known = item >= 0
    starts, ends, price = (_times(discounts, "starts", ALWAYS), _times(discounts, "ends", NEVER), discounts["price"])
    return Prices.of(list_price, item[known], starts[known], ends[known], price.to_numpy()[known])


def _lacks(table: "pa.Table", column: str) -> bool:
    import pyarrow as pa

    return column not in table.column_names or pa.types.is_null(table.schema.field(column).type)


def _texts(table: "pa.Table", column: str) -> tuple[str, ...]:
    if _lacks(table, column):
        return ("",) * len(table)
    # One object for equal texts: a million items have a few thousand publishers.
    shared: dict[str, str] = {}
    return tuple(shared.setdefault(text, text) for text in (text or "" for text in table[column].to_pylist()))


def _tags(texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    words = {text: tuple(filter(None, map(str.strip, text.split(";")))) for text in set(texts)}
    return tuple(words[text] for text in texts)


def _times(table: "pa.Table", column: str, missing: int) -> NDArray[np.int64]:
    import pyarrow as pa

    if _lacks(table, column):
        return np.full(len(table), missing)
    return _filled(table[column].cast(pa.timestamp("us", "UTC")).cast(pa.int64()), missing)


def _numbers(table: "pa.Table", column: str, kind: type, missing: float) -> NDArray[Any]:
    if _lacks(table, column):
        return np.full(len(table), missing, kind)
    return _filled(table[column], missing).astype(kind)


def _filled(values: "pa.ChunkedArray", missing: float) -> NDArray[Any]:
    import pyarrow.compute as pc

    return np.array(pc.fill_null(values, missing).to_numpy())
