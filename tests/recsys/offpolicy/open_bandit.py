"""The Open Bandit data: one policy at random and one by Thompson sampling, logged side by side in one week."""

from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from recsys.offpolicy.logged import Logged, weights
from recsys.offpolicy.reward_model import cross_fitted, of_policy
from tests.shared import SHARED

FOLDER = SHARED / "data" / "recsys" / "open_bandit"


@dataclass(frozen=True)
class Direction:
    """A log of one policy for the value of the other; `truth` is the mean reward of the other's own log."""

    log: Logged
    truth: float


def direction(campaign: str, logged: str, evaluated: str) -> Direction:
    """The Thompson-sampling policy is replaced by its share of each item at each position: its own chances at other
    items are not in the data."""
    source, other = (pq.read_table(FOLDER / f"{name}_{campaign}.parquet").to_pandas() for name in (logged, evaluated))
    items = int(max(source["item_id"].max(), other["item_id"].max())) + 1
    chances = np.full((3, items), 1 / items)
    if evaluated == "bts":
        chances = np.zeros((3, items))
        np.add.at(chances, (other["position"].to_numpy() - 1, other["item_id"].to_numpy()), 1)
        chances /= chances.sum(axis=1, keepdims=True)
    action, place = source["item_id"].to_numpy(), source["position"].to_numpy() - 1
    target = chances[place]
    weight = weights(target[np.arange(len(action)), action], source["propensity_score"].to_numpy())
    log = Logged.of(source["click"].to_numpy(float), weight, largest_weight=float((chances * items).max()))
    users = [source[name].astype("category").cat.codes for name in source if name.startswith("user_feature")]
    context = np.concatenate([np.eye(3)[place], *(np.eye(codes.nunique())[codes] for codes in users)], axis=1)
    rng = np.random.default_rng(0)
    predicted = cross_fitted(log.reward, context, action, actions=items, unit=log.unit, rng=rng)
    return Direction(log.with_model(*of_policy(predicted, action, target)), float(other["click"].mean()))
