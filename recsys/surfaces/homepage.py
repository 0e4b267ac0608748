"""The page that everybody opens: rows of games and of the shop's own things."""

from typing import ClassVar

from recsys.slates.rules import Exploration, Rules
from recsys.surfaces.surface import Surface


class Homepage(Surface, name="homepage"):
    """Four rows of six; nobody's games fill it, and the shop's own things neither fill it nor lack."""

    title = "Homepage"
    slots = 24
    rules = Rules(row=6, per_publisher=3, first_party=0.1, third_party=0.5)
    exploration = Exploration(epsilon=0.05, temperature=0.1, top=40, diversity=0.5)
    sources: ClassVar = {"taste": 200, "alike": 60, "friends": 20, "new": 40, "popular": 60}
