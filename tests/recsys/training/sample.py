"""A small shop in a lake: people keep to a genre, slates are drawn at random, and what fits is acted on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from store import Workspace

ITEMS, GENRES, DAYS, SHOWN = 60, 6, 30, 6
START = datetime(2026, 3, 1, tzinfo=UTC)


def a_shop(folder: Path, *, people: int = 250, seed: int = 1, days: int = DAYS) -> Workspace:
    """Half of the sessions act on an item of the person's genre that was shown, if there is one."""
    rng = np.random.default_rng(seed)
    workspace = Workspace.create(folder)
    genre = np.arange(ITEMS) % GENRES
    liked = rng.integers(0, GENRES, people)
    workspace.lake.append("items", _items(genre), source="items")
    workspace.lake.append("users", pa.table({"user_id": [f"u{each:04}" for each in range(people)]}), source="users")
    shown, events = [], []
    for day in range(days):
        for person in np.flatnonzero(rng.random(people) < 0.5):
            at = START + timedelta(days=day, seconds=int(rng.integers(86_000)))
            _session(rng, int(person), at, genre == liked[person], shown, events)
    workspace.lake.append("recommendations", _table(shown), source="shown")
    workspace.lake.append("events", _table(events), source="events")
    return workspace


def _items(genre: np.ndarray) -> pa.Table:
    names = [f"i{item:02}" for item in range(ITEMS)]
    tags = [f"genre{each}" for each in genre]
    # The last five items come out on day 24, when the encoder has learnt from the days before.
    released = [START - timedelta(days=90) if item < ITEMS - 5 else START + timedelta(days=24) for item in range(ITEMS)]
    return pa.table(
        {
            "item_id": names,
            "title": [f"Game {name}" for name in names],
            "tags": tags,
            "category": tags,
            "publisher": [f"p{item % 9}" for item in range(ITEMS)],
            "list_price": pa.array([499 + 100 * (item % 20) for item in range(ITEMS)], pa.int64()),
            "released": pa.array(released, pa.timestamp("us", "UTC")),
        }
    )


def _session(
    rng: np.random.Generator,
    person: int,
    at: datetime,
    fits: np.ndarray,
    shown: list[dict[str, object]],
    events: list[dict[str, object]],
) -> None:
    out = ITEMS if at >= START + timedelta(days=24) else ITEMS - 5
    slate, user = f"s{len(shown):07}", f"u{person:04}"
    for position, item in enumerate(rng.permutation(out)[:SHOWN]):
        shown.append(
            {
                "slate_id": slate,
                "position": position + 1,
                "user_id": user,
                "time": at,
                "surface": "homepage",
                "item_id": f"i{item:02}",
                "propensity": 1 / (out - position),
                "policy": "random-1",
            }
        )
        if rng.random() < (0.7 if fits[item] else 0.04) / (1 + 0.2 * position):
            kinds = ["view", *(["purchase"] if rng.random() < 0.4 else [])]
            events += [_event(kind, user, item, slate, at + timedelta(seconds=9 + n)) for n, kind in enumerate(kinds)]


def _event(kind: str, user: str, item: int, slate: str, at: datetime) -> dict[str, object]:
    return {"unit_id": user, "time": at, "kind": kind, "item_id": f"i{item:02}", "slate_id": slate}


def _table(rows: list[dict[str, object]]) -> pa.Table:
    table = pa.Table.from_pylist(rows)
    at = table.schema.get_field_index("time")
    table = table.set_column(at, "time", table["time"].cast(pa.timestamp("us", "UTC")))
    if "position" in table.column_names:
        table = table.set_column(1, "position", table["position"].cast(pa.int32()))
    return table
