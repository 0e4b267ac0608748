"""A lake with a log of slates whose policy, and so whose every chance, is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from store import Workspace

START = datetime(2026, 3, 1, tzinfo=UTC)
ITEMS, PLACES, EPSILON = 6, 3, 0.3
SCORES = np.array([1.5, 1.0, 0.5, 0.0, -0.5, -1.0])
CLICKS = np.array([0.35, 0.3, 0.2, 0.15, 0.1, 0.3])
MARGINS = np.array([0.5, 0.3, 0.3, 0.3, 0.3, 0.2])
PRICES = np.array([2000, 1000, 500, 900, 4000, 1500])


def chances(epsilon, left):
    """Of each item at a place, given which are `left`."""
    soft = np.exp(SCORES) * left
    return (1 - epsilon) * soft / soft.sum() + epsilon * left / left.sum()


def true_clicks(epsilon):
    """Clicks a slate under this epsilon, exactly: a click depends on the item and the place alone."""
    total, states = 0.0, {frozenset(range(ITEMS)): 1.0}
    for place in range(PLACES):
        after = {}
        for left, weight in states.items():
            mask = np.isin(np.arange(ITEMS), list(left))
            for item, chance in enumerate(chances(epsilon, mask)):
                if mask[item]:
                    total += weight * chance * CLICKS[item] * 0.8**place
                    after[left - {item}] = after.get(left - {item}, 0.0) + weight * chance
        states = after
    return total


def a_log(folder, slates=3000, people=900, seed=0, *, epsilon=EPSILON, policy="p-1"):
    """A workspace in `folder` with slates on the homepage, chosen with `epsilon`, over four weeks, and their events."""
    rng = np.random.default_rng(seed)
    workspace = Workspace.create(folder)
    shown, acts = [], []
    for number in range(slates):
        left = np.ones(ITEMS, bool)
        time = START + timedelta(seconds=int(rng.integers(28 * 86_400)))
        user = f"u{rng.integers(people)}"
        for place in range(PLACES):
            chance = chances(epsilon, left)
            item = int(rng.choice(ITEMS, p=chance))
            shown.append(
                (f"s{number}", place + 1, user, time, "homepage", f"i{item}", chance[item], policy, int(left.sum()))
            )
            if rng.random() < CLICKS[item] * 0.8**place:
                acts.append((user, time + timedelta(minutes=1), "view", f"i{item}", None, f"s{number}"))
                if rng.random() < 0.3:
                    acts.append(
                        (user, time + timedelta(hours=1), "purchase", f"i{item}", int(PRICES[item]), f"s{number}")
                    )
            left[item] = False
    # Acts that must not count: without a slate, too late, on what was not shown.
    acts.append(("u0", START + timedelta(days=29), "view", "i0", None, None))
    acts.append(("u0", START + timedelta(days=40), "view", "i0", None, "s0"))
    acts.append(("u0", START + timedelta(days=1), "view", "unknown", None, "s0"))
    fill(workspace, shown, acts)
    return workspace


def fill(workspace, shown, acts, items=None):
    names = ("slate_id", "position", "user_id", "time", "surface", "item_id", "propensity", "policy", "candidates")
    log = pa.table(dict(zip(names, map(list, zip(*shown, strict=True)), strict=True)))
    log = log.set_column(1, "position", log["position"].cast(pa.int32()))
    log = log.set_column(8, "candidates", log["candidates"].cast(pa.int32()))
    workspace.lake.append("recommendations", log, source="log")
    names = ("unit_id", "time", "kind", "item_id", "value", "slate_id")
    events = pa.table(dict(zip(names, map(list, zip(*acts, strict=True)), strict=True)))
    workspace.lake.append("events", events, source="acts")
    if items is None:
        items = pa.table({"item_id": [f"i{item}" for item in range(ITEMS)], "margin": MARGINS})
    workspace.lake.append("items", items, source="items")
