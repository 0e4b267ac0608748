"""The living shop: days pass under a policy, and leave facts behind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recsys.errors import ShopError
from recsys.world.calendar import Calendar
from recsys.world.catalogue import draw_catalogue
from recsys.world.day import live
from recsys.world.deals import FAMILIES, draw_deals, prices_table
from recsys.world.draws import Draws
from recsys.world.friends import draw_friends, friendships_table
from recsys.world.items import items_table
from recsys.world.log import Log, Names
from recsys.world.offers import NEW_BUYER, WIN_BACK, campaign_names
from recsys.world.people import communities_table, draw_people, users_table
from recsys.world.plain import PlainPolicy
from recsys.world.policy import Policy
from recsys.world.state import ShopState
from recsys.world.today import Setting, ShopPlan
from recsys.world.trials import draw_trials, no_trials
from store.errors import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class Shop:
    """A shop at the beginning of `state.day`; `Shop.open(plan)` is one before its first day."""

    setting: Setting
    state: ShopState
    names: Names

    @classmethod
    def open(cls, plan: ShopPlan, state: ShopState | None = None) -> "Shop":
        """The shop of this plan, on its first day or as `state` says.

        Raises:
            ShopError: if a campaign that is to be left out is not planned.
        """
        calendar, draws = Calendar(plan.days), Draws(plan.seed)
        catalogue = draw_catalogue(calendar, draws)
        people = draw_people(plan.people, calendar, draws)
        deals = draw_deals(catalogue, calendar, draws, frequency=plan.deals, without=plan.without)
        _refuse_unknown(plan.without, deals.campaigns)
        friends = draw_friends(people, calendar, draws)
        opening = plan.days - plan.experiments
        trials = draw_trials(people, opening, draws) if plan.experiments else no_trials(people, opening)
        setting = Setting(plan, calendar, draws, catalogue, people, friends, deals, trials)
        arms = tuple((design.control, design.treatment) for design in trials.designs)
        ids = tuple(design.id for design in trials.designs)
        names = Names(calendar, people.ids, catalogue.ids, campaign_names(deals), ids, arms)
        return cls(setting, state or ShopState.first(people, catalogue, len(ids)), names)

    @property
    def plain(self) -> PlainPolicy:
        """The policy of the first weeks."""
        return PlainPolicy(self.setting.catalogue, self.setting.people.stated_age, self.setting.draws)

    def standing(self) -> dict[str, "pa.Table"]:
        """The facts that are known before the first day: who and what there is, and the planned public prices."""
        setting = self.setting
        calendar, draws = setting.calendar, setting.draws
        return {
            "users": users_table(setting.people, calendar, draws),
            "items": items_table(setting.catalogue, calendar, draws),
            "prices": prices_table(setting.deals, setting.catalogue, calendar),
            "friendships": friendships_table(setting.friends, setting.people, calendar),
            "communities": communities_table(setting.people),
        }

    def day(self, policy: Policy) -> Log:
        """Let one day pass; returns what happened on it."""
        log = Log(self.names)
        live(self.setting, self.state, policy, log)
        return log

    def until(self, day: int, policy: Policy) -> Iterator[dict[str, "pa.Table"]]:
        """The fact tables of each day up to `day` (not included); the policy is told of each day at its end."""
        while self.state.day < min(day, self.setting.calendar.days):
            tables = self.day(policy).tables()
            policy.learn(tables)
            yield tables

    def replay(self, *without: str) -> "Shop":
        """The same shop before its first day, with the same random numbers, without these campaigns or families.

        Raises:
            ShopError: if one of them is not planned.
        """
        plan = self.setting.plan
        return Shop.open(replace(plan, without=(*plan.without, *without)))


def _refuse_unknown(without: Sequence[str], campaigns: Sequence[str]) -> None:
    known = {*campaigns, *FAMILIES, NEW_BUYER.name, WIN_BACK.name}
    for name in without:
        if name not in known:
            raise ShopError(f"no campaign {name!r} is planned that could be left out.{did_you_mean(name, known)}")
