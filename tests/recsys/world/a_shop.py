"""Small living shops for tests, lived once and kept."""

from functools import cache

import duckdb
import pyarrow as pa

from recsys.world import Shop, ShopPlan


@cache
def lived(plan: ShopPlan) -> tuple[Shop, dict[str, pa.Table]]:
    """The shop after its last day under the plain policy, and all of its facts."""
    shop = Shop.open(plan)
    parts: dict[str, list[pa.Table]] = {}
    for day in shop.until(plan.days, shop.plain):
        for name, table in day.items():
            parts.setdefault(name, []).append(table)
    whole = {name: pa.concat_tables(each, promote_options="default") for name, each in parts.items()}
    return shop, shop.standing() | whole


def facts(plan: ShopPlan) -> dict[str, pa.Table]:
    return lived(plan)[1]


def ask(sql: str, tables: dict[str, pa.Table]) -> list[tuple]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in tables.items():
        connection.register(name, table)
    return connection.execute(sql).fetchall()
