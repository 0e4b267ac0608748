"""Beside the cart: what goes with the things in it."""

from typing import ClassVar

from recsys.slates.rules import Exploration, Rules
from recsys.surfaces.surface import Surface, Why, off


class Cart(Surface, name="cart"):
    """One row; things that others bought with what is in the cart come first."""

    title = "Cart"
    slots = 6
    rules = Rules(row=6, per_publisher=3, third_party=0.3)
    exploration = Exploration(epsilon=0.05, temperature=0.1, top=20, diversity=0.3)
    sources: ClassVar = {"together": 40, "taste": 60, "popular": 20}
    about = ("cart",)
    most_about = 3
    about_in_words = "With {} in the cart"

    def reason(self, why: Why) -> str:
        """As any, and what it saves if there is no partner to speak of."""
        if off(why) and not why.partner:
            return f"{off(why)} % off while you are here"
        return super().reason(why)
