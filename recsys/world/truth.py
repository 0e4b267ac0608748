"""The true effects of the demo shop's experiments: its last weeks lived again with everybody in one arm."""

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np

from recsys.world.calendar import DAY
from recsys.world.designs import Change
from recsys.world.draws import Flags, Floats, Ints
from recsys.world.log import KINDS, Log
from recsys.world.shop import Shop

CONVERSION_DAYS = 7


@dataclass(frozen=True, slots=True)
class TrueEffect:
    """Means over the people who were exposed, if all were in control and if all were treated (money in cents)."""

    control: float
    treatment: float

    @property
    def relative(self) -> float:
        """Of control; 0.02 is +2 %."""
        return self.treatment / self.control - 1


@dataclass(frozen=True, slots=True)
class Truth:
    """One experiment's true effects, by the ids of its metrics.

    Attributes:
        effects: on everyone who was exposed, if all are treated against none.
        direct: on those with friends in the experiment if they are treated and no friend is, as others feel it; None
            where nothing is passed on.
        spillover: on the same people if they are not treated and all of their friends are, against none of them.
    """

    effects: dict[str, TrueEffect]
    direct: dict[str, TrueEffect] | None = None
    spillover: dict[str, TrueEffect] | None = None


@dataclass(frozen=True, slots=True)
class _Lived:
    """The last weeks of one shop: events as arrays, and the first exposure of everybody to one experiment."""

    kind: Ints
    person: Ints
    second: Ints
    value: Ints
    first: Ints


def true_effects(shop: Shop, id: str) -> Truth:
    """The truth of one experiment under the plain policy; the others are as they are, nobody is lost through this one.

    The same random numbers give all people the same visits in both arms, so that the difference is exact for these
    people and this luck. People who are logged in both arms are left out, as a readout leaves them out.

    Args:
        shop: at the beginning of the day on which the experiments start; it is left as it is.
    """
    trials = shop.setting.trials
    k = [design.id for design in trials.designs].index(id)
    design = trials.designs[k]

    def lived(own: bool, friends: bool) -> _Lived:
        return _lived(shop, k, own=own, friends=friends)

    none, everyone = lived(False, False), lived(True, True)
    units = (none.first >= 0) & ~trials.crossed[:, k]
    effects = _effects(none, everyone, units)
    if design.passed_on == Change():
        return Truth(effects)
    friends, met = shop.setting.friends, none.first >= 0
    counts = (friends.since < trials.opening) & met[friends.friend]
    units &= np.bincount(friends.person, counts, len(met)) > 0
    return Truth(effects, _effects(none, lived(True, False), units), _effects(none, lived(False, True), units))


def _lived(shop: Shop, experiment: int, *, own: bool, friends: bool) -> _Lived:
    trials = shop.setting.trials
    treated, others = trials.treated.copy(), trials.friends_treated.copy()
    treated[:, experiment], others[:, experiment] = own, friends
    losses = trials.designs[experiment].loss is None
    changed = replace(trials, treated=treated, friends_treated=others, losses=losses)
    again = Shop(replace(shop.setting, trials=changed), deepcopy(shop.state), shop.names)
    logs: list[Log] = []
    while again.state.day < again.setting.calendar.days:
        logs.append(again.day(again.plain))
    rows = [row for log in logs for row in log.events]
    kind, person, second, value = (np.concatenate([row[column] for row in rows]) for column in range(4))
    return _Lived(kind, person, second, value, again.state.exposed[:, experiment])


def _effects(control: _Lived, treatment: _Lived, units: Flags) -> dict[str, TrueEffect]:
    means = [_means(lived, units) for lived in (control, treatment)]
    return {name: TrueEffect(means[0][name], means[1][name]) for name in means[0]}


def _means(lived: _Lived, units: Flags) -> dict[str, float]:
    """Every metric over these people from their first exposure on; the keys are the ids in experiments/*.toml."""
    counts = units[lived.person] & (lived.second >= lived.first[lived.person])
    kind, person, value = lived.kind[counts], lived.person[counts], lived.value[counts].astype(np.float64)
    of = {name: kind == KINDS.index(name) for name in KINDS}
    n, orders, loads = float(units.sum()), float(of["purchase"].sum()), float(of["page_load"].sum())
    revenue = _total(value, of["purchase"])
    soon = of["purchase"] & (lived.second[counts] <= lived.first[person] + CONVERSION_DAYS * DAY)
    return {
        "revenue": revenue / n,
        "conversion": len(np.unique(person[soon])) / n,
        "orders": orders / n,
        "order_value": revenue / orders,
        "full_price_orders": float(of["full_price"].sum()) / n,
        "refund_rate": float(of["refund"].sum()) / orders,
        "wishlist": float(of["wishlist"].sum()) / n,
        "visits": float(of["session"].sum()) / n,
        "page_load": _total(value, of["page_load"]) / loads,
    }


def _total(value: Floats, rows: Flags) -> float:
    return float(value[rows].sum())
