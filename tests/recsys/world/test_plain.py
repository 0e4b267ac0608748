"""The plain policy's propensities are the chances with which it draws."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from recsys.world import Requests, Shop, ShopPlan
from recsys.world.catalogue import RATINGS
from recsys.world.plain import MIX, UNKNOWN_AGE_SEES, PlainPolicy

SHOP = Shop.open(ShopPlan(people=200, days=12, seed=8))
SURFACES = ("homepage", "cart", "post_purchase")


def asked(surface: str, person: np.ndarray, day: int = 3, owned: int = 40) -> Requests:
    """Requests of people who own the first `owned` items that are sold, about one item each but on the homepage."""
    rows, sold = np.arange(len(person)), np.flatnonzero(SHOP.setting.catalogue.sold_on(day))
    about = np.zeros(0, np.int64) if surface == "homepage" else rows
    return Requests(
        surface=surface,
        day=day,
        person=person,
        second=rows * 0 + day * 86_400,
        about_row=about,
        about_item=sold[100 + about % 50],
        owned_row=np.repeat(rows, owned),
        owned_item=np.tile(sold[:owned], len(rows)),
    )


def chances_plainly(ask: Requests, row: int, above: list[int], policy: PlainPolicy) -> np.ndarray:
    """The mixture by its definition, one request: the chance of every item after those of `above`."""
    catalogue = policy.catalogue
    out = {*ask.owned_item[ask.owned_row == row], *ask.about_item[ask.about_row == row], *above}
    age = policy.stated_age[ask.person[row]]
    may = [
        catalogue.released[i] <= ask.day < catalogue.delisted[i]
        and catalogue.rating[i] <= (UNKNOWN_AGE_SEES if age < 0 else age)
        and i not in out
        for i in range(len(catalogue))
    ]
    charts = np.where(may, catalogue.chart, 0)
    about = ask.about_item[ask.about_row == row]
    near = np.where(catalogue.category == catalogue.category[about[0]], charts, 0) if len(about) else 0 * charts
    by_charts, by_category, fairly = MIX[ask.surface]
    if near.sum() == 0:
        by_charts, by_category = by_charts + by_category, 0.0
    parts = by_charts * charts / charts.sum() + fairly * np.array(may) / np.sum(may)
    return parts + (by_category * near / near.sum() if by_category else 0)


@pytest.mark.parametrize("surface", SURFACES)
def test_propensities_are_the_mixture_and_sum_to_one(surface: str) -> None:
    ask = asked(surface, np.arange(60))
    shown = SHOP.plain.show(ask)
    for row in range(60):
        above: list[int] = []
        for place, item in enumerate(shown.item[row]):
            chance = chances_plainly(ask, row, above, SHOP.plain)
            assert chance.sum() == pytest.approx(1, abs=1e-12)
            assert shown.propensity[row, place] == pytest.approx(chance[item], rel=1e-9)
            assert shown.candidates[row, place] == np.count_nonzero(chance)
            above.append(int(item))
        assert len(set(above)) == len(above)


@pytest.mark.parametrize("surface", SURFACES)
def test_items_are_drawn_as_often_as_their_propensities_say(surface: str) -> None:
    """Chi-square over the items of the first place, for many people alike."""
    n = 20_000
    policy = PlainPolicy(SHOP.setting.catalogue, np.full(n, 30), SHOP.setting.draws)
    ask = asked(surface, np.arange(n), owned=5)
    if surface != "homepage":
        ask = replace(ask, about_item=np.full(n, ask.about_item[0]))
    counted = np.bincount(policy.show(ask).item[:, 0], minlength=len(policy.catalogue))
    chance = chances_plainly(ask, 0, [], policy)
    large = chance * n >= 5
    assert not counted[chance == 0].any()
    rest = (chance > 0) & ~large
    seen, expected = (np.append(x[large], x[rest].sum() if rest.any() else []) for x in (counted, chance * n))
    assert stats.chisquare(seen, expected).pvalue > 0.001


def test_a_wishlist_is_shown_in_a_fair_order() -> None:
    n, wished = 6_000, 3
    person, rows = np.arange(n), np.repeat(np.arange(n), wished)
    none = np.zeros(0, np.int64)
    ask = Requests("wishlist", 2, person, person, rows, np.tile([5, 6, 7], n), none, none)
    shown = SHOP.plain.show(ask)
    assert np.allclose(shown.propensity[:, :wished], [1 / 3, 1 / 2, 1]) and not shown.propensity[:, wished:].any()
    _, counts = np.unique(shown.item[:, :wished], axis=0, return_counts=True)
    assert len(counts) == 6 and stats.chisquare(counts).pvalue > 0.001


def test_nobody_of_unknown_age_is_shown_what_is_not_for_all() -> None:
    policy = PlainPolicy(SHOP.setting.catalogue, np.full(100, -1), SHOP.setting.draws)
    shown = policy.show(asked("homepage", np.arange(100))).item
    assert SHOP.setting.catalogue.rating[shown].max() <= UNKNOWN_AGE_SEES < max(RATINGS)


def test_somebody_who_owns_all_but_two_items_is_shown_two() -> None:
    day, catalogue = 3, SHOP.setting.catalogue
    sold = np.flatnonzero(catalogue.sold_on(day))
    fit = sold[catalogue.rating[sold] == 0]
    owned = np.setdiff1d(sold, fit[:2])
    none = np.zeros(0, np.int64)
    ask = Requests("homepage", day, np.array([0]), np.array([0]), none, none, np.zeros(len(owned), np.int64), owned)
    shown = SHOP.plain.show(ask)
    assert sorted(shown.item[0, :2]) == sorted(fit[:2]) and (shown.item[0, 2:] == -1).all()
    assert shown.propensity[0, 1] == pytest.approx(1) and not shown.propensity[0, 2:].any()
