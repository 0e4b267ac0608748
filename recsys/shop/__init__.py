"""The living shop: people with tastes, wallets, friends and memories, day by day; any campaign can be taken out."""

from recsys.shop.policy import SURFACES, Ask, Policy, Shown
from recsys.shop.shop import Shop
from recsys.shop.today import Plan

__all__ = ["SURFACES", "Ask", "Plan", "Policy", "Shop", "Shown"]
