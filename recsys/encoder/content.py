"""What is known of an item before anybody touched it, as numbered features."""

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.interactions import DAY
from recsys.prices import ALWAYS

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from recsys.catalogue import Catalogue

# 2 ** 14 hashed features: of 1,200 items of the demo shop fewer than 2 % share a feature by accident.
BUCKETS = 16_384
_WORD = re.compile(r"\w+")
_WORDS_OF_DESCRIPTION = 64


@dataclass(frozen=True, slots=True)
class Content:
    """The facts of an item that do not depend on what people did; an empty text or None is not known.

    Attributes:
        tags: words separated by semicolons, as in the facts.
        price: the list price in minor units.
        age_days: days since the release, at the time that the vector is for; below 0 before it.
    """

    title: str = ""
    publisher: str = ""
    category: str = ""
    tags: str = ""
    description: str = ""
    first_party: bool | None = None
    price: int | None = None
    age_days: float | None = None


def contents_of(catalogue: "Catalogue", items: NDArray[np.integer], time: int) -> list[Content]:
    """What the catalogue says of items (their places in it), with their age at a time (microseconds since 1970)."""
    return [
        Content(
            title=catalogue.title[k],
            publisher=catalogue.publisher[k],
            category=catalogue.category[k],
            tags=";".join(catalogue.tags[k]),
            description=catalogue.description[k],
            first_party=bool(catalogue.first_party[k]),
            price=int(catalogue.list_price[k]) if catalogue.list_price[k] >= 0 else None,
            age_days=(time - int(catalogue.released[k])) / DAY if catalogue.released[k] > ALWAYS else None,
        )
        for k in items.tolist()
    ]


@dataclass(frozen=True, slots=True)
class Bags:
    """Features of items, row after row: item i has `places[starts[i]:starts[i + 1]]` with `weights` alike."""

    starts: NDArray[np.int64]
    places: NDArray[np.int32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def of(cls, attributes: "csr_array") -> "Bags":
        """Rows of a sparse matrix, shape (items, attributes), each scaled to length 1 (an empty row stays empty)."""
        rows = attributes.tocsr()
        starts = rows.indptr.astype(np.int64)
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        scale = np.repeat(1 / np.maximum(lengths, 1e-12), np.diff(starts))
        return cls(starts, rows.indices.astype(np.int32), (rows.data * scale).astype(np.float32))

    def matrix(self, features: int) -> "csr_array":
        """The same as a sparse float32 matrix, shape (items, features)."""
        from scipy.sparse import csr_array

        return csr_array((self.weights, self.places, self.starts), shape=(len(self), features))


def hashed(contents: Sequence[Content], buckets: int = BUCKETS) -> Bags:
    """The features of each item; the same on every machine and in every process.

    Each field weighs the same however many words it has; what is not known adds nothing.
    """
    starts, places, weights = [0], [], []
    for content in contents:
        for field, words in _fields(content):
            found = sorted({zlib.crc32(f"{field}={word}".encode()) % buckets for word in words})
            places += found
            weights += [1 / math.sqrt(len(found))] * len(found)
        starts.append(len(places))
    return Bags(np.array(starts, np.int64), np.array(places, np.int32), np.array(weights, np.float32))


def _fields(content: Content) -> Iterator[tuple[str, Iterable[str]]]:
    title = _WORD.findall(content.title.lower())
    named = {
        "title": title,
        "letters": _trigrams(title),
        "publisher": [content.publisher.strip().lower()] if content.publisher.strip() else [],
        "category": [content.category.strip().lower()] if content.category.strip() else [],
        "tag": [tag.strip().lower() for tag in content.tags.split(";") if tag.strip()],
        "word": _WORD.findall(content.description.lower())[:_WORDS_OF_DESCRIPTION],
        "first_party": [] if content.first_party is None else [str(content.first_party)],
        "price": [] if content.price is None else _price_bands(content.price),
        "age": [] if content.age_days is None else [str(_age_band(content.age_days))],
    }
    return ((name, words) for name, words in named.items() if words)


def _trigrams(words: Sequence[str]) -> list[str]:
    return [f"<{word}>"[start : start + 3] for word in words for start in range(len(word))]


def _price_bands(cents: int) -> list[str]:
    """A coarse and a fine band, so that near prices share one of the two."""
    if cents <= 0:
        return ["free"]
    power = math.log2(cents)
    return [f"wide {math.floor(power)}", f"narrow {math.floor(power * 4)}"]


def _age_band(days: float) -> int:
    """-1 before the release, then 0 for the first day, and one more with every doubling of the age in days."""
    return -1 if days < 0 else math.floor(math.log2(1 + days))
