"""The living shop's facts: contracts, ownership, money, times, and what followed from which slate."""

import pyarrow as pa
import pytest

from recsys.world import ShopPlan
from store.check import check
from store.contract import load_contract
from tests.recsys.world.a_shop import ask, facts, lived

# Through a season, and with so many people that groups, gifts and abusers occur.
PLAN = ShopPlan(people=1_500, days=75, seed=3)


@pytest.mark.parametrize("name", sorted(facts(PLAN)))
def test_every_row_keeps_its_contract(name: str) -> None:
    table, contract = facts(PLAN)[name], load_contract(name)
    assert {*contract.required} <= {*table.column_names} <= {*contract.names}
    types = {field.name: field.type for field in contract.schema}
    assert all(field.type == types[field.name] for field in table.schema)
    assert not any(check(batch, contract).problems for batch in table.to_batches())
    if contract.key:
        assert len(table.group_by(list(contract.key)).aggregate([])) == len(table)


def test_every_kind_of_act_and_every_surface_occurs() -> None:
    kinds = {kind for (kind,) in ask("SELECT DISTINCT kind FROM events", facts(PLAN))}
    assert kinds == {
        "session", "page_load", "view", "wishlist", "cart", "purchase", "full_price", "gift", "refund", "group_open",
        "group_join",
    }  # fmt: skip
    surfaces = {surface for (surface,) in ask("SELECT DISTINCT surface FROM recommendations", facts(PLAN))}
    assert surfaces == {"homepage", "wishlist", "cart", "post_purchase"}
    families = {name.split("-")[0] for (name,) in ask(
        "SELECT DISTINCT campaign_id FROM events WHERE campaign_id IS NOT NULL", facts(PLAN))}  # fmt: skip
    assert families == {"weekly", "drop", "season", "new_buyer", "win_back", "group_buy"}


def test_nobody_buys_or_is_given_a_durable_that_they_own() -> None:
    rows = ask(
        """SELECT kind, coalesce(recipient_id, unit_id), item_id FROM events JOIN items USING (item_id)
           WHERE kind IN ('purchase', 'gift', 'refund') AND category <> 'subscription' ORDER BY time""",
        facts(PLAN),
    )
    owned: set[tuple[str, str]] = set()
    for kind, owner, item in rows:
        if kind == "refund":
            assert (owner, item) in owned
            owned.remove((owner, item))
        else:
            assert (owner, item) not in owned
            owned.add((owner, item))
    assert len(owned) > 3_000


def test_what_is_paid_is_the_lowest_price_that_was_valid_then() -> None:
    rows = ask(
        """SELECT any_value(value), any_value(e.list_price), any_value(items.list_price), any_value(e.campaign_id),
                  min(price), min(CASE WHEN o.campaign_id <> 'group_buy' THEN round_even(items.list_price * (1 - depth), 0) END),
                  min(CASE WHEN o.campaign_id = 'group_buy' THEN round_even(items.list_price * (1 - depth), 0) END)
           FROM (SELECT row_number() OVER () AS id, * FROM events WHERE kind IN ('purchase', 'gift')) e
           JOIN items USING (item_id)
           LEFT JOIN prices p ON p.item_id = e.item_id AND starts <= e.time AND e.time < p.ends
           LEFT JOIN offers o ON o.user_id = unit_id AND coalesce(o.item_id, e.item_id) = e.item_id AND depth > 0
                                 AND o.starts <= e.time AND e.time < o.ends GROUP BY id""",
        facts(PLAN),
    )
    grouped = 0
    for paid, listed, true_list, campaign, public, own, group in rows:
        alone = min(price for price in (true_list, public, own) if price is not None)
        assert listed == true_list
        if campaign == "group_buy":
            grouped += 1
            assert paid == group < alone
        else:
            assert paid == alone
            assert (campaign is None) == (paid == listed)
    assert grouped > 20


def test_full_price_orders_are_the_purchases_that_paid_the_list_price() -> None:
    ((orders, full, marked),) = ask(
        """SELECT count(*) FILTER (kind = 'purchase'), count(*) FILTER (kind = 'purchase' AND value = list_price),
                  count(*) FILTER (kind = 'full_price') FROM events""",
        facts(PLAN),
    )
    assert full == marked and 0.2 < full / orders < 0.8


def test_a_refund_pays_back_what_was_paid_and_each_order_at_most_once() -> None:
    ((without_order, twice),) = ask(
        """WITH paid AS (SELECT unit_id, item_id, value, time, coalesce(recipient_id, unit_id) AS owner FROM events
                         WHERE kind IN ('purchase', 'gift')),
                back AS (SELECT unit_id, item_id, -value AS value, time, coalesce(recipient_id, unit_id) AS owner
                         FROM events WHERE kind = 'refund'),
                matched AS (SELECT back.*, max(paid.time) AS bought FROM back LEFT JOIN paid ON
                            (back.unit_id, back.item_id, back.value, back.owner) =
                            (paid.unit_id, paid.item_id, paid.value, paid.owner) AND paid.time < back.time
                            AND paid.time > back.time - INTERVAL 9 DAY GROUP BY ALL)
           SELECT count(*) FILTER (bought IS NULL), count(*) - count(DISTINCT (owner, item_id, bought)) FROM matched""",
        facts(PLAN),
    )
    assert (without_order, twice) == (0, 0)


def test_nobody_acts_before_joining_and_no_item_before_its_release_or_after_its_end() -> None:
    ((early, before, after),) = ask(
        """SELECT count(*) FILTER (time < first_seen), count(*) FILTER (time < released),
                  count(*) FILTER (time >= delisted AND kind <> 'refund')
           FROM events JOIN users ON user_id = unit_id LEFT JOIN items USING (item_id)""",
        facts(PLAN),
    )
    assert (early, before, after) == (0, 0, 0)
    ((before, after),) = ask(
        """SELECT count(*) FILTER (time < released), count(*) FILTER (time >= delisted)
           FROM recommendations JOIN items USING (item_id)""",
        facts(PLAN),
    )
    assert (before, after) == (0, 0)


def test_nothing_is_shown_that_is_owned_or_not_fit_for_the_stated_age() -> None:
    ((unfit,),) = ask(
        """SELECT count(*) FROM recommendations JOIN users USING (user_id) JOIN items USING (item_id)
           WHERE age_rating > coalesce(age, 12) AND surface <> 'wishlist'""",
        facts(PLAN),
    )
    ((owned,),) = ask(
        """WITH own AS (SELECT unit_id AS user_id, item_id, min(time) AS since FROM events JOIN items USING (item_id)
                        WHERE kind = 'purchase' AND category <> 'subscription' GROUP BY ALL),
                gone AS (SELECT unit_id AS user_id, item_id FROM events WHERE kind = 'refund')
           SELECT count(*) FROM recommendations JOIN own USING (user_id, item_id) ANTI JOIN gone USING (user_id, item_id)
           WHERE time >= since""",
        facts(PLAN),
    )
    assert (unfit, owned) == (0, 0)


def test_an_act_that_names_a_slate_followed_from_an_item_that_the_slate_showed() -> None:
    ((acts, unknown, stolen, early),) = ask(
        """SELECT count(*), count(*) FILTER (r.item_id IS NULL), count(*) FILTER (r.user_id <> unit_id),
                  count(*) FILTER (r.time >= e.time)
           FROM events e LEFT JOIN recommendations r ON (e.slate_id, e.item_id) = (r.slate_id, r.item_id)
           WHERE e.slate_id IS NOT NULL""",
        facts(PLAN),
    )
    assert acts > 20_000 and (unknown, stolen, early) == (0, 0, 0)


def test_offers_are_made_by_a_fair_coin_and_withheld_ones_are_logged_too() -> None:
    rows = ask(
        """SELECT campaign_id, count(*), count(*) FILTER (depth > 0), min(propensity), max(propensity)
           FROM offers WHERE campaign_id <> 'group_buy' GROUP BY 1 ORDER BY 1""",
        facts(PLAN),
    )
    assert [row[0] for row in rows] == ["new_buyer", "win_back"]
    for _, n, made, low, high in rows:
        assert low == high == 0.5 and abs(made - n / 2) < 4 * (n / 4) ** 0.5


def test_groups_buy_only_with_enough_members_who_are_friends_of_the_opener() -> None:
    rows = ask(
        """WITH acts AS (SELECT *, split_part(event_id, '-', 1) AS g FROM events WHERE kind LIKE 'group_%'),
                opened AS (SELECT g, unit_id AS opener, item_id FROM acts WHERE kind = 'group_open'),
                joined AS (SELECT g, unit_id, item_id FROM acts WHERE kind = 'group_join')
           SELECT count(*), count(*) FILTER (friend_id IS NULL), count(*) FILTER (opened.item_id <> joined.item_id)
           FROM joined JOIN opened USING (g) LEFT JOIN friendships ON (user_id, friend_id) = (opener, unit_id)""",
        facts(PLAN),
    )
    assert rows[0][0] > 50 and rows[0][1:] == (0, 0)
    members = ask(
        """WITH bought AS (SELECT item_id, time::DATE AS day, count(*) AS n FROM events
                           WHERE kind = 'purchase' AND campaign_id = 'group_buy' GROUP BY ALL) SELECT min(n) FROM bought""",
        facts(PLAN),
    )
    assert members[0][0] >= 3


def test_gifts_go_to_friends() -> None:
    ((gifts, strangers),) = ask(
        """SELECT count(*), count(*) FILTER (friend_id IS NULL OR since > time) FROM events
           LEFT JOIN friendships ON (user_id, friend_id) = (unit_id, recipient_id) WHERE kind = 'gift'""",
        facts(PLAN),
    )
    assert gifts > 100 and strangers == 0


def test_accounts_of_abusers_use_new_buyer_offers_and_refunds_far_more() -> None:

    shop, tables = lived(PLAN)
    ring = [f"u{k:06d}" for k in (shop.setting.people.ring >= 0).nonzero()[0]]

    rows = ask(
        """SELECT unit_id IN (SELECT user_id FROM ring) AS bad,
                  count(*) FILTER (kind = 'refund') / count(*) FILTER (kind IN ('purchase', 'gift'))
           FROM events GROUP BY 1 ORDER BY 1""",
        tables | {"ring": pa.table({"user_id": ring})},
    )
    assert rows[1][1] > 4 * rows[0][1]


def test_publishers_describe_their_games_unlike_each_other() -> None:
    ((empty, untagged, languages),) = ask(
        """SELECT avg((description IS NULL)::INT), avg((tags IS NULL)::INT),
                  count(*) FILTER (description LIKE '% zeigt: %') > 0 AND
                  count(*) FILTER (description LIKE '%présente%') > 0 FROM items WHERE NOT first_party""",
        facts(PLAN),
    )
    assert 0.05 < empty < 0.5 and 0.05 < untagged < 0.5 and languages
    ((titles,),) = ask("SELECT count(*) - count(DISTINCT title) FROM items", facts(PLAN))
    assert titles == 0
