"""The wishlist: its own things in the order of their moments, then what is like them."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recsys.slates.rules import Exploration, Rules
from recsys.surfaces.surface import Surface, View, Why, off

# How long an item that has just come out is a moment of its own.
FRESH_DAYS = 14.0


class Wishlist(Surface, name="wishlist"):
    """Twelve places; what stands on the wishlist may stand here, and counts more while it is cheap or just out."""

    title = "Wishlist"
    slots = 12
    rules = Rules(row=12, per_publisher=4)
    exploration = Exploration(epsilon=0.05, temperature=0.1, top=30, diversity=0.2)
    sources: ClassVar = {"asked": 60, "alike": 40, "taste": 40, "popular": 20}
    about = ("wishlist",)
    most_about = 20
    about_in_words = "With {} on the wishlist"

    def eligible(self, view: View) -> NDArray[np.bool_]:
        """The wishlist's own items too: they are what the page is about."""
        return view.for_sale & view.of_age & ~view.owned

    def worth(self, view: View) -> NDArray[np.float64]:
        """Twice for an item of the list, and again as much for its discount and for being just out."""
        moment = view.discount + (view.days_out < FRESH_DAYS)
        return np.where(view.asked, 2.0 * (1.0 + moment), 1.0)

    def reason(self, why: Why) -> str:
        """The moment, if there is one."""
        if why.source == "asked" and off(why):
            return f"On your wishlist, {off(why)} % off now"
        if why.source == "asked" and why.days_out < FRESH_DAYS:
            return "On your wishlist, and now in the shop"
        return super().reason(why)
