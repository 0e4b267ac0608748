"""One day of the shop, from the money that comes back in the morning to the groups that close at night."""

import numpy as np

from recsys.world.calendar import DAY
from recsys.world.choices import check_out, consider
from recsys.world.draws import Ints
from recsys.world.gifts import give
from recsys.world.groups import close_groups, join_groups, open_groups
from recsys.world.log import Log
from recsys.world.looks import Looks, ask, browses, look_at_slates, nothing, searches
from recsys.world.offers import PROGRAMMES, PersonalPrices
from recsys.world.policy import Policy
from recsys.world.state import ShopState, kept_rows
from recsys.world.today import LAST_START, Setting, Today
from recsys.world.trials import Acting

# Money that is not spent is saved for so many months.
SAVED_MONTHS = 2.5
OPENS_WISHLIST, OPENS_ON_DEAL = 0.15, 0.4
PAGE_LOAD = {"desktop": 820.0, "phone": 1240.0, "console": 980.0}
PAGE_SPREAD = 0.3
# Seconds after a visit began at which each surface is shown.
HOMEPAGE, WISHLIST, CART, POST_PURCHASE = 2, 200, 420, 660


def live(setting: Setting, state: ShopState, policy: Policy, log: Log) -> None:
    """Let `state.day` pass: its visits, what follows from them in `log` and in `state`."""
    _morning(setting, state, log)
    today = _open(setting, state, log)
    _arrive(today)
    _offers(today)
    looks = Looks.all(_homepage(today, policy), searches(today), browses(today), _wishlist(today, policy))
    not_now = consider(today, looks, occasion="visit")
    open_groups(today, looks, not_now)
    more = _cart(today, policy)
    consider(today, more, occasion="cart")
    after = _after_buying(today, policy)
    consider(today, after, occasion="post_purchase")
    join_groups(today)
    close_groups(today)
    give(today, Looks.all(looks, more, after))
    state.day += 1


def _open(setting: Setting, state: ShopState, log: Log) -> Today:
    """Who comes and meets which experiments."""
    day, trials = state.day, setting.trials
    person = visitors(setting, day)
    start = _starts(setting, day, person)
    prices = PersonalPrices(setting.catalogue, setting.deals, state.wallets, day)
    if day < trials.opening or not trials.designs:
        return Today(setting, state, log, prices, Acting.nothing(len(setting.people)), person, start)
    stay = trials.meet(day, person, start, state, log, draws=setting.draws, people=setting.people)
    state.groups = kept_rows(state.groups, ~np.isin(state.groups.person, person[~stay]))
    person, start = person[stay], start[stay]
    trials.offer(day, setting.calendar.date(day).weekday(), person, start, state, log)
    return Today(setting, state, log, prices, trials.acting(state, setting.friends), person, start)


def visitors(setting: Setting, day: int) -> Ints:
    """Who comes on this day, whatever happened before; newcomers on the day on which they join."""
    people, everyone = setting.people, np.arange(len(setting.people))
    chance = np.minimum(people.activity * setting.calendar.rush(day), 0.95)
    comes = setting.draws.happens(chance, "comes", day, everyone) & (people.joined < day)
    return np.flatnonzero(comes | (people.joined == day))


def _starts(setting: Setting, day: int, person: Ints) -> Ints:
    """Seconds of the calendar, more of them in the evening."""
    hours = np.arange(24)
    edges = np.cumsum(1.2 - np.cos(2 * np.pi * (hours - 8) / 24))
    u = setting.draws.uniform("starts", day, person) * edges[-1]
    hour = np.searchsorted(edges, u, side="right")
    within = (setting.draws.uniform("second", day, person) * 3600).astype(np.int64)
    return np.asarray(day * DAY + np.minimum(hour * 3600 + within, LAST_START))


def _morning(setting: Setting, state: ShopState, log: Log) -> None:
    """Wallets fill, refunds are paid, and what was refunded or ended yesterday is not owned any more."""
    full = SAVED_MONTHS * setting.people.wallet
    state.balance = np.minimum(state.balance + setting.people.wallet / 30, np.maximum(full, state.balance))
    gone = kept_rows(state.returns, state.returns.due < state.day)
    state.owned = state.owned.drop(gone.owner, gone.item)
    state.returns = kept_rows(state.returns, state.returns.due >= state.day)
    due = kept_rows(state.returns, (state.returns.due == state.day) & (state.returns.paid > 0))
    np.add.at(state.balance, due.payer, due.paid)
    given = np.where(due.owner == due.payer, -1, due.owner)
    facts = {"value": -due.paid, "slate": due.slate, "campaign": due.campaign, "other": given}
    log.event("refund", due.payer, state.day * DAY + due.second, due.item, **facts)
    sold = setting.catalogue.sold_on(state.day)
    for name in ("wishlist", "cart"):
        pairs = getattr(state, name)
        setattr(state, name, pairs.keep(sold[pairs.item]))


def _arrive(today: Today) -> None:
    setting, person = today.setting, today.person
    usual = np.array(list(PAGE_LOAD.values()))[setting.people.platform[person]] * today.acting.load[person]
    spread = np.exp(PAGE_SPREAD * setting.draws.normal("page load", today.day, person) - PAGE_SPREAD**2 / 2)
    today.log.event("session", person, today.start)
    today.log.event("page_load", person, today.start + 1, value=np.rint(usual * spread).astype(np.int64))


def _offers(today: Today) -> None:
    state, person, day = today.state, today.person, today.day
    joined, last = today.setting.people.joined[person], state.last_bought[person]
    without = today.setting.plan.without
    made = state.wallets.decide(person, joined, last, day, today.setting.draws, without=without)
    visit = np.searchsorted(person, made.person)
    days = np.array([each.days for each in PROGRAMMES])[made.programme]
    whole_shop = np.full(len(made.person), -1)
    start = today.start[visit]
    today.log.offer(
        made.person, made.programme, start, made.depth, made.propensity, whole_shop, (day + days) * DAY
    )  # fmt: skip


def _homepage(today: Today, policy: Policy) -> Looks:
    rows, none = np.arange(len(today.person)), np.zeros(0, np.int64)
    return look_at_slates(today, policy, ask(today, "homepage", rows, none, none, HOMEPAGE), rows)


def _wishlist(today: Today, policy: Policy) -> Looks:
    """People open their wishlist now and then, and more often when something on it is discounted."""
    wishes, person = today.state.wishlist, today.person
    row, at = wishes.of(person)
    deal = today.prices.ratio(person[row], wishes.item[at]) < 1
    some = np.bincount(row, minlength=len(person)) > 0
    on_deal = np.bincount(row, deal, len(person)) > 0
    chance = np.where(on_deal, OPENS_ON_DEAL, OPENS_WISHLIST)
    opens = some & today.setting.draws.happens(chance, "opens wishlist", today.day, person)
    return _about(today, policy, "wishlist", opens, row, wishes.item[at], WISHLIST)


def _cart(today: Today, policy: Policy) -> Looks:
    cart = today.state.cart
    row, at = cart.of(today.person)
    some = np.bincount(row, minlength=len(today.person)) > 0
    return _about(today, policy, "cart", some, row, cart.item[at], CART)


def _after_buying(today: Today, policy: Policy) -> Looks:
    bought = check_out(today)
    some = np.bincount(bought.row, minlength=len(today.person)) > 0
    return _about(today, policy, "post_purchase", some, bought.row, bought.item, POST_PURCHASE)


def _about(today: Today, policy: Policy, surface: str, visits: np.ndarray, row: Ints, item: Ints, after: int) -> Looks:
    """Looks at a surface that is about items: `row` (places of visits, in order) and `item`, one entry an item."""
    rows = np.flatnonzero(visits)
    if not len(rows):
        return nothing()
    place = np.cumsum(visits) - 1
    mine = visits[row]
    asked = ask(today, surface, rows, place[row[mine]], item[mine], after)
    return look_at_slates(today, policy, asked, rows)
