"""After paying: what to get next."""

from typing import ClassVar

from recsys.slates.rules import Exploration, Rules
from recsys.surfaces.surface import Surface


class PostPurchase(Surface, name="post_purchase"):
    """One row of what people get after what was just bought, and what suits this person."""

    title = "After purchase"
    slots = 6
    rules = Rules(row=6, per_publisher=2, third_party=0.3)
    exploration = Exploration(epsilon=0.05, temperature=0.1, top=20, diversity=0.5)
    sources: ClassVar = {"together": 40, "taste": 60, "new": 20, "popular": 20}
    about = ("purchase", "gift")
    most_about = 1
    about_in_words = "After buying {}"
