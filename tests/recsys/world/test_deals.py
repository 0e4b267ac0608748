"""Public prices: the planned deals, what they cost on each day, and what is known beforehand."""

import numpy as np
import pytest

from recsys.world import Shop, ShopPlan
from recsys.world.deals import SEASON_NOTICE, draw_deals, left_out

SHOP = Shop.open(ShopPlan(people=50, days=80, seed=2))
DEALS, CATALOGUE = SHOP.setting.deals, SHOP.setting.catalogue


def test_the_price_of_a_day_is_the_lowest_of_the_deals_that_are_live() -> None:
    rng = np.random.default_rng(3)
    for day, item in zip(rng.integers(0, 80, 3_000), rng.integers(0, len(CATALOGUE), 3_000), strict=True):
        live = (DEALS.item == item) & (DEALS.starts <= day) & (day < DEALS.ends)
        lowest = min([CATALOGUE.list_price[item], *DEALS.cents[live]])
        assert DEALS.price[day, item] == lowest
        assert (DEALS.by[day, item] >= 0) == (lowest < CATALOGUE.list_price[item])


def test_only_what_is_announced_and_has_not_begun_is_known_beforehand() -> None:
    season = DEALS.campaigns.index(next(name for name in DEALS.campaigns if name.startswith("season")))
    starts = int(DEALS.starts[DEALS.campaign == season][0])
    items = DEALS.item[DEALS.campaign == season]
    for day in (starts - SEASON_NOTICE - 1, starts):
        assert not np.isfinite(DEALS.announced_on(day)[0][items]).any()
    wait, cents = DEALS.announced_on(starts - 2)
    assert (wait[items] == 2).all() and (cents[items] == DEALS.cents[DEALS.campaign == season]).all()
    assert np.isfinite(wait).sum() == len(items)


def test_a_deal_is_of_items_that_are_sold_and_ends_when_they_are_delisted() -> None:
    assert CATALOGUE.sold_on(0).dtype == bool
    for starts, ends, item in zip(DEALS.starts, DEALS.ends, DEALS.item, strict=True):
        assert CATALOGUE.released[item] <= starts < ends <= CATALOGUE.delisted[item]


@pytest.mark.parametrize("frequency", [0.0, 0.5, 2.0])
def test_more_deals_are_more_of_the_same(frequency: float) -> None:
    setting = SHOP.setting
    other = draw_deals(CATALOGUE, setting.calendar, setting.draws, frequency=frequency)
    pairs = [
        {(deals.campaigns[c], i, p) for c, i, p in zip(deals.campaign, deals.item, deals.cents, strict=True)}
        for deals in (DEALS, other)
    ]
    assert pairs[1] <= pairs[0] if frequency < 1 else pairs[0] <= pairs[1]
    assert 0.8 < len(pairs[1]) / max(frequency * len(pairs[0]), 1) < 1.2 if frequency else not pairs[1]


def test_a_campaign_is_left_out_by_its_name_or_by_its_family() -> None:
    assert left_out("weekly-20261015", ("weekly",)) and left_out("weekly-20261015", ("weekly-20261015",))
    assert not left_out("weekly-20261015", ("weekly-20261022", "season")) and left_out("new_buyer", ("new_buyer",))
