"""What people do with what they looked at: into the cart, onto the wishlist, wait, or forget it; and what they pay."""

from dataclasses import dataclass

import numpy as np

from recsys.world.calendar import DAY
from recsys.world.draws import Flags, Ints
from recsys.world.looks import Looks
from recsys.world.state import Returns, joined_rows
from recsys.world.today import Today

# The chance to note an item that would be bought, but not now; and any other that was looked at.
NOTED, NOTICED = 0.5, 0.03
CHECKS_OUT, CART_DAYS = 0.85, 14
# Having put an item into the cart is half a decision.
DECIDED = 0.05
REFUNDED, MISMATCHED, ABUSED, REFUND_DAYS = 0.02, 0.12, 0.5, 7
SUBSCRIPTION_DAYS = 30
CHECKOUT_SECOND = 600
# A new account of an abuser buys what it can resell while its offer lasts.
ABUSIVE = 0.5


@dataclass(frozen=True, slots=True)
class Bought:
    """Purchases of one day, shape (purchases,); `row` is the visit's place in `Today`."""

    row: Ints
    item: Ints
    slate: Ints


@dataclass(frozen=True, slots=True)
class Sales:
    """Items that change hands, shape (sales,).

    Attributes:
        payer, owner: people; of a purchase the same.
        price: cents; `campaign` as PersonalPrices counts them.
        second: of the calendar.
        slate: that it followed from, -1 for none.
    """

    payer: Ints
    owner: Ints
    item: Ints
    price: Ints
    campaign: Ints
    second: Ints
    slate: Ints


def consider(today: Today, looks: Looks, *, occasion: str) -> Flags:
    """Log the views; people fill carts and wishlists. Returns which items they may have and did not take."""
    person, item = today.person[looks.row], looks.item
    today.log.event("view", person, looks.second, item, slate=looks.slate)
    state, draws, day = today.state, today.setting.draws, today.day
    now, later = today.intent(person, item, "mood")
    now = now + ABUSIVE * _abuses(today, person)
    may = today.may_have(person, item) & ~state.cart.has(person, item)
    carts = may & (now > np.maximum(later, 0.0))
    wanted = (later > 0) | (now > 0)
    chance = np.where(wanted, NOTED, NOTICED) * today.acting.wishes[person]
    wishes = may & ~carts & ~state.wishlist.has(person, item)
    wishes &= draws.happens(chance, f"{occasion} wish", day, person, item)
    for kind, chosen, after in (("cart", carts, 6), ("wishlist", wishes, 4)):
        today.log.event(kind, person[chosen], looks.second[chosen] + after, item[chosen], slate=looks.slate[chosen])
    state.cart = state.cart.add(person[carts], item[carts], looks.slate[carts], day)
    state.wishlist = state.wishlist.add(person[wishes], item[wishes], looks.slate[wishes], day)
    return may & ~carts


def _abuses(today: Today, person: Ints) -> Flags:
    depth, _ = today.state.wallets.live(person, today.day)
    return np.asarray((today.setting.people.ring[person] >= 0) & (depth > 0))


def check_out(today: Today) -> Bought:
    """People who check out buy what they still want of their cart, the best first, as far as their money goes."""
    state, draws, day = today.state, today.setting.draws, today.day
    state.cart = state.cart.keep(state.cart.day > day - CART_DAYS)
    row, at = state.cart.of(today.person)
    person, item, slate = today.person[row], state.cart.item[at], state.cart.slate[at]
    now, later = today.intent(person, item, "mood")
    now = now + ABUSIVE * _abuses(today, person)
    good = draws.happens(CHECKS_OUT, "checks out", day, person) & today.may_have(person, item)
    good &= now > np.maximum(later, 0.0) - DECIDED
    row, item, slate, person = row[good], item[good], slate[good], person[good]
    order = np.lexsort((-now[good], row))
    row, item, slate, person = row[order], item[order], slate[order], person[order]
    price, campaign = today.prices.of(person, item)
    bought = _running(row, price) <= state.balance[person]
    row, item, slate, person = row[bought], item[bought], slate[bought], person[bought]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    second = today.start[row] + CHECKOUT_SECOND + 2 * place
    own(today, Sales(person, person, item, price[bought], campaign[bought], second, slate), kind="purchase")
    return Bought(row, item, slate)


def _running(row: Ints, price: Ints) -> Ints:
    """What has been spent after each entry, row by row; rows in order."""
    total = np.cumsum(price)
    begin = np.searchsorted(row, row)
    return total - np.where(begin > 0, total[begin - 1], 0)


def own(today: Today, sales: Sales, *, kind: str) -> None:
    """Log that payers bought these items for owners, as a "purchase" or a "gift", and move money and items."""
    state, payer, owner, item = today.state, sales.payer, sales.owner, sales.item
    listed = today.setting.catalogue.list_price[item]
    other = owner if kind == "gift" else None
    facts = {"value": sales.price, "slate": sales.slate, "list_price": listed, "campaign": sales.campaign}
    today.log.event(kind, payer, sales.second, item, other=other, **facts)
    if kind == "purchase":
        full = sales.price == listed
        facts = {name: column[full] for name, column in facts.items()}
        today.log.event("full_price", payer[full], sales.second[full], item[full], **facts)
        state.last_bought[payer] = today.day
    np.subtract.at(state.balance, payer, sales.price)
    state.owned = state.owned.add(owner, item, sales.slate, today.day)
    state.cart, state.wishlist = state.cart.drop(owner, item), state.wishlist.drop(owner, item)
    state.returns = joined_rows(state.returns, _returns(today, sales))


def _returns(today: Today, sales: Sales) -> Returns:
    """Refunds that will follow, and subscriptions that will end."""
    setting, day = today.setting, today.day
    draws, catalogue = setting.draws, setting.catalogue
    payer, owner, item = sales.payer, sales.owner, sales.item
    dislike = 1 / (1 + np.exp(2 * setting.match(owner, item)))
    honest = (REFUNDED + MISMATCHED * dislike) * today.acting.refunds[payer]
    chance = np.where(setting.people.ring[payer] >= 0, ABUSED, honest)
    refunded = draws.happens(chance, "refund", day, owner, item)
    wait = 1 + (draws.uniform("refund day", day, owner, item) * REFUND_DAYS).astype(np.int64)
    second = (draws.uniform("refund second", day, owner, item) * DAY).astype(np.int64)
    ends = ~refunded & ~catalogue.durable[item]
    due = np.where(refunded, day + wait, day + SUBSCRIPTION_DAYS)
    rows = refunded | ends
    paid = np.where(refunded, sales.price, 0)
    columns = due, owner, payer, item, paid, second, sales.slate, sales.campaign
    return Returns(*(column[rows] for column in columns))
