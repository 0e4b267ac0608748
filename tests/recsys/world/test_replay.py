"""The same random numbers with one thing changed: what a campaign does, and what it cannot do."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from recsys.world import Shop, ShopError, ShopPlan
from tests.recsys.world.a_shop import ask, facts, lived

PLAN = ShopPlan(people=700, days=60, seed=4)
# The first day of the campaign that is taken out, and the day after its last.
CAMPAIGN, STARTS, ENDS = "weekly-20261015", 27, 34


def days(table: pa.Table, shop: Shop, first: int, last: int) -> pa.Table:
    """Rows of the days from `first` to `last`, not included."""
    low, high = (pa.scalar(shop.setting.calendar.at(day * 86_400), pa.timestamp("us", "UTC")) for day in (first, last))
    return table.filter(pc.and_(pc.greater_equal(table["time"], low), pc.less(table["time"], high)))


def test_the_same_plan_gives_the_same_facts_and_another_seed_gives_others() -> None:
    small = ShopPlan(people=150, days=12, seed=1)
    again = Shop.open(small)
    parts = [tables["events"] for tables in again.until(12, again.plain)]
    assert pa.concat_tables(parts).equals(facts(small)["events"])
    other = facts(replace(small, seed=2))
    assert not other["events"].equals(facts(small)["events"]) and not other["items"].equals(facts(small)["items"])


def test_a_longer_shop_begins_as_a_shorter_one_that_is_stopped() -> None:
    plan = ShopPlan(people=150, days=12, seed=1)
    shop = Shop.open(plan)
    first = [tables["events"] for tables in shop.until(5, shop.plain)]
    resumed = Shop.open(plan, shop.state)
    then = [tables["events"] for tables in resumed.until(99, resumed.plain)]
    assert pa.concat_tables(first + then).equals(facts(plan)["events"])


def test_without_a_campaign_nothing_changes_before_it_starts_and_the_same_people_come() -> None:
    shop, whole = lived(PLAN)
    _, less = lived(replace(PLAN, without=(CAMPAIGN,)))
    assert CAMPAIGN in shop.setting.deals.campaigns
    assert shop.replay(CAMPAIGN).setting.plan == replace(PLAN, without=(CAMPAIGN,)) and shop.replay().state.day == 0
    assert str(shop.setting.calendar.date(STARTS)) == "2026-10-15"
    for name in ("events", "recommendations", "offers"):
        assert days(whole[name], shop, 0, STARTS).equals(days(less[name], shop, 0, STARTS))
        assert not days(whole[name], shop, STARTS, ENDS).equals(days(less[name], shop, STARTS, ENDS))
    came = (table["events"].filter(pc.equal(table["events"]["kind"], "session")) for table in (whole, less))
    assert next(came).equals(next(came))
    prices = "SELECT item_id, starts::VARCHAR, ends::VARCHAR, price, campaign_id FROM prices"
    others = ask(f"{prices} WHERE campaign_id <> '{CAMPAIGN}' ORDER BY ALL", whole)
    assert others == ask(f"{prices} ORDER BY ALL", less)


@pytest.mark.parametrize("name", ["weekly-20261016", "weekley", "group_buy"])
def test_a_campaign_that_is_not_planned_cannot_be_left_out(name: str) -> None:
    with pytest.raises(ShopError, match=rf"'{name}' is planned .*Known: .*season"):
        Shop.open(ShopPlan(people=50, days=40)).replay(name)


def at_the_end_of_the_campaign(plan: ShopPlan) -> Shop:
    shop = Shop.open(plan)
    for _ in shop.until(ENDS, shop.plain):
        pass
    return shop


def holdings(shop: Shop) -> list[tuple]:
    """All of each person's state but beliefs: money, things, wishes, cart, what comes back, offers, groups."""
    state, everyone = shop.state, np.arange(len(shop.setting.people))
    things: list[list[tuple]] = [[] for _ in everyone]
    for name in ("owned", "wishlist", "cart"):
        pairs = getattr(state, name)
        for person, *rest in zip(pairs.person, pairs.item, pairs.slate, strict=True):
            things[person].append((name, *map(int, rest)))
    for person, *rest in zip(
        state.returns.owner, state.returns.due, state.returns.item, state.returns.paid, strict=True
    ):
        things[person].append(("returns", *map(int, rest)))
    for person, item in zip(state.groups.person, state.groups.item, strict=True):
        things[person].append(("groups", int(item)))
    wallets = state.wallets
    return [
        (state.balance[k], state.last_bought[k], *wallets.decided[k], *wallets.until[k], *wallets.depth[k], *sorted(things[k]))
        for k in everyone
    ]  # fmt: skip


def who_acts_otherwise_later(conditioning: float) -> tuple[int, int]:
    """Of those whom a campaign left with the same holdings, and whose later gifts and groups are the same: how many
    there are, and how many nevertheless do something else after it."""
    plan = replace(PLAN, conditioning=conditioning, social=0.0)
    less = replace(plan, without=(CAMPAIGN,))
    same = [
        one == other
        for one, other in zip(*(holdings(at_the_end_of_the_campaign(p)) for p in (plan, less)), strict=True)
    ]
    later = [days(facts(p)["events"], lived(p)[0], ENDS, PLAN.days) for p in (plan, less)]
    acts: list[dict[str, Counter]] = []
    for table in later:
        by: dict[str, Counter] = {}
        for row in table.to_pylist():
            row.pop("event_id")
            for who in {row["unit_id"], row["recipient_id"] or row["unit_id"]}:
                social = row["kind"] in ("gift", "group_open", "group_join") or row["campaign_id"] == "group_buy"
                by.setdefault(f"{who} {'social' if social else 'own'}", Counter())[tuple(row.values())] += 1
        acts.append(by)
    users = [f"u{k:06d}" for k in np.flatnonzero(same)]
    alike = [u for u in users if acts[0].get(f"{u} social") == acts[1].get(f"{u} social")]
    return len(alike), sum(acts[0].get(f"{u} own") != acts[1].get(f"{u} own") for u in alike)


def test_a_campaign_changes_nothing_after_it_but_through_holdings_where_nobody_learns() -> None:
    people, changed = who_acts_otherwise_later(conditioning=0.0)
    assert people > 400 and changed == 0


def test_a_campaign_changes_what_people_do_after_it_where_they_learn() -> None:
    people, changed = who_acts_otherwise_later(conditioning=3.0)
    assert people > 400 and changed > 5


def full_price_orders_when_all_deals_are_over(conditioning: float, deals: float) -> tuple[int, int]:
    """Full-price orders and visits in the last 30 of 90 days, in which there is no deal or offer, after 60 with `deals`
    times as many deals as usual."""
    plan = ShopPlan(people=1_000, days=90, seed=1, conditioning=conditioning, deals=deals)
    planned = Shop.open(plan).setting.deals
    late = {planned.campaigns[c] for c in planned.campaign[planned.ends > 60]}
    shop, tables = lived(replace(plan, without=("season", "new_buyer", "win_back", *sorted(late))))
    kinds = Counter(days(tables["events"], shop, 60, 90)["kind"].to_pylist())
    return kinds["full_price"], kinds["session"]


@pytest.mark.slow
def test_frequent_deals_lower_full_price_buying_for_long_where_people_learn_and_not_where_they_do_not() -> None:
    rates = {
        (strength, deals): full_price_orders_when_all_deals_are_over(strength, deals)
        for strength in (0.0, 1.0, 3.0)
        for deals in (0.0, 4.0)
    }
    orders = {key: full for key, (full, _) in rates.items()}
    assert len({visits for _, visits in rates.values()}) == 1
    # Holdings alone: far less than the chance error of the orders themselves.
    assert abs(orders[0.0, 4.0] - orders[0.0, 0.0]) < np.sqrt(orders[0.0, 0.0])
    assert orders[1.0, 4.0] < 0.8 * orders[1.0, 0.0]
    assert orders[3.0, 4.0] / orders[3.0, 0.0] < orders[1.0, 4.0] / orders[1.0, 0.0]


def test_people_wait_more_the_more_strongly_they_learn() -> None:
    parked, full = [], []
    for strength in (0.0, 0.5, 1.0, 3.0):
        kinds = Counter(
            facts(ShopPlan(people=500, days=45, seed=6, conditioning=strength))["events"]["kind"].to_pylist()
        )
        parked.append(kinds["wishlist"] / kinds["cart"])
        full.append(kinds["full_price"])
    assert parked == sorted(parked) and full == sorted(full, reverse=True)
    assert full[-1] < 0.7 * full[0]


@pytest.mark.parametrize("programme", ["new_buyer", "win_back"])
def test_a_programme_of_offers_that_is_left_out_makes_no_offer_and_leaves_the_others(programme: str) -> None:
    left = facts(replace(PLAN, days=20, without=(programme,)))["offers"]["campaign_id"].to_pylist()
    assert programme not in left and set(left) == {"new_buyer", "win_back", "group_buy"} - {programme}
