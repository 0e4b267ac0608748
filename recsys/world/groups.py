"""Group buys: one opens, friends join within days, and with enough of them all buy at the group's price."""

import numpy as np

from recsys.world.calendar import DAY
from recsys.world.choices import Sales, own
from recsys.world.draws import Flags, Ints
from recsys.world.looks import Looks
from recsys.world.offers import PROGRAMMES
from recsys.world.pairs import first_of_each
from recsys.world.state import Groups, joined_rows, kept_rows
from recsys.world.today import Today

DEPTH, MEMBERS, DAYS = 0.25, 3, 7
OPENS, JOINS = 0.4, 0.7
# What friends buy together is worth more to each, by this factor.
TOGETHER = 1.35
CAMPAIGN = len(PROGRAMMES)
JOIN_SECOND = 850
# After the last visit of a day has ended.
CLOSES = DAY - 30


def open_groups(today: Today, looks: Looks, not_now: Flags) -> None:
    """Of those who did not take an item that groups may buy, some who would at the group's price open a group."""
    state, catalogue = today.state, today.setting.catalogue
    person = today.person[looks.row]
    may = not_now & catalogue.group[looks.item] & _would(today, person, looks.item)
    may &= today.setting.draws.happens(OPENS, "opens group", today.day, person, looks.item)
    may &= ~np.isin(person * len(catalogue) + looks.item, state.groups.person * len(catalogue) + state.groups.item)
    who, item, second = person[may], looks.item[may], looks.second[may] + 2
    number = state.groups_opened + np.arange(len(who))
    state.groups_opened += len(who)
    today.log.event("group_open", who, second, item, slate=looks.slate[may], other=number)
    until = np.full(len(who), today.day + DAYS - 1)
    _add(today, Groups(number, who, item, until, who, second, looks.slate[may]))


def join_groups(today: Today) -> None:
    """Friends of those who opened a group on an earlier day join it."""
    state, setting = today.state, today.setting
    first = kept_rows(
        state.groups, (state.groups.person == state.groups.opener) & (state.groups.second < today.day * DAY)
    )
    visit = np.full(len(setting.people), -1)
    visit[today.person] = np.arange(len(today.person))
    place, at = setting.friends.of(first.opener)
    friend = setting.friends.friend[at]
    there = (visit[friend] >= 0) & (setting.friends.since[at] <= today.day)
    place, friend = place[there], friend[there]
    item = first.item[place]
    will = today.may_have(friend, item) & _would(today, friend, item)
    will &= setting.draws.happens(JOINS, "joins group", today.day, friend, item)
    member = state.groups.group * len(setting.people) + state.groups.person
    will &= ~np.isin(first.group[place] * len(setting.people) + friend, member)
    will[will] = first_of_each(friend[will])
    place, friend = place[will], friend[will]
    second = today.start[visit[friend]] + JOIN_SECOND
    today.log.event("group_join", friend, second, first.item[place], other=first.group[place])
    none = np.full(len(friend), -1)
    columns = first.group[place], first.opener[place], first.item[place], first.until[place]
    _add(today, Groups(*columns, friend, second, none))


def _would(today: Today, person: Ints, item: Ints) -> Flags:
    """Buy at the group's price, if it is lower than what they pay alone."""
    worth, ratio = TOGETHER * today.worth(person, item), today.prices.ratio(person, item)
    return np.asarray((worth > 1 - DEPTH) & (ratio > 1 - DEPTH))


def _add(today: Today, members: Groups) -> None:
    """Every member holds the group's offer from now on until the group ends."""
    n = len(members.group)
    campaign, depth = np.full(n, CAMPAIGN), np.full(n, DEPTH)
    ends = (members.until + 1) * DAY
    today.log.offer(members.person, campaign, members.second, depth, np.ones(n), members.item, ends)
    today.state.groups = joined_rows(today.state.groups, members)


def close_groups(today: Today) -> None:
    """At night, after all visits, groups with enough members buy; those whose time is over end."""
    state, setting = today.state, today.setting
    groups = state.groups
    price = np.rint(setting.catalogue.list_price[groups.item] * (1 - DEPTH)).astype(np.int64)
    ready = today.may_have(groups.person, groups.item) & (state.balance[groups.person] >= price)
    # One person's money goes to one group a day.
    ready[ready] = first_of_each(groups.person[ready])
    count = np.bincount(groups.group[ready], minlength=state.groups_opened)
    full = count[groups.group] >= MEMBERS
    chosen = ready & full
    buys = kept_rows(groups, chosen)
    alone, by = today.prices.of(buys.person, buys.item)
    campaign = np.where(alone < price[chosen], by, CAMPAIGN)
    paid = np.minimum(alone, price[chosen])
    second = np.full(len(buys.group), today.day * DAY + CLOSES)
    own(today, Sales(buys.person, buys.person, buys.item, paid, campaign, second, buys.slate), kind="purchase")
    state.groups = kept_rows(groups, ~full & (groups.until > today.day))
