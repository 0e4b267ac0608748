"""Public prices of the living shop: weekly deals, monthly drops and a season, planned before the first day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from recsys.world.calendar import DAY, THURSDAY, Calendar
from recsys.world.catalogue import Assortment, is_game
from recsys.world.draws import Draws, Flags, Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

FAMILIES = ("weekly", "drop", "season")
WEEKLY, WEEKLY_DEPTHS, WEEKLY_DAYS = 0.06, (0.15, 0.2, 0.25, 0.3, 0.4), 7
DROP, DROP_DEPTH, DROP_DAYS = 0.35, 0.3, 3
# From a Friday on; games only, so that no two deals of an item start on one day.
SEASON, SEASON_SHARE, SEASON_DAYS, SEASON_NOTICE = datetime(2026, 9, 11, tzinfo=UTC), 0.25, 14, 5
SEASON_DEPTHS = (0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True, slots=True)
class Deals:
    """One row a discounted item, shape (deals,); days, the last one not included.

    Attributes:
        campaigns: all that are planned, also those left out: a number means the same in every replay.
        campaign: place in `campaigns`.
        price: cents, shape (days, items), the lowest public price; `by` is the deal's campaign, -1 at list price.
    """

    campaigns: tuple[str, ...]
    item: Ints
    starts: Ints
    ends: Ints
    announced: Ints
    campaign: Ints
    cents: Ints
    price: Ints
    by: Ints

    def announced_on(self, day: int) -> tuple[Floats, Floats]:
        """Of deals that are known but have not begun: days until then and price over none, both inf without; (items,).

        The cheapest counts where there are several."""
        wait, cents = np.full(self.price.shape[1], np.inf), np.full(self.price.shape[1], np.inf)
        known = np.flatnonzero((self.announced <= day) & (self.starts > day))
        for row in known[np.argsort(-self.cents[known], kind="stable")]:
            wait[self.item[row]], cents[self.item[row]] = self.starts[row] - day, self.cents[row]
        return wait, cents


@dataclass(frozen=True, slots=True)
class _Planned:
    campaign: str
    starts: int
    days: int
    notice: int
    chosen: Flags
    depth: Floats


def draw_deals(
    catalogue: Assortment, calendar: Calendar, draws: Draws, *, frequency: float = 1.0, without: Sequence[str] = ()
) -> Deals:
    """All public deals but those left out; every deal is drawn alone, so that the others stay as they are.

    Args:
        frequency: how many deals there are, 1 as usual.
        without: names of campaigns, or of FAMILIES.
    """
    planned = _plan(catalogue, calendar, draws, frequency)
    rows = [_rows(each, k, catalogue) for k, each in enumerate(planned) if not left_out(each.campaign, without)]
    item, starts, ends, announced, campaign, cents = (
        np.concatenate([row[part] for row in rows]).astype(np.int64) if rows else np.zeros(0, np.int64)
        for part in range(6)
    )
    price = np.tile(catalogue.list_price, (calendar.days, 1))
    by = np.full(price.shape, -1)
    for k in range(len(item)):
        days = slice(starts[k], ends[k])
        lower = cents[k] < price[days, item[k]]
        price[days, item[k]] = np.where(lower, cents[k], price[days, item[k]])
        by[days, item[k]] = np.where(lower, campaign[k], by[days, item[k]])
    return Deals(tuple(each.campaign for each in planned), item, starts, ends, announced, campaign, cents, price, by)


def left_out(campaign: str, without: Sequence[str]) -> bool:
    """True if the campaign or its family (the part before the first hyphen) is named."""
    return campaign in without or campaign.split("-")[0] in without


def _plan(catalogue: Assortment, calendar: Calendar, draws: Draws, frequency: float) -> list[_Planned]:
    planned = []
    for day in range(calendar.days):
        date = calendar.date(day)
        if date.weekday() == THURSDAY:
            planned.append(_weekly(catalogue, day, f"weekly-{date:%Y%m%d}", draws, frequency))
        if date.day == 1:
            planned.append(_drop(catalogue, day, f"drop-{date:%Y%m}", draws, frequency))
    season = calendar.place(SEASON)
    if SEASON_NOTICE <= season < calendar.days:
        planned.append(_season(catalogue, season, f"season-{SEASON:%Y%m}", draws, frequency))
    return planned


def _weekly(catalogue: Assortment, day: int, name: str, draws: Draws, frequency: float) -> _Planned:
    items = np.arange(len(catalogue))
    share = np.minimum(WEEKLY * frequency * catalogue.publishers.eager[catalogue.publisher], 0.6)
    chosen = is_game(catalogue) & draws.happens(share, "weekly", day, items)
    return _Planned(name, day, WEEKLY_DAYS, 0, chosen, _pick(WEEKLY_DEPTHS, draws.uniform("weekly depth", day, items)))


def _drop(catalogue: Assortment, day: int, name: str, draws: Draws, frequency: float) -> _Planned:
    items = np.arange(len(catalogue))
    chosen = ~is_game(catalogue) & draws.happens(min(DROP * frequency, 1.0), "drop", day, items)
    return _Planned(name, day, DROP_DAYS, 0, chosen, np.full(len(items), DROP_DEPTH))


def _season(catalogue: Assortment, day: int, name: str, draws: Draws, frequency: float) -> _Planned:
    items = np.arange(len(catalogue))
    chosen = is_game(catalogue) & draws.happens(min(SEASON_SHARE * frequency, 1.0), "season", day, items)
    depth = _pick(SEASON_DEPTHS, draws.uniform("season depth", day, items))
    return _Planned(name, day, SEASON_DAYS, SEASON_NOTICE, chosen, depth)


def _pick(values: tuple[float, ...], u: Floats) -> Floats:
    return np.array(values)[(u * len(values)).astype(np.int64)]


def _rows(planned: _Planned, campaign: int, catalogue: Assortment) -> tuple[Ints, ...]:
    """Items that are sold when it starts, until it ends or they are delisted."""
    item = np.flatnonzero(planned.chosen & catalogue.sold_on(planned.starts))
    ends = np.minimum(planned.starts + planned.days, catalogue.delisted[item])
    cents = np.rint(catalogue.list_price[item] * (1 - planned.depth[item])).astype(np.int64)
    whole = np.ones(len(item), np.int64)
    announced = planned.starts - planned.notice
    return item, planned.starts * whole, ends, announced * whole, campaign * whole, cents


def prices_table(deals: Deals, catalogue: Assortment, calendar: Calendar) -> "pa.Table":
    """The fact table prices."""
    import pyarrow as pa

    when = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "item_id": catalogue.ids.take(deals.item),
            "starts": pa.array(calendar.timestamps(deals.starts * DAY), when),
            "ends": pa.array(calendar.timestamps(deals.ends * DAY), when),
            "price": deals.cents,
            "announced": pa.array(calendar.timestamps(deals.announced * DAY), when),
            "campaign_id": pa.array(deals.campaigns, pa.string()).take(deals.campaign),
        }
    )
