"""The demo shop: people with tastes, wallets, friends and memories, day by day; any campaign can be taken out."""

from recsys.errors import ShopError
from recsys.world.building import Building
from recsys.world.demo import TrainedEngine, build
from recsys.world.designs import DESIGNS, Change, Design
from recsys.world.engine_policy import EnginePolicy
from recsys.world.policy import Policy, Requests, ShownSlates
from recsys.world.shop import Shop
from recsys.world.today import ShopPlan
from recsys.world.truth import TrueEffect, true_effects

__all__ = [
    "DESIGNS",
    "Building",
    "Change",
    "Design",
    "EnginePolicy",
    "Policy",
    "Requests",
    "Shop",
    "ShopError",
    "ShopPlan",
    "ShownSlates",
    "TrainedEngine",
    "TrueEffect",
    "build",
    "true_effects",
]
