"""What an item costs at a time: its list price, or the lowest public discount that is valid then."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Times before and after all others, for what holds always or never ends.
ALWAYS = int(np.iinfo(np.int64).min)
NEVER = int(np.iinfo(np.int64).max)
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices as steps: from `since[k]` on item `item[k]` costs `price[k]`; rows in order of item and since.

    Attributes:
        first: where each item's rows begin, shape (items + 1,), int64; every item has a row that begins ALWAYS.
        since: microseconds since 1970 UTC, int64, shape (rows,).
        price: whole cents, int64, shape (rows,); UNKNOWN (-1) where the list price is not known.
    """

    first: NDArray[np.int64]
    since: NDArray[np.int64]
    price: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        list_price: NDArray[np.int64],
        item: NDArray[np.integer],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        price: NDArray[np.int64],
    ) -> "Prices":
        """From list prices, shape (items,), and discounts, shape (discounts,), each valid in [starts, ends)."""
        n = len(list_price)
        order = np.lexsort((starts, item))
        edges = np.searchsorted(item[order], np.arange(n + 1))
        items, times, prices = [np.arange(n)], [np.full(n, ALWAYS)], [list_price]
        for k in np.unique(item):
            rows = order[edges[k] : edges[k + 1]]
            steps = list(_steps(starts[rows], ends[rows], price[rows], int(list_price[k])))
            items.append(np.full(len(steps), k))
            times.append(np.array([time for time, _ in steps], np.int64))
            prices.append(np.array([cost for _, cost in steps], np.int64))
        which, since, cost = np.concatenate(items), np.concatenate(times), np.concatenate(prices)
        order = np.lexsort((since, which))
        return cls(np.searchsorted(which[order], np.arange(n + 1)), since[order], cost[order].astype(np.int64))

    def at(self, items: NDArray[np.integer], times: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """Of each item at its time, whole cents, shape of `items`."""
        items = np.asarray(items)
        low, high = self.first[items], self.first[items + 1]
        rows = last_before(self.since, low, high, np.broadcast_to(times, items.shape), inclusive=True)
        price: NDArray[np.int64] = self.price[rows]
        return price


def last_before(
    values: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    limit: NDArray[np.int64],
    *,
    inclusive: bool = False,
) -> NDArray[np.int64]:
    """Of each row, the last place in values[low:high] (ascending there) with a value below `limit`, or low - 1.

    Args:
        inclusive: a value equal to the limit counts too.
    """
    low, high = low.astype(np.int64), high.astype(np.int64)
    for _ in range(int(np.max(high - low, initial=0)).bit_length()):
        middle = (low + high) >> 1
        open_ = low < high
        found = values[np.where(open_, middle, 0)] if len(values) else np.zeros_like(limit)
        below = open_ & ((found <= limit) if inclusive else (found < limit))
        low, high = np.where(below, middle + 1, low), np.where(open_ & ~below, middle, high)
    return low - 1


def _steps(
    starts: NDArray[np.int64], ends: NDArray[np.int64], price: NDArray[np.int64], list_price: int
) -> Iterator[tuple[int, int]]:
    """The times at which one item's price changes and the price from then on, by a sweep; `starts` ascends."""
    valid: list[tuple[int, int]] = []
    events = sorted({*starts.tolist(), *ends.tolist()})
    coming, now = 0, list_price
    for time in events:
        while coming < len(starts) and starts[coming] <= time:
            heapq.heappush(valid, (int(price[coming]), int(ends[coming])))
            coming += 1
        while valid and valid[0][1] <= time:
            heapq.heappop(valid)
        lowest = valid[0][0] if valid else list_price
        if lowest != now:
            yield int(time), lowest
        now = lowest
