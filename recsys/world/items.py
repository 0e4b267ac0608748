"""The fact table items, with metadata as unlike as publishers are."""

from typing import TYPE_CHECKING

import numpy as np

from recsys.world.calendar import DAY, Calendar
from recsys.world.catalogue import NEVER, Assortment
from recsys.world.draws import Draws
from recsys.world.words import CATEGORIES, FIRST, KINDS, MOODS, SECOND, SENTENCES, TAGS

if TYPE_CHECKING:
    import pyarrow as pa


def items_table(catalogue: Assortment, calendar: Calendar, draws: Draws) -> "pa.Table":
    """One row an item, those of later days too: a release is announced, a licence has an end."""
    import pyarrow as pa

    of, rng = catalogue.publishers, draws.generator("metadata")
    n, publisher = len(catalogue), catalogue.publisher
    tagless, silent = rng.random(n) < of.tagless[publisher], rng.random(n) < of.speechless[publisher]
    mood = rng.integers(0, len(MOODS[0]), n)
    tags = [_tags(catalogue, k) for k in range(n)]
    text = [None if silent[k] else _description(catalogue, k, tags[k], int(mood[k])) for k in range(n)]
    listed = [None if tagless[k] else ";".join(tags[k]) for k in range(n)]
    ends = catalogue.delisted != NEVER
    when = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "item_id": catalogue.ids,
            "title": _titles(catalogue, rng),
            "publisher": pa.array(of.names).take(publisher),
            "category": pa.array(CATEGORIES).take(catalogue.category),
            "first_party": publisher == 0,
            "list_price": catalogue.list_price,
            "released": pa.array(calendar.timestamps(catalogue.released * DAY), when),
            "description": pa.array(text, pa.string()),
            "tags": pa.array(listed, pa.string()),
            "age_rating": pa.array(catalogue.rating.astype(np.int32), mask=catalogue.rating == 0),
            "margin": of.margin[publisher],
            "delisted": pa.array(calendar.timestamps(np.where(ends, catalogue.delisted, 0) * DAY), when, mask=~ends),
        }
    )


def _tags(catalogue: Assortment, item: int) -> list[str]:
    """Its tags in the publisher's language."""
    language = int(catalogue.publishers.language[catalogue.publisher[item]])
    names = list(TAGS)
    chosen = [names[t] for t in np.flatnonzero(catalogue.tags[item])]
    return chosen if language == 0 else [TAGS[name][language - 1] for name in chosen]


def _description(catalogue: Assortment, item: int, tags: list[str], mood: int) -> str:
    publisher = catalogue.publisher[item]
    language = int(catalogue.publishers.language[publisher])
    return SENTENCES[language].format(
        category=CATEGORIES[catalogue.category[item]],
        publisher=catalogue.publishers.names[publisher],
        tags=", ".join(tags),
        mood=MOODS[language][mood],
    )


def _titles(catalogue: Assortment, rng: np.random.Generator) -> list[str]:
    """No two alike: a name that is used again gets a number."""
    used: dict[str, int] = {}
    titles = []
    for category in catalogue.category:
        name = f"{FIRST[rng.integers(len(FIRST))]} {SECOND[rng.integers(len(SECOND))]}"
        kinds = KINDS.get(CATEGORIES[category])
        name = f"{name} {kinds[rng.integers(len(kinds))]}" if kinds else name
        used[name] = used.get(name, 0) + 1
        titles.append(name if used[name] == 1 else f"{name} {used[name]}")
    return titles
