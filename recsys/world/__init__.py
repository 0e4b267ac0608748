"""The demo shop: people with tastes, wallets, friends and memories, day by day; any campaign can be taken out."""

from recsys.errors import ShopError
from recsys.world.building import Building
from recsys.world.demo import TrainedEngine, build
from recsys.world.designs import DESIGNS, Change, Design
from recsys.world.policy import Ask, Policy, Shown
from recsys.world.served import Served
from recsys.world.shop import Shop
from recsys.world.today import Plan
from recsys.world.truth import TrueEffect, true_effects

__all__ = [
    "DESIGNS",
    "Ask",
    "Building",
    "Change",
    "Design",
    "Plan",
    "Policy",
    "Served",
    "Shop",
    "ShopError",
    "Shown",
    "TrainedEngine",
    "TrueEffect",
    "build",
    "true_effects",
]
